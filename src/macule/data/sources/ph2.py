"""PH2: Mendonça et al., EMBC 2013. 200 dermoscopic pictures from Hospital Pedro Hispano, each with a lesion mask.

The table comes as PH2_dataset.txt (cells between bars) and as PH2_dataset.xlsx, with the same content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from macule.analysis.patient import Modality
from macule.data.record import Record
from macule.data.sources import cells, tables, xlsx
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source
from macule.data.vocabulary import Confirmation
from macule.errors import DatasetError
from macule.taxonomy import Diagnosis

#: Column of the spreadsheet, and number in the text file -> class.
KINDS = {"Common Nevus": Diagnosis.NV, "Atypical Nevus": Diagnosis.NV, "Melanoma": Diagnosis.MEL}
HISTOLOGY = "Histological Diagnosis"


def read(reading: Reading) -> Iterator[Record]:
    home = reading.home("PH2 Dataset images", "PH2Dataset")
    text = tables.either(home / "PH2_dataset.txt")
    cases = sorted((home / "PH2 Dataset images").glob("IMD*"))
    pictures = reading.gallery([case / f"{case.name}_Dermoscopic_Image" for case in cases])
    masks = reading.masks([case / f"{case.name}_lesion" for case in cases], "_lesion")
    for row in _from_text(reading, home) if text else _from_sheet(reading, home):
        name = row.get("Name")
        with reading.record(row, name):
            kind, histology = row.get("Kind"), cells.known(row.get(HISTOLOGY))
            if kind not in KINDS:
                raise DatasetError(f"the diagnosis is {kind!r}; one of {', '.join(KINDS)} is expected.")
            yield Record(
                picture=pictures.find(name),
                dataset="ph2",
                picture_id=name,
                labels=frozenset({KINDS[kind]}),
                group=f"ph2:{name}",
                patient=cells.patient(modality=Modality.DERMOSCOPIC),
                dx_original=histology or kind,
                malignant=KINDS[kind].suspicious,
                confirmation=Confirmation.HISTOPATHOLOGY if histology else Confirmation.CLINICAL,
                centre="Hospital Pedro Hispano",
                mask=masks.get(name),
            )


def _from_text(reading: Reading, home: Path) -> Iterator[Row]:
    """`|| IMD003 || || 0 || 0 | T | A | ... ||`; lines of another kind explain the codes."""
    path = reading.there(home / "PH2_dataset.txt")
    with tables.open_text(path) as stream:
        for number, line in enumerate(stream, 1):
            values = [cell.strip() for cell in re.split(r"\|\|?", line.strip().strip("|"))]
            if line.startswith("|") and values[0] != "Name":
                with reading.at(Row(path.name, number, (), {}), values[0]):
                    yield _from_line(path.name, number, values)


def _from_line(file: str, number: int, values: list[str]) -> Row:
    name, histology, number_of_kind = (*values, "", "")[:3]
    if number_of_kind not in ("0", "1", "2"):
        raise DatasetError(f"the clinical diagnosis is {number_of_kind!r}; 0, 1 or 2 is expected.")
    return Row.of(file, number, {"Name": name, HISTOLOGY: histology, "Kind": list(KINDS)[int(number_of_kind)]})


def _from_sheet(reading: Reading, home: Path) -> Iterator[Row]:
    path = reading.there(home / "PH2_dataset.xlsx")
    for row in xlsx.table(path, {"Image Name", HISTOLOGY, *KINDS}):
        if row.get("Image Name"):
            marked = " and ".join(kind for kind in KINDS if row.get(kind).upper() == "X")
            yield Row.of(row.file, row.number, {"Name": row.get("Image Name"), HISTOLOGY: row.get(HISTOLOGY),
                                                "Kind": marked})


PH2 = Source(
    id="ph2",
    title="PH2: naevi and melanomas with lesion masks",
    read=read,
    pictures=200,
    classes=(Diagnosis.MEL, Diagnosis.NV),
    licence="research only",
    home="https://www.fc.up.pt/addi/ph2%20database.html",
    how="PH2Dataset.rar by the home page",
    folder="PH2",
    citation="Mendonça et al., EMBC 2013, 5437-5440",
)
