"""DermaMNIST: Yang et al., Sci. Data 10:41 (2023). HAM10000 shrunk to 28, 64, 128 or 224 px, in one npz file.

It carries no ids, and its official parts share lesions: a score on them is not leak-free (Abhishek et al., Sci. Data
12:196, 2025).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from macule.analysis.patient import Modality
from macule.data import pictures
from macule.data.record import Record
from macule.data.sources import cells
from macule.data.sources.ham10000 import CLASSES
from macule.data.sources.reading import Reading, Row
from macule.data.sources.source import Source
from macule.errors import DatasetError, UsageError
from macule.taxonomy import Diagnosis as D

PARTS = {"train": "train", "val": "val", "test": "test"}
#: By number: MedMNIST's INFO["dermamnist"]["label"].
LABELS = (("actinic keratoses and intraepithelial carcinoma", D.AKIEC), ("basal cell carcinoma", D.BCC),
          ("benign keratosis-like lesions", D.BKL), ("dermatofibroma", D.DF), ("melanoma", D.MEL),
          ("melanocytic nevi", D.NV), ("vascular lesions", D.VASC))
NAME = re.compile(r"dermamnist(?:_(\d+))?\.npz")


def read(reading: Reading) -> Iterator[Record]:
    path = _file(reading)
    for part in PARTS if reading.part == "all" else (reading.part,):
        for number, label in enumerate(_labels(path, part)):
            name = f"{part}/{number}"
            with reading.record(Row(f"{path.name} {part}", number, (), {}), name):
                if not 0 <= label < len(LABELS):
                    raise DatasetError(f"the label is {label}; 0 to {len(LABELS) - 1} is expected.")
                original, code = LABELS[label]
                yield Record(
                    picture=path / name,
                    dataset="dermamnist",
                    picture_id=name,
                    labels=frozenset({code}),
                    group=f"dermamnist:{name}",
                    patient=cells.patient(modality=Modality.DERMOSCOPIC),
                    dx_original=original,
                    malignant=code.suspicious,
                    part=part,
                )


def _file(reading: Reading) -> Path:
    """The file itself, or in a folder that of the wanted size, else the largest.

    Raises: DatasetError if there is none; UsageError if there is none of that size.
    """
    if reading.root.is_file():
        return reading.root
    sizes = {int(match[1] or 28): path for path in sorted(reading.root.iterdir())
             if (match := NAME.fullmatch(path.name))}
    if not sizes:
        raise DatasetError(f"{reading.root / 'dermamnist.npz'} is missing, and so are dermamnist_64.npz and larger: "
                           "put the file there unchanged, or correct the folder.")
    wanted = reading.options.get("size", str(max(sizes)))
    if wanted not in map(str, sizes):
        raise UsageError(f"the option size is {wanted!r}; {reading.root} has {', '.join(map(str, sorted(sizes)))}.")
    return sizes[int(wanted)]


def _labels(path: Path, part: str) -> NDArray[np.int64]:
    """int64, shape (N,), as many as there are pictures. Raises: DatasetError if the file is damaged."""
    try:
        labels = np.asarray(pictures.array(path, f"{part}_labels"), np.int64).reshape(-1)
        count = pictures.shape(path, f"{part}_images")[0]
    except (OSError, LookupError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} is damaged, or lacks {part}_images or {part}_labels ({error}): "
                           "get it again.") from error
    if len(labels) != count:
        raise DatasetError(f"{path} has {count} {part}_images but {len(labels)} {part}_labels: get it again.")
    return labels


DERMAMNIST = Source(
    id="dermamnist",
    title="DermaMNIST: HAM10000 at 28 to 224 px in one file",
    read=read,
    pictures=10_015,
    classes=CLASSES,
    licence="CC BY-NC 4.0",
    home="https://medmnist.com",
    how="one npz file a size, from Zenodo record 10519652",
    folder="DermaMNIST",
    citation="Yang et al., Sci. Data 10:41 (2023)",
    parts=PARTS,
    options={"size": "28, 64, 128 or 224; the largest that is there"},
)
