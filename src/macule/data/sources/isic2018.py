"""ISIC 2018 challenge, task 3, and the lesion masks of task 1: Codella et al., arXiv:1902.03368.

Task 1 has pictures of its own without a diagnosis; `options["task"] = "1"` reads those instead of task 3's.
"""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.ham10000 import CLASSES
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source
from macule.errors import DatasetError, UsageError

PARTS = {"train": "Training", "val": "Validation", "test": "Test"}
COLUMNS = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")


def read(reading: Reading) -> Iterator[Record]:
    """Lesion, age, sex and site are read from Metadata.csv or Training_LesionGroupings.csv where they are there.

    Raises: UsageError for a task other than 1 and 3.
    """
    task = reading.options.get("task", "3")
    if task not in ("1", "3"):
        raise UsageError(f"the option task is {task!r}; 1 (masks) or 3 (diagnoses) is needed.")
    if task == "1":
        yield from _read_masks(reading)
        return
    for part, subset in reading.subsets(PARTS, "ISIC2018_Task3_{0}_GroundTruth/ISIC2018_Task3_{0}_GroundTruth.csv"):
        yield from _read_part(reading, part, subset)


def _read_part(reading: Reading, part: str, subset: str) -> Iterator[Record]:
    stem = f"ISIC2018_Task3_{subset}"
    truth = reading.root / f"{stem}_GroundTruth"
    rows = reading.table(truth / f"{stem}_GroundTruth.csv", {"image", "MEL", "NV"})
    about = reading.lookup(truth / f"{stem}_Metadata.csv", "image", set())
    groupings = reading.lookup(reading.root / f"{stem}_LesionGroupings.csv", "image", {"lesion_id"})
    pictures = reading.gallery([reading.root / f"{stem}_Input"])
    masks = reading.masks([reading.root / f"ISIC2018_Task1_{name}_GroundTruth" for name in PARTS.values()],
                          "_segmentation")
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
                mask=masks.get(name),
            )


def _read_masks(reading: Reading) -> Iterator[Record]:
    """Task 1: no table, so every picture of a folder counts; where a part's masks are there, each must have one."""
    wanted = {reading.part: PARTS[reading.part]} if reading.part != "all" else PARTS
    here = {part: folder for part, subset in wanted.items()
            if (folder := reading.root / f"ISIC2018_Task1-2_{subset}_Input").is_dir()}
    if not here:
        expected = reading.root / f"ISIC2018_Task1-2_{next(iter(wanted.values()))}_Input"
        raise DatasetError(f"{expected} is missing: unzip the pictures of tasks 1 and 2 there, or read task 3.")
    for part, folder in here.items():
        truth = reading.root / f"ISIC2018_Task1_{PARTS[part]}_GroundTruth"
        pictures, masks = reading.gallery([folder]), reading.masks([truth], "_segmentation")
        for name in pictures.names():
            with reading.record(Row(f"{folder.name}/{name}", None, (), {}), name):
                if truth.is_dir() and name not in masks:
                    raise DatasetError(f"the picture has no mask {name}_segmentation.png in {truth.name}: "
                                       "get the masks again.")
                yield Record(
                    picture=pictures.find(name),
                    dataset="isic2018",
                    picture_id=name,
                    labels=frozenset(),
                    group=f"isic2018:{name}",
                    patient=cells.patient(modality=Modality.DERMOSCOPIC),
                    licence="CC0 1.0",  # the challenge's page gives this task another licence
                    part=part,
                    mask=masks.get(name),
                )


ISIC2018 = Source(
    id="isic2018",
    title="ISIC 2018 challenge: HAM10000 and its exams; masks",
    read=read,
    pictures=11_720,
    classes=CLASSES,
    licence="CC BY-NC 4.0",
    home="https://challenge.isic-archive.com/data/#2018",
    how="files of task 3, and of task 1, from the data page",
    folder="ISIC2018",
    citation="Codella et al., arXiv:1902.03368 (2019)",
    lesions=True,
    parts=PARTS,
    options={"task": "3 (diagnoses, the default) or 1 (3,694 pictures with lesion masks, no diagnosis)"},
)
