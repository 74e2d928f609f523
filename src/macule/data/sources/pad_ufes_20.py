"""PAD-UFES-20: Pacheco et al., Data in Brief 32:106221 (2020). Smartphone pictures from Brazil, 22 clinical fields.

The table names .png files; a copy whose pictures were saved in another format is matched by name alone. Its SCC lumps
Bowen's disease in with invasive carcinoma, which the pictures cannot undo: it is read as squamous cell carcinoma.
"""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.reading import Reading
from macule.data.sources.source import Source
from macule.data.vocabulary import Confirmation, ToneScale
from macule.taxonomy import PROJECTIONS

NEEDED = {"patient_id", "lesion_id", "age", "gender", "fitspatrick", "region", "diagnostic", "img_id", "biopsed"}
#: What was not biopsied, several dermatologists agreed on (Pacheco et al. 2020).
CONFIRMATION = {True: Confirmation.HISTOPATHOLOGY, False: Confirmation.CONSENSUS, None: None}


def read(reading: Reading) -> Iterator[Record]:
    images = reading.root / "images"
    rows = reading.table(reading.root / "metadata.csv", NEEDED)
    pictures = reading.gallery([images, *sorted(images.glob("imgs_part_*")), *sorted(reading.root.glob("imgs_part_*"))])
    for row in rows:
        name = row.get("img_id").removesuffix(".png")
        with reading.record(row, name):
            label, lesion_id = cells.diagnosis(row.get("diagnostic")), cells.need(row, "lesion_id")
            yield Record(
                picture=pictures.find(name),
                dataset="pad-ufes-20",
                picture_id=name,
                labels=frozenset({label}),
                group=f"pad-ufes-20:{lesion_id}",
                patient=cells.patient(age=row.get("age"), sex=row.get("gender"), site=row.get("region"),
                                      modality=Modality.CLINICAL),
                dx_original=row.get("diagnostic"),
                malignant=label.suspicious,
                lesion_id=lesion_id,
                patient_id=cells.need(row, "patient_id"),
                site_original=cells.known(row.get("region")),
                skin_tone=cells.tone(row.get("fitspatrick"), ToneScale.FITZPATRICK),
                confirmation=CONFIRMATION[cells.yes(row, "biopsed")],
                centre="Federal University of Espírito Santo",
            )


PAD_UFES_20 = Source(
    id="pad-ufes-20",
    title="PAD-UFES-20: smartphone pictures with 22 clinical fields",
    read=read,
    pictures=2_298,
    classes=tuple(code for codes in PROJECTIONS["pad6"].values() for code in codes),
    licence="CC BY 4.0",
    home="https://doi.org/10.17632/zr7vgbcyr2.1",
    how="a table and three zip files from Mendeley Data",
    folder="PAD-UFES-20",
    citation="Pacheco et al., Data in Brief 32:106221 (2020)",
    lesions=True,
    patients=True,
    tone=ToneScale.FITZPATRICK,
)
