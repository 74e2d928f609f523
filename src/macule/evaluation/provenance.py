"""Where a report's numbers come from: bundle, training, exam and run, each by its hash. What nobody recorded is None.

The exam's hash is the SHA-256 over the UTF-8 lines `dataset:picture_id label`, sorted by code point, each ended by a
line feed; label: the codes of the classes that it names, sorted and joined by `+`, or `-` where it names none. Equal
pictures with equal labels have an equal hash, whatever machine or folder they lie in. It counts what was asked for
after leaks were left out: answered, refused and unreadable.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from macule import __version__
from macule.analysis.bundle import MANIFEST, Bundle
from macule.data import membership, sources
from macule.data.record import Record
from macule.errors import DatasetError
from macule.evaluation.exam import Exam
from macule.taxonomy import Diagnosis

_LIBRARIES = ("numpy", "onnxruntime", "opencv-python-headless", "pillow")


def of(exam: Exam, report: Mapping[str, Any], *, command: str, now: datetime) -> dict[str, Any]:
    """report: as scored. command: see `spoken`. Returns: plain data, for the report's JSON under `provenance`."""
    records = [*exam.predictions.records, *exam.predictions.refused, *exam.predictions.failed]
    content = _manifest(exam.bundle)
    return {
        "bundle": _bundle(exam.bundle, content),
        "training": _training(content.get("provenance", {})),
        "thresholds": _thresholds(content),
        "exam": {"dataset": exam.dataset, "part": exam.part, "sha256": exam_hash(records), **_published(exam.dataset),
                 **described(records)},
        "left_out": {"leaks": report.get("dropped_leaks", 0), "refused": len(exam.predictions.refused),
                     "unreadable": len(exam.predictions.failed)},
        "run": {"command": command, "date": now.isoformat(timespec="seconds"), "resamples": len(exam.weights),
                "seed": exam.seed, "resampled": "patients where the publisher names them, else lesions",
                "patient_data": report.get("patient_data"), "modality": report.get("modality", "any"),
                "views": report.get("views"), "by": report.get("by", "picture"),
                "macule": __version__, "python": platform.python_version(),
                "libraries": {name: _version(name) for name in _LIBRARIES}},
    }


def exam_hash(records: Iterable[Record]) -> str:
    """See the module. Returns: hexadecimal."""
    lines = sorted(f"{record.dataset}:{record.picture_id} {_label(record)}\n" for record in records)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def spoken(argv: Sequence[str]) -> str:
    """A command line without the folders of somebody's machine: of an absolute path the last part stays."""
    return shlex.join(["macule", *(_without_home(word) for word in argv[1:])])


def described(records: Sequence[Record]) -> dict[str, Any]:
    """Who and what the pictures show, counted. None stands under "unknown"."""
    ages = [record.patient.age for record in records if record.patient.age is not None]
    quartiles = [round(float(each), 1) for each in np.quantile(ages, (0.25, 0.5, 0.75))] if ages else None
    suspicious = [record for record in records if record.labels and all(code.suspicious for code in record.labels)]
    return {
        "pictures": len(records),
        "lesions": len({record.group for record in records}),
        "patients": len({(r.dataset, r.patient_id) for r in records if r.patient_id}) or None,
        "labels": _counts("+".join(sorted(record.labels)) or None for record in records),
        "modality": _counts(record.patient.modality for record in records),
        "sex": _counts(record.patient.sex for record in records),
        "site": _counts(record.patient.site for record in records),
        "age": {"known": len(ages), "quartiles": quartiles},
        "skin_tone": _counts(None if (tone := record.skin_tone) is None else f"{tone.scale} {tone.value:g}"
                             for record in records),
        "centre": _counts(record.centre for record in records),
        "confirmation": _counts(record.confirmation for record in records),
        "confirmation_of_suspicious": _counts(record.confirmation for record in suspicious),
        "licence": _counts(record.licence for record in records),
    }


def _published(dataset: str) -> dict[str, Any]:
    """What the publishers say of their sets."""
    found = []
    for name in dataset.split("+"):
        try:
            source = sources.find(name)
        except DatasetError:
            continue
        found.append({"title": source.title, "home": source.home, "citation": source.citation,
                      "licence": source.licence, "classes": [code.value for code in source.classes]})
    return {"sources": found}


def _bundle(bundle: Bundle, content: Mapping[str, Any]) -> dict[str, Any]:
    split = bundle.folder / membership.FILE
    return {"id": bundle.id, "sha256": bundle.sha256, "created": bundle.created, "licence": bundle.licence,
            "model_sha256": content.get("model", {}).get("sha256"),
            "split_sha256": hashlib.sha256(split.read_bytes()).hexdigest() if split.is_file() else None,
            "preprocessing": bundle.preprocessing.to_dict()}


def _training(made: Mapping[str, Any]) -> dict[str, Any]:
    """recipe_sha256: of the recipe as the bundle holds it, keys sorted."""
    recipe, run, split = made.get("recipe"), made.get("run") or {}, made.get("split") or {}
    return {
        "run": run.get("id"),
        "run_recipe_sha256": run.get("recipe_sha256"),
        "recipe": (recipe or {}).get("name"),
        "recipe_sha256": None if recipe is None else hashlib.sha256(
            json.dumps(recipe, sort_keys=True, ensure_ascii=False).encode()).hexdigest(),
        "seed": (recipe or {}).get("seed"),
        "datasets": (recipe or {}).get("datasets"),
        "backbone": made.get("start", {}).get("backbone") or (recipe or {}).get("backbone"),
        "weights": made.get("start", {}).get("weights"),
        "manifest": split.get("manifest"),
        "split": {key: split[key] for key in ("scheme", "by", "seed", "fold") if split.get(key) is not None} or None,
        "pictures": made.get("pictures"),
        "lesions": made.get("lesions"),
        "left_out_for_exams": made.get("left_out_for_exams"),
        "leaky": made.get("leaky"),
        "versions": made.get("versions"),
    }


def _thresholds(content: Mapping[str, Any]) -> dict[str, Any]:
    limits, calibration = content.get("thresholds", {}), content.get("calibration", {})
    return {"medium": limits.get("medium"), "high": limits.get("high"), "fitted_on": limits.get("fitted_on"),
            "n": limits.get("n"), "temperature": calibration.get("temperature"),
            "temperature_fitted_on": calibration.get("fitted_on"), "temperature_n": calibration.get("n"),
            "malignant_scale": calibration.get("malignant", {}).get("scale"),
            "malignant_shift": calibration.get("malignant", {}).get("shift"),
            "gate_quantile": content.get("gate", {}).get("quantile")}


def _manifest(bundle: Bundle) -> dict[str, Any]:
    path = bundle.folder / MANIFEST
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _label(record: Record) -> str:
    return "+".join(sorted(Diagnosis(code).value for code in record.labels)) or "-"


def _counts(values: Iterable[str | None]) -> dict[str, int]:
    """Most frequent first."""
    found = Counter("unknown" if value is None else str(value) for value in values)
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def _without_home(word: str) -> str:
    name, sign, value = word.partition("=")
    if sign and name.startswith("-") and Path(value).is_absolute():
        return f"{name}={Path(value).name}"
    return Path(word).name if Path(word).is_absolute() else word


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
