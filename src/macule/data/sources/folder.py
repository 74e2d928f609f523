"""Pictures sorted into benign/ and malignant/, also below train/, val/ and test/: how many a study keeps its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.gallery import tree
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis

PARTS = {"train": "train", "val": "val", "test": "test"}
PART_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
KINDS = {"benign": False, "malignant": True}


def read(reading: Reading) -> Iterator[Record]:
    """The order of the folders does not matter to a record: its id is its path without ending."""
    modality, found = cells.modality(reading.options.get("modality", "")), False
    for path in tree(reading.root):
        below = path.relative_to(reading.root)
        part, malignant = _place(below)
        name = below.with_suffix("").as_posix()
        if malignant is None:
            reading.refuse(below.as_posix(), None, name, "this picture lies in neither benign/ nor malignant/ (nor in "
                           "either below train/, val/ or test/): sort it, or take it out.")
            continue
        found = True
        if reading.part not in ("all", part):
            continue
        with reading.record(Row(below.as_posix(), None, (), {}), name):
            yield Record(
                picture=path,
                dataset="folder",
                picture_id=name,
                labels=cells.MALIGNANT if malignant else cells.BENIGN,
                group=f"folder:{name}",
                patient=cells.patient(modality=modality),
                dx_original=path.parent.name,
                malignant=malignant,
                part=part,
            )
    if not found:
        raise DatasetError(f"{reading.root} has no picture in benign/ or malignant/, nor in train/benign/ and the "
                           "like: sort the pictures into those, unzip them, or correct the folder.")


def _place(below: PurePath) -> tuple[str | None, bool | None]:
    """(part, malignant) by the first folders of a path, whatever their capitals."""
    first, *others = (name.casefold() for name in below.parent.parts or ("",))
    if first in KINDS:
        return None, KINDS[first]
    return PART_NAMES.get(first), KINDS.get(others[0]) if others and first in PART_NAMES else None


FOLDER = Source(
    id="folder",
    title="Your own folders benign/ and malignant/",
    read=read,
    pictures=None,
    classes=tuple(Diagnosis),
    licence="",
    home="",
    how="sort pictures into them, also below train/ val/ test/",
    folder="folder",
    parts=PARTS,
    options={"modality": "dermoscopic or clinical, of all pictures"},
)
