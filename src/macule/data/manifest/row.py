"""One row of a manifest: what may stand in each column."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from macule.analysis.patient import MAX_AGE, Modality, Patient, Sex, Site
from macule.data.record import Record
from macule.data.vocabulary import Confirmation, SkinTone, ToneScale
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis

#: What a path in a manifest may not look like: it must stay below its root, on every system.
OUTSIDE = r"^$|^/|^[A-Za-z]:|\\|\x00|(^|/)\.\.?(/|$)"
#: The id of a data set is also the name of a folder.
DATASET = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
SHA256 = r"^[0-9a-f]{64}$"
PARTS = ("train", "val", "test")

Name = Annotated[str, Field(min_length=1)]


class Row(BaseModel):
    """One picture. None: unknown, never a guess. The columns are the fields, in this order.

    picture, mask: posix paths below the data set's root. sha256: of the encoded bytes as they lie in the file.
    dx: the class, where the source says which. labels: the classes it may be, sorted; empty where nothing is said.
    reason: why the row is set aside; None keeps it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Annotated[str, Field(pattern=DATASET)]
    picture_id: Name
    picture: str | None = None
    sha256: Annotated[str, Field(pattern=SHA256)] | None = None
    dx: Diagnosis | None = None
    dx_original: str | None = None
    labels: tuple[Diagnosis, ...] = ()
    malignant: bool | None = None
    lesion_id: str | None = None
    patient_id: str | None = None
    group: Name
    age: Annotated[float, Field(ge=0, le=MAX_AGE, allow_inf_nan=False)] | None = None
    sex: Sex | None = None
    site: Site | None = None
    site_original: str | None = None
    modality: Modality | None = None
    skin_tone_scale: ToneScale | None = None
    skin_tone: float | None = None
    skin_tone_upper: float | None = None
    confirmation: Confirmation | None = None
    centre: str | None = None
    licence: str | None = None
    part: Literal["train", "val", "test"] | None = None
    mask: str | None = None
    reason: Name | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if bad := next((name for name in _TEXTS if not _is_text(getattr(self, name))), None):
            raise ValueError(f"column {bad} is {getattr(self, bad)!r}, which is not text that UTF-8 can hold")
        for name in ("picture", "mask"):
            value = getattr(self, name)
            if value is not None and re.search(OUTSIDE, value):
                raise ValueError(f"{name} {value!r} must be a path below the data set's root, without '..'")
        if (self.picture is None) != (self.sha256 is None):
            raise ValueError("picture and sha256 must both be given or both be unknown")
        if list(self.labels) != sorted(set(self.labels)):
            raise ValueError("labels must be sorted and without repeats")
        if self.dx != (self.labels[0] if len(self.labels) == 1 else None):
            raise ValueError("dx must be the only label, or unknown where there are none or several")
        if (self.skin_tone_scale is None) != (self.skin_tone is None):
            raise ValueError("skin_tone and its scale must both be given or both be unknown")
        self._tone()
        return self

    def _tone(self) -> SkinTone | None:
        if self.skin_tone_scale is None or self.skin_tone is None:
            if self.skin_tone_upper is not None:
                raise ValueError("skin_tone_upper needs skin_tone")
            return None
        return SkinTone(ToneScale(self.skin_tone_scale), self.skin_tone, self.skin_tone_upper)

    @classmethod
    def of(cls, record: Record, *, root: Path, sha256: str | None) -> Row:
        """A record as a row. root: what its picture's path is cut off below.

        Raises: DatasetError naming the picture, the column, the value and what was expected.
        """
        patient, tone = record.patient, record.skin_tone
        labels = tuple(sorted(record.labels))
        try:
            return cls(
                dataset=record.dataset, picture_id=record.picture_id, picture=_below(record.picture, root),
                sha256=sha256, dx=labels[0] if len(labels) == 1 else None, dx_original=record.dx_original,
                labels=labels, malignant=record.malignant, lesion_id=record.lesion_id, patient_id=record.patient_id,
                group=record.group, age=patient.age, sex=patient.sex, site=patient.site,
                site_original=record.site_original, modality=patient.modality,
                skin_tone_scale=tone.scale if tone else None, skin_tone=tone.value if tone else None,
                skin_tone_upper=tone.upper if tone else None, confirmation=record.confirmation, centre=record.centre,
                licence=record.licence, part=record.part,  # type: ignore[arg-type]  # checked by pydantic
                mask=_below(record.mask, root),
            )
        except ValidationError as error:
            raise DatasetError(f"{record.dataset} {record.picture_id}: {_sentence(error)}") from error

    def record(self, root: Path | None) -> Record:
        """The row as a record. root: the data set's folder; None leaves its picture out."""
        return Record(
            picture=_above(self.picture, root),
            dataset=self.dataset,
            picture_id=self.picture_id,
            labels=frozenset(map(Diagnosis, self.labels)),
            group=self.group,
            patient=Patient(self.age, Sex(self.sex) if self.sex else None, Site(self.site) if self.site else None,
                            Modality(self.modality) if self.modality else None),
            dx_original=self.dx_original,
            malignant=self.malignant,
            lesion_id=self.lesion_id,
            patient_id=self.patient_id,
            site_original=self.site_original,
            skin_tone=self._tone(),
            confirmation=Confirmation(self.confirmation) if self.confirmation else None,
            centre=self.centre,
            licence=self.licence,
            part=self.part,
            mask=_above(self.mask, root),
        )


#: The names of the columns, in their order.
COLUMNS = tuple(Row.model_fields)
#: Columns that hold words of a vocabulary only.
VOCABULARIES: dict[str, tuple[str, ...]] = {
    "dx": tuple(Diagnosis), "sex": tuple(Sex), "site": tuple(Site), "modality": tuple(Modality),
    "skin_tone_scale": tuple(ToneScale), "confirmation": tuple(Confirmation), "part": PARTS,
}


_TEXTS = tuple(name for name, field in Row.model_fields.items() if "str" in str(field.annotation))


def _is_text(value: str | None) -> bool:
    """A name read from a disk may hold bytes that are no text (lone surrogates)."""
    try:
        return value is None or value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _below(path: Path | None, root: Path) -> str | None:
    """Raises: DatasetError if the path does not lie below the root."""
    if path is None:
        return None
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        pass
    try:
        return path.absolute().relative_to(root.absolute()).as_posix()
    except ValueError:
        raise DatasetError(f"{path} lies outside {root}: give a root that holds every picture.") from None


def _above(path: str | None, root: Path | None) -> Path | None:
    return None if path is None or root is None else root / path


def _sentence(error: ValidationError) -> str:
    parts = []
    for each in error.errors():
        column = ".".join(map(str, each["loc"]))
        value = f"column {column} is {each['input']!r}: " if column else ""
        parts.append(value + each["msg"].removeprefix("Value error, "))
    return "; ".join(parts) + "."
