"""ISIC 2024 challenge, SLICE-3D: Kurtansky et al., Sci. Data 11:884 (2024). Crops of 15 mm from total-body photographs.

Two layouts: Kaggle's (train-metadata.csv, with train-image/image/*.jpg or train-image.hdf5) and the ISIC challenge's
(ISIC_2024_Training_Input/ with metadata.csv among its pictures, a ground truth and a supplement; the permissive subset
alike). `malignant` is the publisher's target, which counts "Indeterminate" (actinic keratosis, 114 crops) as 0; the
labels follow the finer diagnosis. All but about a thousand crops were never biopsied and say no more than "Benign".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from macule.data import pictures
from macule.data.record import Record
from macule.data.sources import archive, cells, tables
from macule.data.sources.gallery import Gallery
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis

STEMS = ("ISIC_2024_Training", "ISIC_2024_Permissive_Training")
NEEDED = {"isic_id", "patient_id", "age_approx", "sex", "anatom_site_general", "image_type"}
DIAGNOSIS = tuple(f"iddx_{level}" for level in archive.LEVELS)


def read(reading: Reading) -> Iterator[Record]:
    stem = next((stem for stem in STEMS if tables.either(reading.root / f"{stem}_GroundTruth.csv")), None)
    yield from _read_challenge(reading, stem) if stem else _read_kaggle(reading)


def _read_kaggle(reading: Reading) -> Iterator[Record]:
    rows = reading.table(reading.root / "train-metadata.csv", {*NEEDED, "target", "iddx_1"})
    gallery = reading.gallery([reading.root / "train-image" / "image"])
    if not len(gallery) and (packed := reading.root / "train-image.hdf5").is_file():
        gallery.add_members(packed, _members(packed))
    yield from _records(reading, rows, gallery, truth=None, supplement=None, target="target")


def _read_challenge(reading: Reading, stem: str) -> Iterator[Record]:
    root, folder = reading.root, reading.root / f"{stem}_Input"
    truth = reading.lookup(root / f"{stem}_GroundTruth.csv", "isic_id", {"malignant"}, required=True,
                           keep=("malignant",))
    supplement = reading.lookup(root / f"{stem}_Supplement.csv", "isic_id", {"iddx_1"},
                                keep=("lesion_id", *DIAGNOSIS))
    rows = reading.table(reading.first(f"{stem}_Input/metadata.csv", f"{stem}_Input/{stem}_Input/metadata.csv",
                                       "metadata.csv"), NEEDED)
    yield from _records(reading, rows, reading.gallery([folder]), truth=truth, supplement=supplement,
                        target="malignant")


def _records(reading: Reading, rows: Iterator[Row], gallery: Gallery, *, truth: Mapping[str, Row] | None,
             supplement: Mapping[str, Row] | None, target: str) -> Iterator[Record]:
    """truth, supplement: by picture; None where each row carries its own."""
    for row in rows:
        name = row.get("isic_id")
        with reading.record(row, name):
            more = row if supplement is None else supplement.get(name, Row.EMPTY)
            malignant = cells.is_one(_truth(name, truth) if truth is not None else row, target)
            path = archive.path_of(more, "iddx_") or (("Malignant",) if malignant else ("Benign",))
            yield archive.record(row, more, dataset="isic2024", picture=gallery.find(name), path=path,
                                 malignant=malignant)


def _truth(name: str, truth: Mapping[str, Row]) -> Row:
    if name not in truth:
        raise DatasetError(f"the picture {name} is in the metadata but not in the ground truth: get both again.")
    return truth[name]


def _members(packed: Path) -> list[str]:
    try:
        return list(pictures.hdf5(packed))
    except OSError as error:
        raise DatasetError(f"{packed} is damaged ({error}): get the file again.") from error


ISIC2024 = Source(
    id="isic2024",
    title="ISIC 2024 challenge, SLICE-3D: crops of total-body photographs",
    read=read,
    pictures=401_059,
    classes=tuple(Diagnosis),
    licence="CC BY-NC 4.0",
    home="https://challenge.isic-archive.com/data/#2024",
    how="a zip file and two tables from the data page, or Kaggle's isic-2024-challenge",
    folder="ISIC2024",
    citation="Kurtansky et al., Sci. Data 11:884 (2024)",
    lesions=True,
    patients=True,
)
