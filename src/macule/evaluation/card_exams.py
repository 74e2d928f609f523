"""The exams that a bundle sits for its card."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from macule.analysis.patient import Modality
from macule.data import sources
from macule.data.links import Links
from macule.evaluation.service import LESION, PICTURE, Asked


@dataclass(frozen=True)
class Exam:
    """title: of its row in the card. The rest: what `macule evaluate` is asked for, see `service.Asked`."""

    title: str
    dataset: str
    part: str
    modality: Modality | None = None
    with_patient: bool = True
    by: str = PICTURE
    apart: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """A folder's name for its report."""
        words = (self.dataset, self.part, self.modality, "" if self.with_patient else "picture-alone",
                 "by-lesion" if self.by == LESION else "", *(f"not-in-{name}" for name in self.apart))
        return "-".join(str(word) for word in words if word)

    @property
    def derived(self) -> bool:
        """Whether its pictures stand in other exams of the card too: it is told in tables, and not in words again."""
        return bool(self.by == LESION or self.apart)

    def titled(self, fitted: Collection[str]) -> str:
        """fitted: the data sets that were trained or calibrated on; a title must not deny it."""
        return self.title.replace(NOT_TRAINED_ON, TRAINED_ON) if self.dataset in fitted else self.title

    def asked(self, data: Path, *, allow_leak: bool, pairs: Links, views: int | None) -> Asked:
        """data: the folder that holds every set. With links, what leaks by them is left out."""
        return Asked(self.dataset, data / sources.find(self.dataset).folder, self.part, self.modality,
                     self.with_patient, allow_leak, pairs.path is not None, pairs, views, self.by, self.apart)

    def command(self, name: str, *, allow_leak: bool = False, links: Path | None = None,
                views: int | None = None) -> str:
        options = f" --modality {self.modality}" if self.modality else ""
        options += "" if self.with_patient else " --no-patient"
        options += " --by lesion" if self.by == LESION else ""
        options += "".join(f" --apart-from {each}" for each in self.apart)
        options += "" if views is None else f" --views {views}"
        options += " --allow-leak" if allow_leak else ""
        # A folder of somebody's machine has no place in a card.
        options += f" --links {links.name if links.is_absolute() else links.as_posix()} --drop-leaks" if links else ""
        root = f"DATA/{sources.find(self.dataset).folder}"
        return f"macule evaluate --bundle {name} --dataset {self.dataset} --root {root} --split {self.part}{options}"


NOT_TRAINED_ON, TRAINED_ON = "(set not trained on)", "(other pictures of the set were trained on)"
#: Lesions that stand in HAM10000 too are known by links alone, so exams apart from it are sat with --links only.
_HAM = ("ham10000",)
EXAMS = (
    Exam("HAM10000, locked lesions", "ham10000", "test"),
    Exam("HAM10000, locked lesions, picture alone", "ham10000", "test", with_patient=False),
    Exam("HAM10000, locked lesions, all pictures of a lesion together", "ham10000", "test", by=LESION),
    Exam("ISIC 2018 task 3 validation", "isic2018", "val"),
    Exam(f"ISIC 2017 test {NOT_TRAINED_ON}", "isic2017", "test"),
    Exam("MILK10k, locked lesions, dermoscopic", "milk10k", "test", Modality.DERMOSCOPIC),
    Exam("MILK10k, locked lesions, clinical", "milk10k", "test", Modality.CLINICAL),
    Exam("MILK10k, locked lesions, both pictures together", "milk10k", "test", by=LESION),
    Exam("MILK10k, locked lesions not in HAM10000, dermoscopic", "milk10k", "test", Modality.DERMOSCOPIC, apart=_HAM),
    Exam("MILK10k, locked lesions not in HAM10000, clinical", "milk10k", "test", Modality.CLINICAL, apart=_HAM),
    Exam("MILK10k, locked lesions not in HAM10000, both pictures together", "milk10k", "test", by=LESION, apart=_HAM),
)
