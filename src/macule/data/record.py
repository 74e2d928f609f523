"""One labelled picture, whatever data set it came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from macule.analysis.patient import Patient
from macule.data import pictures
from macule.data.vocabulary import Confirmation, SkinTone
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis


@dataclass(frozen=True)
class Record:
    """What a publisher says about one picture. None: the publisher does not say.

    picture: the file, or a member of one (see macule.data.pictures); None where only the tables are at hand.
    picture_id: the publisher's, unique in the data set.
    labels: the classes it may belong to; one where the source says which, several where the source lumps classes
    ("malignant"), none where it does not say.
    group: pictures of one lesion share it; namespaced by data set, so that ids never collide.
    dx_original: the label as the publisher spells it. malignant: the publisher's word, else what the labels imply.
    lesion_id, patient_id: the publisher's. part: train, val or test, where the publisher parts the set.
    site_original: the body site as the publisher spells it. mask: the lesion's outline, a picture.
    """

    picture: Path | None
    dataset: str
    picture_id: str
    labels: frozenset[Diagnosis]
    group: str
    patient: Patient
    dx_original: str | None = None
    malignant: bool | None = None
    lesion_id: str | None = None
    patient_id: str | None = None
    site_original: str | None = None
    skin_tone: SkinTone | None = None
    confirmation: Confirmation | None = None
    centre: str | None = None
    licence: str | None = None
    part: str | None = None
    mask: Path | None = None

    @property
    def diagnosis(self) -> Diagnosis:
        """The single class. Raises: ValueError where the source lumps several or does not say."""
        (only,) = self.labels
        return only

    def read(self) -> bytes:
        """The picture, as an encoded file.

        Raises: DatasetError where only the tables are at hand; UnreadableImage.
        """
        if self.picture is None:
            raise DatasetError(f"{self.dataset} {self.picture_id} has no picture here: get the pictures of the set.")
        return pictures.read(self.picture)
