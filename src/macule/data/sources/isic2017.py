"""ISIC 2017 challenge, part 3: Codella et al., arXiv:1710.05006. Part 1's lesion masks are read too, if there."""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis

PARTS = {"train": "Training", "val": "Validation", "test": "Test_v2"}


def read(reading: Reading) -> Iterator[Record]:
    for part, subset in reading.subsets(PARTS, "ISIC-2017_{}_Part3_GroundTruth.csv"):
        yield from _read_part(reading, part, subset)


def _read_part(reading: Reading, part: str, subset: str) -> Iterator[Record]:
    stem = f"ISIC-2017_{subset}"
    rows = reading.table(reading.root / f"{stem}_Part3_GroundTruth.csv",
                         {"image_id", "melanoma", "seborrheic_keratosis"})
    # The publisher's zip file holds the table among the pictures.
    path = reading.first(f"{stem}_Data_metadata.csv", f"{stem}_Data/{stem}_Data_metadata.csv")
    about = reading.lookup(path, "image_id", {"age_approximate", "sex"})
    pictures = reading.gallery([reading.root / f"{stem}_Data"])
    masks = reading.masks([reading.root / f"{stem}_Part1_GroundTruth"], "_segmentation")
    for row in rows:
        name = row.get("image_id")
        with reading.record(row, name):
            label, more = _label(row), about.get(name, Row.EMPTY)
            yield Record(
                picture=pictures.find(name),
                dataset="isic2017",
                picture_id=name,
                labels=frozenset({label}),
                group=f"isic2017:{more.get('lesion_id') or more.get('dup_group') or name}",
                patient=cells.patient(age=more.get("age_approximate"), sex=more.get("sex"),
                                      site=more.get("anatom_site"), modality=Modality.DERMOSCOPIC),
                dx_original={Diagnosis.MEL: "melanoma", Diagnosis.BKL: "seborrheic_keratosis"}.get(label),
                malignant=label.suspicious,
                lesion_id=cells.known(more.get("lesion_id")),
                site_original=cells.known(more.get("anatom_site")),
                part=part,
                mask=masks.get(name),
            )


def _label(row: Row) -> Diagnosis:
    """Neither of the two marks is a naevus: the challenge drew its third class from naevi alone (Codella et al.)."""
    melanoma, keratosis = cells.is_one(row, "melanoma"), cells.is_one(row, "seborrheic_keratosis")
    if melanoma and keratosis:
        raise DatasetError("marked both melanoma and seborrhoeic keratosis; at most one is expected.")
    return Diagnosis.MEL if melanoma else Diagnosis.BKL if keratosis else Diagnosis.NV


ISIC2017 = Source(
    id="isic2017",
    title="ISIC 2017 challenge: melanoma, seborrhoeic keratosis, naevus",
    read=read,
    pictures=2_750,
    classes=(Diagnosis.BKL, Diagnosis.MEL, Diagnosis.NV),
    licence="CC0 1.0",
    home="https://challenge.isic-archive.com/data/#2017",
    how="files of part 3, and part 1's masks, from the data page",
    folder="ISIC2017",
    citation="Codella et al., arXiv:1710.05006 (2017)",
    parts=PARTS,
)
