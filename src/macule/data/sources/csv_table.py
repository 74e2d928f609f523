"""Any CSV, by a mapping of its columns: the set that no reader was written for.

`Reading.options` maps a column of the manifest to the CSV's: {"picture": "file", "dx": "label", "age": "years"}. A
value that starts with = is the same for every row: {"modality": "=clinical"}. {"map:bkl-like": "bkl"} gives a label of
the publisher's a class, or benign, malignant or unknown. `images` names the picture folder below the CSV's; without it
a picture's path counts from the CSV.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

from macule.data import pictures, vocabulary
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.folder import PART_NAMES, PARTS
from macule.data.sources.gallery import Gallery
from macule.data.sources.mapping import Mapped, Mapping
from macule.data.sources.reading import Reading
from macule.data.sources.source import Source
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis


def read(reading: Reading) -> Iterator[Record]:
    """Raises: UsageError for an option that is not known; DatasetError if the root holds no single CSV."""
    path, mapping = _file(reading.root), Mapping.parse(reading.options)
    base = path.parent / mapping.images if mapping.images else path.parent
    gallery: Gallery | None = None
    beside = Beside(reading, path, mapping, base)
    if mapping.images:
        gallery = reading.empty_gallery()
        gallery.add_tree(base)
    for row in reading.table(path, mapping.needed, delimiter=mapping.delimiter):
        mapped = mapping.of(row)
        file = _stem(mapped.get("picture"))
        if gallery is not None:
            gallery.claim(file.casefold())
        if reading.part not in ("all", _part(mapped.get("part"))):
            continue
        name = mapped.get("picture_id") or file
        with reading.record(row, name):
            picture = gallery.find(file.casefold()) if gallery else beside.find(mapped.get("picture"))
            yield _record(mapped, name, picture, base)


def _record(row: Mapped, name: str, picture: Path | None, base: Path) -> Record:
    labels, malignant = row.labels()
    lesion, mask = cells.known(row.get("lesion_id")), row.get("mask")
    return Record(
        picture=picture,
        dataset="csv",
        picture_id=name,
        labels=labels,
        group=f"csv:{lesion or name}",
        patient=cells.patient(age=row.get("age"), sex=row.get("sex"), site=row.get("site"),
                              modality=cells.modality(row.get("modality"))),
        dx_original=cells.known(row.get("dx_original") or row.get("dx")),
        malignant=malignant,
        lesion_id=lesion,
        patient_id=cells.known(row.get("patient_id")),
        site_original=cells.known(row.get("site")),
        skin_tone=row.tone(),
        confirmation=cells.confirmation(row.get("confirmation")),
        centre=cells.known(row.get("centre")),
        licence=cells.licence(row.get("licence")),
        part=_known_part(row.get("part")),
        mask=_inside(base, mask) if mask else None,
    )


def _file(root: Path) -> Path:
    if root.is_file():
        return root
    found = sorted(path for path in root.iterdir() if path.name.lower().endswith((".csv", ".csv.gz")))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DatasetError(f"{root} should hold one CSV and holds {names}: give the CSV itself as the root, "
                           "or unzip the set there.")
    return found[0]


@dataclass
class Beside:
    """The pictures of a CSV by their path from it."""

    reading: Reading
    table: Path
    mapping: Mapping
    base: Path

    def find(self, name: str) -> Path | None:
        """None for an absent picture if tables alone are wanted, or allowed and not one of the table's is here.

        Raises: DatasetError if it is listed but absent, its cell is empty, or its path leads out.
        """
        if not name:
            raise DatasetError("the picture's cell is empty; its path is expected.")
        if found := _picture(self.base, name):
            return found
        if self.reading.tables_only or (self.reading.tables_allowed and not self._any):
            return None
        raise DatasetError(f"the picture {name} is listed but is not under {self.base}: get the pictures again, or "
                           "name their folder by the option images.")

    @cached_property
    def _any(self) -> bool:
        """Whether one picture of the whole table is here; looked up when the first is not."""
        # Rows that are no good are told of by the reading proper.
        again = Reading(self.reading.dataset, self.reading.root, keep_going=True)
        return any(self._here(self.mapping.of(row).get("picture"))
                   for row in again.table(self.table, self.mapping.needed, delimiter=self.mapping.delimiter))

    def _here(self, name: str) -> bool:
        try:
            return bool(name) and _picture(self.base, name) is not None
        except DatasetError:
            return False


def _picture(base: Path, name: str) -> Path | None:
    path = _inside(base, name)
    endings = ("",) if path.suffix.lower() in pictures.SUFFIXES else sorted(pictures.SUFFIXES)
    return next((each for ending in endings if (each := path.with_name(path.name + ending)).is_file()), None)


def _inside(base: Path, name: str) -> Path:
    """Raises: DatasetError for a path that leads out of the data set's folder."""
    path = PurePath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise DatasetError(f"the path {name!r} leads out of {base}; one below it is expected.")
    return base / path


def _stem(name: str) -> str:
    path = PurePath(name.replace("\\", "/"))
    return (path.with_suffix("") if path.suffix.lower() in pictures.SUFFIXES else path).as_posix() if name else ""


def _part(text: str) -> str | None:
    return PART_NAMES.get(vocabulary.folded(text))


def _known_part(text: str) -> str | None:
    if cells.known(text) is None:
        return None
    if (part := _part(text)) is None:
        raise DatasetError(f"the part is {text!r}; one of {', '.join(PART_NAMES)} is expected.")
    return part


CSV = Source(
    id="csv",
    title="Any CSV, by a mapping of its columns",
    read=read,
    pictures=None,
    classes=tuple(Diagnosis),
    licence="",
    home="",
    how="your own table; say which column is which",
    folder="csv",
    lesions=True,
    patients=True,
    parts=PARTS,
    options={
        "COLUMN": "the CSV's column for a column of the manifest (picture, dx, lesion_id, patient_id, age, sex, site, "
                  "modality ...); =WORD for one word in every row",
        "map:LABEL": "class code, benign, malignant or unknown, for a label of the CSV",
        "images": "folder of the pictures, below the CSV's",
        "delimiter": "what parts the cells; a comma",
        "skin_tone_scale": "fitzpatrick, milk, monk or ita, of the column skin_tone",
    },
)
