"""What macule answers: frozen, plain, and the same for Python, the command line and the web page."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macule.taxonomy import Diagnosis

DISCLAIMER = (
    "Macule is decision support for research. It is not a medical device and does not replace an examination by a "
    "clinician. If a spot changes, bleeds, itches or worries you, have it examined whatever is shown here."
)


class Risk(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True)
class Check:
    """One quality check. `value` is what was measured, `limit` what was asked for, `advice` what to do if it failed."""

    name: str
    passed: bool
    value: float
    limit: float
    advice: str

    def to_dict(self) -> dict[str, Any]:
        shown = {"passed": self.passed, "value": round(self.value, 4), "limit": self.limit}
        return shown if self.passed else {**shown, "advice": self.advice}


@dataclass(frozen=True)
class Quality:
    """Whether a picture can be judged: it is sharp and light enough, and shows what the model knows."""

    checks: tuple[Check, ...]

    @property
    def usable(self) -> bool:
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        return {"usable": self.usable, "checks": {check.name: check.to_dict() for check in self.checks}}


@dataclass(frozen=True)
class RankedDiagnosis:
    code: Diagnosis
    probability: float

    def to_dict(self) -> dict[str, Any]:
        return {"code": self.code.value, "name": self.code.entry.name, "probability": round(self.probability, 6)}


@dataclass(frozen=True)
class BundleId:
    """Which model answered. sha256: of the bundle's files together, hexadecimal."""

    id: str
    sha256: str


@dataclass(frozen=True)
class Answer:
    """What is said of a lesion, whatever the number of its pictures.

    diagnoses: most probable first; probabilities sum to 1.
    malignant: probability of the malignant and indeterminate classes together.
    cannot_exclude: suspicious classes too probable to be ruled out at the bundle's stated sensitivity.
    plausible: the diagnoses of a conformal set, the most probable first; may be empty. None where the bundle has none.
    """

    diagnoses: tuple[RankedDiagnosis, ...]
    malignant: float
    risk: Risk
    cannot_exclude: tuple[Diagnosis, ...]
    in_distribution: bool
    plausible: tuple[Diagnosis, ...] | None = field(default=None, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        return {
            "diagnoses": [ranked.to_dict() for ranked in self.diagnoses],
            "malignant": {"probability": round(self.malignant, 6)},
            "risk": self.risk.value,
            "cannot_exclude": [code.value for code in self.cannot_exclude],
            "in_distribution": self.in_distribution,
            **({} if self.plausible is None else {"plausible": [code.value for code in self.plausible]}),
        }


@dataclass(frozen=True)
class Assessment(Answer):
    """The network's calibrated answer to a picture that could be judged.

    heatmap: float32, shape (h, w), 0 to 1, coarse: where the evidence for `heatmap_of` lies.
    heatmap_of: the class that the heatmap explains, the first diagnosis.
    embedding: float32, shape (D,).
    """

    heatmap: NDArray[np.float32] = field(repr=False, compare=False)
    heatmap_of: Diagnosis
    embedding: NDArray[np.float32] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Result:
    """One picture's answer. `assessment` is None when the picture could not be judged.

    thumbnail: uint8, shape (H, W, 3), sRGB, upright, at most 640 px on the long side: for reports and pages.
    views: how many turned and mirrored copies were averaged; None where it was the bundle's own number.
    """

    image: str
    bundle: BundleId
    quality: Quality
    advice: str
    assessment: Assessment | None = None
    disclaimer: str = DISCLAIMER
    thumbnail: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    views: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The object that `macule predict --json` prints (DESIGN's interface)."""
        head: dict[str, Any] = {
            "image": self.image,
            "bundle": {"id": self.bundle.id, "sha256": self.bundle.sha256},
            **({} if self.views is None else {"views": self.views}),
            "quality": self.quality.to_dict(),
        }
        tail = {"advice": self.advice, "disclaimer": self.disclaimer}
        return head | ({} if self.assessment is None else self.assessment.to_dict()) | tail
