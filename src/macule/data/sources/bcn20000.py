"""BCN20000: Hernández-Pérez et al., Sci. Data 11:641 (2024). Dermoscopy in the wild, Hospital Clínic de Barcelona.

Two layouts: figshare's (bcn_20k_train.csv and bcn_20k_test.csv beside their picture folders; the test table has no
diagnosis) and the ISIC archive's (metadata.csv beside the pictures, as its own client downloads the collection).
"""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import archive, cells, tables
from macule.data.sources.isic2019 import CLASSES
from macule.data.sources.reading import Reading
from macule.data.sources.source import Source

PARTS = {"train": "train", "test": "test"}
CENTRE = "Hospital Clínic de Barcelona"


def read(reading: Reading) -> Iterator[Record]:
    if reading.part == "all" and tables.either(reading.root / "metadata.csv"):
        yield from archive.read(reading, "bcn20000")
        return
    for part, subset in reading.subsets(PARTS, "bcn_20k_{}.csv"):
        yield from _read_part(reading, part, subset)


def _read_part(reading: Reading, part: str, subset: str) -> Iterator[Record]:
    rows = reading.table(reading.root / f"bcn_20k_{subset}.csv",
                         {"bcn_filename", "age_approx", "anatom_site_general", "lesion_id", "sex",
                          *(("diagnosis",) if part == "train" else ())})
    outer = reading.root / f"BCN_20k_{subset}"
    pictures = reading.gallery([reading.root / f"bcn_20k_{subset}", outer, outer / f"bcn_20k_{subset}"])
    for row in rows:
        name = row.get("bcn_filename").rpartition(".")[0] or row.get("bcn_filename")
        with reading.record(row, name):
            original, lesion_id = cells.known(row.get("diagnosis")), cells.known(row.get("lesion_id"))
            labels = frozenset({cells.diagnosis(original)}) if original else frozenset()
            yield Record(
                picture=pictures.find(name),
                dataset="bcn20000",
                picture_id=name,
                labels=labels,
                group=f"bcn20000:{lesion_id or name}",
                patient=cells.patient(age=row.get("age_approx"), sex=row.get("sex"),
                                      site=row.get("anatom_site_general"), modality=Modality.DERMOSCOPIC),
                dx_original=original,
                malignant=cells.malignant(labels),
                lesion_id=lesion_id,
                site_original=cells.known(row.get("anatom_site_general")),
                centre=CENTRE,
                part=part,
            )


BCN20000 = Source(
    id="bcn20000",
    title="BCN20000: dermoscopy in the wild",
    read=read,
    pictures=18_946,
    classes=CLASSES,
    licence="CC BY 4.0",
    home="https://doi.org/10.6084/m9.figshare.24140028",
    how="figshare, or the ISIC archive's collection 249",
    folder="BCN20000",
    citation="Hernández-Pérez et al., Sci. Data 11:641 (2024)",
    lesions=True,
    parts=PARTS,
)
