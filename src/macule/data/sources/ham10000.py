"""HAM10000: Tschandl, Rosendahl & Kittler, Sci. Data 5:180161 (2018). Two picture folders and one table."""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.reading import Reading
from macule.data.sources.source import Source
from macule.taxonomy import PROJECTIONS

CLASSES = tuple(code for codes in PROJECTIONS["ham7"].values() for code in codes)


def read(reading: Reading) -> Iterator[Record]:
    root = reading.root
    # Dataverse ships the table under three names: as uploaded, in its own tabular form, and as CSV.
    path = reading.first("HAM10000_metadata.csv", "HAM10000_metadata.tab", "HAM10000_metadata")
    rows = reading.table(path, {"lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"},
                         delimiter="\t" if path.suffix == ".tab" else ",")
    pictures = reading.gallery(sorted(root.glob("HAM10000_images_part_*")))
    masks = reading.masks([root / "HAM10000_segmentations_lesion_tschandl"], "_segmentation")
    for row in rows:
        name = row.get("image_id")
        with reading.record(row, name):
            label = cells.diagnosis(row["dx"])
            yield Record(
                picture=pictures.find(name),
                dataset="ham10000",
                picture_id=name,
                labels=frozenset({label}),
                group=f"ham10000:{cells.need(row, 'lesion_id')}",
                patient=cells.patient(age=row["age"], sex=row["sex"], site=row["localization"],
                                      modality=Modality.DERMOSCOPIC),
                dx_original=row.get("dx"),
                malignant=label.suspicious,
                lesion_id=row.get("lesion_id"),
                site_original=cells.known(row["localization"]),
                confirmation=cells.confirmation(row["dx_type"]),
                centre=cells.known(row.get("dataset")),
                mask=masks.get(name),
            )


HAM10000 = Source(
    id="ham10000",
    title="HAM10000: 7,470 pigmented lesions, dermoscopic",
    read=read,
    pictures=10_015,
    classes=CLASSES,
    licence="CC BY-NC 4.0",
    home="https://doi.org/10.7910/DVN/DBW86T",
    how="a table and three zip files from Harvard Dataverse",
    folder="HAM10000",
    citation="Tschandl, Rosendahl & Kittler, Sci. Data 5:180161 (2018)",
    lesions=True,
)
