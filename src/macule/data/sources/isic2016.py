"""ISIC 2016 challenge, part 3: Gutman et al., arXiv:1605.01397. Part 1's lesion masks are read where they are there.

The tables have no header. The training table says benign or malignant, the test table 0.0 or 1.0. The challenge's page
(challenge.isic-archive.com/landing/2016/39) defines malignant as melanoma; what is benign may be any other class.
"""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.reading import Reading
from macule.data.sources.source import Source
from macule.taxonomy import Diagnosis

PARTS = {"train": "Training", "test": "Test"}
WORDS = {"benign": False, "malignant": True, "0.0": False, "1.0": True, "0": False, "1": True}


def read(reading: Reading) -> Iterator[Record]:
    for part, subset in reading.subsets(PARTS, "ISBI2016_ISIC_Part3_{}_GroundTruth.csv"):
        yield from _read_part(reading, part, subset)


def _read_part(reading: Reading, part: str, subset: str) -> Iterator[Record]:
    root, stem = reading.root, f"ISBI2016_ISIC_Part3_{subset}"
    rows = reading.table(root / f"{stem}_GroundTruth.csv", set(), header=("image", "label"))
    pictures = reading.gallery([root / f"{stem}_Data"])
    masks = reading.masks([root / f"ISBI2016_ISIC_Part1_{subset}_GroundTruth"], "_Segmentation")
    for row in rows:
        name = row.get("image")
        with reading.record(row, name):
            malignant = cells.choice(row, "label", WORDS)
            yield Record(
                picture=pictures.find(name),
                dataset="isic2016",
                picture_id=name,
                labels=frozenset({Diagnosis.MEL}) if malignant else cells.BENIGN,
                group=f"isic2016:{name}",
                patient=cells.patient(modality=Modality.DERMOSCOPIC),
                dx_original="malignant" if malignant else "benign",
                malignant=malignant,
                part=part,
                mask=masks.get(name),
            )


ISIC2016 = Source(
    id="isic2016",
    title="ISIC 2016 challenge, part 3: melanoma or not",
    read=read,
    pictures=1_279,
    classes=tuple(code for code in Diagnosis if code in cells.BENIGN or code is Diagnosis.MEL),
    licence="CC0 1.0",
    home="https://challenge.isic-archive.com/data/#2016",
    how="files of part 3, and part 1's masks, from the data page",
    folder="ISIC2016",
    citation="Gutman et al., arXiv:1605.01397 (2016)",
    parts=PARTS,
)
