"""ISIC 2019 challenge: HAM10000, BCN20000 and MSK pictures under one roof.

The test part's ninth class, UNK, is "none of the others": one of the three of our classes that the eight leave out.
"""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source
from macule.taxonomy import PROJECTIONS, Diagnosis

PARTS = {"train": "Training", "test": "Test"}
COLUMNS = (*PROJECTIONS["isic8"], "UNK")
CLASSES = tuple(code for codes in PROJECTIONS["isic8"].values() for code in codes)
NONE_OF_THE_OTHERS = frozenset(Diagnosis) - frozenset(CLASSES)
#: How the ids of lesions begin -> the collection that they come from.
COLLECTIONS = {"HAM_": "HAM10000", "BCN_": "BCN_20000", "MSK4": "MSK"}


def read(reading: Reading) -> Iterator[Record]:
    for part, subset in reading.subsets(PARTS, "ISIC_2019_{}_GroundTruth.csv"):
        yield from _read_part(reading, part, subset)


def _read_part(reading: Reading, part: str, subset: str) -> Iterator[Record]:
    stem = f"ISIC_2019_{subset}"
    # The test table's two weight columns say which pictures the live leaderboard scores; here all count.
    rows = reading.table(reading.root / f"{stem}_GroundTruth.csv", {"image", *COLUMNS})
    about = reading.lookup(reading.root / f"{stem}_Metadata.csv", "image", {"age_approx", "anatom_site_general", "sex"})
    pictures = reading.gallery([reading.root / f"{stem}_Input"])
    for row in rows:
        name = row.get("image")
        with reading.record(row, name):
            original, more = cells.one_hot(row, COLUMNS), about.get(name, Row.EMPTY)
            labels = NONE_OF_THE_OTHERS if original == "UNK" else frozenset({cells.diagnosis(original)})
            lesion_id = cells.known(more.get("lesion_id"))
            yield Record(
                picture=pictures.find(name),
                dataset="isic2019",
                picture_id=name,
                labels=labels,
                group=f"isic2019:{lesion_id or name}",
                patient=cells.patient(age=more.get("age_approx"), sex=more.get("sex"),
                                      site=more.get("anatom_site_general"), modality=Modality.DERMOSCOPIC),
                dx_original=original,
                malignant=cells.malignant(labels),
                lesion_id=lesion_id,
                site_original=cells.known(more.get("anatom_site_general")),
                centre=COLLECTIONS.get((lesion_id or "")[:4]),
                part=part,
            )


ISIC2019 = Source(
    id="isic2019",
    title="ISIC 2019 challenge: HAM10000, BCN20000 and MSK",
    read=read,
    pictures=33_569,
    classes=CLASSES,
    licence="CC BY-NC 4.0",
    home="https://challenge.isic-archive.com/data/#2019",
    how="two zip files and four tables from the data page",
    folder="ISIC2019",
    citation="Tschandl et al. 2018; Codella et al., arXiv:1710.05006; Combalia et al., arXiv:1908.02288",
    lesions=True,
    parts=PARTS,
)
