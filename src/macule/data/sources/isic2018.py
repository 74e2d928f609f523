"""ISIC 2018 challenge, task 3, and the lesion masks of task 1: Codella et al., arXiv:1902.03368."""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.ham10000 import CLASSES
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source

PARTS = {"train": "Training", "val": "Validation", "test": "Test"}
COLUMNS = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")


def read(reading: Reading) -> Iterator[Record]:
    """Lesion, age, sex and site are read from Metadata.csv or Training_LesionGroupings.csv where they are there."""
    for part, subset in reading.subsets(PARTS, "ISIC2018_Task3_{0}_GroundTruth/ISIC2018_Task3_{0}_GroundTruth.csv"):
        yield from _read_part(reading, part, subset)


def _read_part(reading: Reading, part: str, subset: str) -> Iterator[Record]:
    stem = f"ISIC2018_Task3_{subset}"
    truth = reading.root / f"{stem}_GroundTruth"
    rows = reading.table(truth / f"{stem}_GroundTruth.csv", {"image", "MEL", "NV"})
    about = reading.lookup(truth / f"{stem}_Metadata.csv", "image", set())
    groupings = reading.lookup(reading.root / f"{stem}_LesionGroupings.csv", "image", {"lesion_id"})
    pictures = reading.gallery([reading.root / f"{stem}_Input"])
    for row in rows:
        name = row.get("image")
        with reading.record(row, name):
            original = cells.one_hot(row, COLUMNS)
            label, more, lesion = cells.diagnosis(original), about.get(name, Row.EMPTY), groupings.get(name, Row.EMPTY)
            lesion_id = cells.known(more.get("lesion_id") or lesion.get("lesion_id"))
            yield Record(
                picture=pictures.find(name),
                dataset="isic2018",
                picture_id=name,
                labels=frozenset({label}),
                group=f"isic2018:{lesion_id or name}",
                patient=cells.patient(age=more.get("age_approx"), sex=more.get("sex"),
                                      site=more.get("anatom_site_general"), modality=Modality.DERMOSCOPIC),
                dx_original=original,
                malignant=label.suspicious,
                lesion_id=lesion_id,
                site_original=cells.known(more.get("anatom_site_general")),
                confirmation=cells.confirmation(lesion.get("diagnosis_confirm_type")),
                part=part,
            )


ISIC2018 = Source(
    id="isic2018",
    title="ISIC 2018 challenge, task 3: HAM10000, with its validation and test pictures",
    read=read,
    pictures=11_720,
    classes=CLASSES,
    licence="CC BY-NC 4.0",
    home="https://challenge.isic-archive.com/data/#2018",
    how="zip files of tasks 1 and 3 from the challenge's data page, unzipped side by side",
    folder="ISIC2018",
    citation="Codella et al., arXiv:1902.03368 (2019)",
    lesions=True,
    parts=PARTS,
)
