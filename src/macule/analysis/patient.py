"""What may be known of the patient, its vocabularies, and the vector that the network reads.

Every field is optional. `None` means unknown, and the network was trained with fields missing at random.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from macule.errors import InvalidMetadata

MAX_AGE = 120

_E = TypeVar("_E", bound=StrEnum)


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"


class Site(StrEnum):
    HEAD_NECK = "head_neck"
    TRUNK = "trunk"
    UPPER_EXTREMITY = "upper_extremity"
    LOWER_EXTREMITY = "lower_extremity"
    HAND = "hand"
    FOOT = "foot"
    GENITAL = "genital"


class Modality(StrEnum):
    DERMOSCOPIC = "dermoscopic"
    CLINICAL = "clinical"


#: Spellings that people and data sets use, after lower-casing and folding `-`, `_` and `/` to blanks.
SITE_ALIASES: dict[str, Site] = {
    **dict.fromkeys(("head neck", "head neck face", "head", "neck", "face", "scalp", "ear", "nose", "lip",
                     "head and neck"), Site.HEAD_NECK),
    # ICD-O-3 counts the buttock as trunk (C44.5).
    **dict.fromkeys(("trunk", "torso", "back", "chest", "abdomen", "anterior torso", "posterior torso",
                     "lateral torso", "shoulder", "buttocks"), Site.TRUNK),
    **dict.fromkeys(("upper extremity", "arm", "upper arm", "forearm", "upper limbs"), Site.UPPER_EXTREMITY),
    **dict.fromkeys(("lower extremity", "leg", "thigh", "lower leg", "knee", "lower limbs"), Site.LOWER_EXTREMITY),
    **dict.fromkeys(("hand", "palm", "finger"), Site.HAND),
    **dict.fromkeys(("foot", "sole", "toe"), Site.FOOT),
    **dict.fromkeys(("genital", "oral or genital", "oral genital", "genital areas", "anogenital region"), Site.GENITAL),
}
MODALITY_ALIASES: dict[str, Modality] = {
    **dict.fromkeys(("dermoscopic", "dermoscopy", "dermatoscopic", "dermatoscopy"), Modality.DERMOSCOPIC),
    **dict.fromkeys(("clinical", "clinical: close up", "phone", "smartphone", "photo"), Modality.CLINICAL),
}
SEX_ALIASES: dict[str, Sex] = {"female": Sex.FEMALE, "f": Sex.FEMALE, "male": Sex.MALE, "m": Sex.MALE}


@dataclass(frozen=True)
class Patient:
    """age: years, 0 to 120. All fields may be None (unknown)."""

    age: float | None = None
    sex: Sex | None = None
    site: Site | None = None
    modality: Modality | None = None

    def __post_init__(self) -> None:
        if self.age is not None and not (math.isfinite(self.age) and 0 <= self.age <= MAX_AGE):
            raise _invalid_age(self.age)

    @classmethod
    def parse(
        cls,
        *,
        age: float | str | None = None,
        sex: str | None = None,
        site: str | None = None,
        modality: str | None = None,
    ) -> Patient:
        """A patient from what a person typed; blank means unknown.

        Raises: InvalidMetadata naming the field, the value and the words that are known.
        """
        return cls(
            age=_parse_age(age),
            sex=_look_up("sex", sex, SEX_ALIASES),
            site=_look_up("site", site, SITE_ALIASES),
            modality=_look_up("modality", modality, MODALITY_ALIASES),
        )


def _parse_age(age: float | str | None) -> float | None:
    if age is None or (isinstance(age, str) and not age.strip()):
        return None
    try:
        return float(age)
    except ValueError:
        raise _invalid_age(age) from None


def _invalid_age(age: float | str) -> InvalidMetadata:
    return InvalidMetadata(f"age is {age!r}; a number from 0 to {MAX_AGE} is needed: correct it or leave it out.")


def _look_up(field: str, value: str | None, aliases: dict[str, _E]) -> _E | None:
    if value is None or not value.strip():
        return None
    key = " ".join(value.lower().replace("-", " ").replace("_", " ").replace("/", " ").split())
    if key not in aliases:
        known = ", ".join(sorted(aliases))
        raise InvalidMetadata(f"{field} is {value!r}; it must be one of: {known}; or leave it out.")
    return aliases[key]


#: Length of the vector that `encode` returns.
VECTOR_LENGTH = 2 + len(Sex) + len(Site) + len(Modality)


def encode(patient: Patient) -> NDArray[np.float32]:
    """The network's view of the patient; unknown fields are all zeros.

    Returns: float32, shape (13,): age known, (age - 50) / 25, sex, site and modality one-hot.
    """
    vector = [0.0, 0.0] if patient.age is None else [1.0, (patient.age - 50.0) / 25.0]
    for kind, value in ((Sex, patient.sex), (Site, patient.site), (Modality, patient.modality)):
        vector += [float(member is value) for member in kind]
    return np.asarray(vector, dtype=np.float32)
