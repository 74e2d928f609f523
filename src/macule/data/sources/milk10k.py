"""MILK10k: a clinical close-up and a dermoscopic picture of each lesion (MILK study team, ISIC archive, 2025)."""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source
from macule.data.vocabulary import ToneScale
from macule.taxonomy import Diagnosis

COLUMNS = tuple(code.name for code in Diagnosis)


def read(reading: Reading) -> Iterator[Record]:
    """A lesion without a label (the challenge's test pictures) is left out."""
    root = reading.root
    truth = reading.lookup(root / "MILK10k_Training_GroundTruth.csv", "lesion_id", {"MEL", "SCCKA"}, required=True)
    supplement = reading.lookup(root / "MILK10k_Training_Supplement.csv", "isic_id", {"diagnosis_confirm_type"})
    rows = reading.table(root / "MILK10k_Training_Metadata.csv",
                         {"lesion_id", "image_type", "isic_id", "age_approx", "sex", "site"})
    pictures = reading.nested_gallery(root / "MILK10k_Training_Input")
    for row in rows:
        name, lesion = row.get("isic_id"), row.get("lesion_id")
        if lesion not in truth:
            pictures.claim(name)
            continue
        with reading.record(row, name):
            original = cells.one_hot(truth[lesion], COLUMNS)
            label, more = cells.diagnosis(original), supplement.get(name, Row.EMPTY)
            yield Record(
                picture=pictures.find(name),
                dataset="milk10k",
                picture_id=name,
                labels=frozenset({label}),
                group=f"milk10k:{lesion}",
                patient=cells.patient(age=row["age_approx"], sex=row["sex"], site=row["site"], modality=_modality(row)),
                dx_original=more.get("diagnosis_full") or original,
                malignant=label.suspicious,
                lesion_id=lesion,
                site_original=cells.known(row["site"]),
                skin_tone=cells.tone(row.get("skin_tone_class"), ToneScale.MILK),
                confirmation=cells.confirmation(more.get("diagnosis_confirm_type")),
                centre=cells.known(row.get("attribution")),
                licence=cells.licence(row.get("copyright_license")),
            )


def _modality(row: Row) -> Modality:
    return cells.choice(row, "image_type",
                        {"clinical: close-up": Modality.CLINICAL, "dermoscopic": Modality.DERMOSCOPIC})


MILK10K = Source(
    id="milk10k",
    title="MILK10k: each lesion by dermoscope and by camera",
    read=read,
    pictures=10_480,
    classes=tuple(Diagnosis),
    licence="CC BY-NC 4.0",
    home="https://challenge.isic-archive.com/data/#milk10k",
    how="a zip file and three tables from the data page",
    folder="MILK10k",
    citation="MILK study team, MILK10k, ISIC archive (2025)",
    lesions=True,
    tone=ToneScale.MILK,
)
