"""SIIM-ISIC 2020 challenge, training part: Rotemberg et al., Sci. Data 8:34 (2021). The test's truth is not public.

Most benign pictures say no more than "benign". The second edition of the table adds lesion ids; with the first, the
publisher's list of duplicates says which pictures belong together. Kaggle's train.csv has the first edition's columns.
"""

from __future__ import annotations

from collections.abc import Iterator

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells, tables
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source
from macule.data.splits import components
from macule.data.vocabulary import Confirmation
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis as D

#: The publisher's diagnosis -> classes. A lentigo of no named kind is a keratosis or a naevus.
DISEASES: dict[str, frozenset[D]] = {
    "unknown": cells.BENIGN,
    "melanoma": frozenset({D.MEL}),
    "nevus": frozenset({D.NV}),
    "seborrheic keratosis": frozenset({D.BKL}),
    "lichenoid keratosis": frozenset({D.BKL}),
    "solar lentigo": frozenset({D.BKL}),
    "lentigo NOS": frozenset({D.BKL, D.NV}),
    "cafe-au-lait macule": frozenset({D.BEN_OTH}),
    "atypical melanocytic proliferation": frozenset({D.MEL, D.NV}),
}
SAYS = {"benign": False, "malignant": True}


def read(reading: Reading) -> Iterator[Record]:
    root = reading.root
    table = reading.first("ISIC_2020_Training_GroundTruth_v2.csv", "ISIC_2020_Training_GroundTruth.csv", "train.csv")
    rows = reading.table(table, {"image_name", "patient_id", "sex", "age_approx", "anatom_site_general_challenge",
                                 "diagnosis", "benign_malignant"})
    links = _duplicates(reading)
    twins = components({name for link in links for name in link}, links)
    jpeg = "ISIC_2020_Training_JPEG"
    pictures = reading.gallery([root / "train", root / jpeg / "train", root / jpeg, root / "jpeg" / "train"])
    for row in rows:
        name = row.get("image_name")
        with reading.record(row, name):
            lesion_id = cells.known(row.get("lesion_id"))
            malignant = cells.choice(row, "benign_malignant", SAYS)
            yield Record(
                picture=pictures.find(name),
                dataset="isic2020",
                picture_id=name,
                labels=_labels(row, malignant),
                group=f"isic2020:{lesion_id or twins.get(name, name)}",
                patient=cells.patient(age=row.get("age_approx"), sex=row.get("sex"),
                                      site=row.get("anatom_site_general_challenge"), modality=Modality.DERMOSCOPIC),
                dx_original=row.get("diagnosis"),
                malignant=malignant,
                lesion_id=lesion_id,
                patient_id=cells.need(row, "patient_id"),
                site_original=cells.known(row.get("anatom_site_general_challenge")),
                # Every melanoma was confirmed by histology (Rotemberg et al.); of the rest the table does not say.
                confirmation=Confirmation.HISTOPATHOLOGY if malignant else None,
                part="train",
            )


def _duplicates(reading: Reading) -> list[tuple[str, str]]:
    path = reading.root / "ISIC_2020_Training_Duplicates.csv"
    rows = reading.table(path, {"image_name_1", "image_name_2"}) if tables.either(path) else ()
    return [(row.get("image_name_1"), row.get("image_name_2")) for row in rows]


def _labels(row: Row, malignant: bool) -> frozenset[D]:
    labels = cells.choice(row, "diagnosis", DISEASES)
    if malignant != (labels == {D.MEL}):
        raise DatasetError(f"benign_malignant is {row.get('benign_malignant')!r} and diagnosis "
                           f"{row.get('diagnosis')!r}; the set's only malignant diagnosis is melanoma: get it again.")
    return labels


ISIC2020 = Source(
    id="isic2020",
    title="SIIM-ISIC 2020 challenge: the moles of 2,056 patients",
    read=read,
    pictures=33_126,
    classes=tuple(code for code in D if code in cells.BENIGN or code is D.MEL),
    licence="CC BY-NC 4.0",
    home="https://challenge.isic-archive.com/data/#2020",
    how="the JPEG zip file and the tables from the data page",
    folder="ISIC2020",
    citation="Rotemberg et al., Sci. Data 8:34 (2021)",
    lesions=True,
    patients=True,
    parts={"train": "Training"},
)
