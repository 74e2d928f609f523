"""What a run says about its calibration part, with what is needed to score it, in a file of the run. Needs no torch."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from macule.analysis import bundle as bundles
from macule.analysis.calibration import Calibration
from macule.analysis.patient import Modality, Patient
from macule.data import sources
from macule.data.atomic import writing
from macule.data.record import Record
from macule.errors import DatasetError, RunDamaged
from macule.evaluation import runs
from macule.evaluation.metrics import Floats
from macule.evaluation.predictions import CODES, Predictions
from macule.taxonomy import Diagnosis

FILE = "calibration.csv"
LOGITS = "predictions.npz"  # of macule.training.bundling, which needs torch
_ABOUT = ("image", "lesion", "patient", "modality", "labels", "malignant")
_WORDS = {"": None, "0": False, "1": True}


def write(folders: Sequence[Path], root: Path, out: Path) -> Path:
    """The answers of a run, or of all folds together, each at its own bundle's temperature, not as it serves.

    root: the folder that holds the data sets. out: the folder of the file.
    Raises: DatasetError if a picture is no longer in its data set.
    """
    said = {name: shares for folder in folders for name, shares in _read(folder)}
    known = _records(folders, root)
    if absent := [name for name in said if name not in known]:
        raise DatasetError(f"{absent[0]} was in a calibration part and is not below {root}: give the data of the run.")
    with writing(out / FILE) as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow([*_ABOUT, *(code.value for code in CODES)])
        table.writerows([*_cells(name, known[name]), *(f"{share:.7g}" for share in said[name])] for name in said)
    return out / FILE


def read(folder: Path) -> Predictions:
    """Without pictures, risks and embeddings. Raises: OSError; RunDamaged."""
    path = folder / FILE
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    try:
        shares = np.array([[float(row[code.value]) for code in CODES] for row in rows], np.float64)
        return Predictions([_record(row) for row in rows], shares.reshape(-1, len(CODES)))
    except (KeyError, ValueError, TypeError) as error:
        raise RunDamaged(f"{path} is damaged ({error!r}): delete it and the queue's command writes it anew.") from error


def _read(folder: Path) -> list[tuple[str, Floats]]:
    with np.load(folder / LOGITS) as kept:
        names, logits = kept["calibration"].tolist(), kept["calibration_logits"]
    # By the one temperature, and not as served: class shifts that were fitted to these very pictures would flatter the
    # areas that the queue compares.
    temperature = bundles.load(folder / "bundle").calibration.temperature
    shares = Calibration(temperature).shares(logits) if len(logits) else logits
    return list(zip(names, shares, strict=True))


def _records(folders: Sequence[Path], root: Path) -> Mapping[str, Record]:
    names = dict.fromkeys(name for folder in folders for name in runs.load(folder)["recipe"]["datasets"])
    return {f"{record.dataset}:{record.picture_id}": record
            for name in names for record in sources.load(name, root / sources.find(name).folder)}


def _cells(name: str, record: Record) -> tuple[str, ...]:
    return (name, record.group, record.patient_id or "", record.patient.modality or "",
            "+".join(code.value for code in CODES if code in record.labels),
            "" if record.malignant is None else str(int(record.malignant)))


def _record(row: Mapping[str, str]) -> Record:
    dataset, _, picture = row["image"].partition(":")
    modality = Modality(row["modality"]) if row["modality"] else None
    labels = frozenset(Diagnosis(code) for code in row["labels"].split("+") if code)
    return Record(None, dataset, picture, labels, row["lesion"], Patient(modality=modality),
                  malignant=_WORDS[row["malignant"]], patient_id=row["patient"] or None)
