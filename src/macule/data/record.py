"""One labelled picture, whatever data set it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from macule.analysis.patient import Patient
from macule.taxonomy import Diagnosis


@dataclass(frozen=True)
class Record:
    """picture: the file. labels: the classes it may belong to; one where the source says which, several where the
    source lumps classes (ISIC 2017's "neither melanoma nor seborrhoeic keratosis").
    group: pictures of one lesion share it; namespaced by data set, so that ids never collide.
    """

    picture: Path
    dataset: str
    picture_id: str
    labels: frozenset[Diagnosis]
    group: str
    patient: Patient

    @property
    def diagnosis(self) -> Diagnosis:
        """The single class. Raises: ValueError where the source lumps several."""
        (only,) = self.labels
        return only
