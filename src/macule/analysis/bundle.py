"""A bundle: the folder that training writes and analysis reads, checked in full before anything is computed with it.

    model.onnx   the network            gate.npz   what its training pictures looked like to it
    bundle.json  everything else        card.md    measured numbers, for people

Evaluation reads more of it, where it is there: split.csv.gz (what was in which part), index.npz, baselines.npz.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from macule import bundles
from macule.analysis import gate, schema, shelf
from macule.analysis.calibration import Calibration, MalignantSum
from macule.analysis.conformal import Conformal, Limit
from macule.analysis.gate import Gate
from macule.analysis.preprocess import Preprocessing
from macule.analysis.result import BundleId
from macule.errors import BundleInvalid, BundleNotFound
from macule.taxonomy import Diagnosis

ENVIRONMENT = "MACULE_BUNDLE"
MANIFEST = shelf.MANIFEST
CARD = "card.md"


@dataclass(frozen=True)
class Threshold:
    """A probability from which a statement holds, and the sensitivity at which it was fitted."""

    probability: float
    sensitivity: float


@dataclass(frozen=True)
class Thresholds:
    """medium, high: of the malignant probability. cannot_exclude: of single suspicious classes."""

    medium: Threshold
    high: Threshold
    cannot_exclude: Mapping[Diagnosis, Threshold]


@dataclass(frozen=True)
class Bundle:
    """calibration: how logits become probabilities. sha256: over the hashes of all files, in name order.

    conformal: None where it was not fitted.
    """

    id: str
    sha256: str
    folder: Path
    created: str
    licence: str
    model: Path
    preprocessing: Preprocessing
    calibration: Calibration
    thresholds: Thresholds
    gate: Gate = field(repr=False)
    metrics: Mapping[str, Any] = field(repr=False)
    conformal: Conformal | None = None

    @property
    def identity(self) -> BundleId:
        return BundleId(self.id, self.sha256)

    @property
    def card(self) -> str:
        """The card's Markdown; empty if the bundle has none."""
        path = self.folder / CARD
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def load(name_or_path: str | Path | None = None) -> Bundle:
    """Read and check a bundle.

    name_or_path: one of `available()`, or a folder. None: the environment's MACULE_BUNDLE, else the embedded default.

    Raises: BundleNotFound, which says how to get one that is known by name and not here; BundleInvalid if a file is
    missing, altered or contradicts another.
    """
    folder = _find(name_or_path)
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        schema.check(content)
        return _build(folder, content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleInvalid(f"bundle {folder}: {error}: get the bundle again or repeat its training.") from error


def wanted_name(name_or_path: str | Path | None = None) -> str:
    """What `load` will look for."""
    return str(name_or_path or os.environ.get(ENVIRONMENT) or bundles.DEFAULT)


def available() -> list[str]:
    """The names of the embedded and the fetched bundles."""
    return sorted({*shelf.names(shelf.embedded()), *shelf.names(shelf.home())})


def fingerprint(folder: Path) -> str:
    """One SHA-256 for a folder: over the lines `name sha256` of its files in name order; hidden files do not count.

    What was measured of a bundle does not count either, so that a report names the bundle that its figures end up in:
    `card.md` is left out, and bundle.json is hashed as JSON with sorted keys and without `metrics`.
    """
    lines = [f"{path.name} {_hash(path)}\n" for path in sorted(folder.iterdir()) if _counts(path)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _find(name_or_path: str | Path | None) -> Path:
    wanted = wanted_name(name_or_path)
    folder = shelf.find(wanted) or Path(wanted)
    if (folder / MANIFEST).is_file():
        return folder
    if (absent := shelf.index().get(wanted)) is not None:
        raise BundleNotFound(f"the bundle {wanted!r} is not here: {shelf.way_to(absent)}.")
    known = ", ".join(available()) or "none"
    raise BundleNotFound(f"there is no bundle {wanted!r}: give a folder that holds {MANIFEST}, or one of: {known}.")


def _build(folder: Path, content: dict[str, Any]) -> Bundle:
    model = _sibling(folder, content["model"]["file"])
    found = _sha256(model)
    if found != content["model"]["sha256"]:
        raise ValueError(f"{model.name} has the SHA-256 {found}, but {MANIFEST} says {content['model']['sha256']}")
    thresholds = content["thresholds"]
    return Bundle(
        id=content["id"],
        sha256=fingerprint(folder),
        folder=folder,
        created=content["created"],
        licence=content["licence"],
        model=model,
        preprocessing=Preprocessing.from_dict(content["preprocessing"]),
        calibration=_calibration(content["calibration"]),
        thresholds=Thresholds(
            medium=_threshold(thresholds["medium"]),
            high=_threshold(thresholds["high"]),
            cannot_exclude={Diagnosis(code): _threshold(t) for code, t in thresholds["cannot_exclude"].items()},
        ),
        gate=gate.load(_sibling(folder, content["gate"]["file"]), content["gate"]["threshold"]),
        metrics=content["metrics"],
        conformal=_conformal(content["conformal"]) if "conformal" in content else None,
    )


def _calibration(entry: dict[str, Any]) -> Calibration:
    malignant = entry.get("malignant")
    return Calibration(float(entry["temperature"]), None if malignant is None else MalignantSum(
        float(malignant["scale"]), tuple(float(malignant["shift"][code.value]) for code in Diagnosis)))


def _threshold(entry: dict[str, float]) -> Threshold:
    return Threshold(float(entry["probability"]), float(entry["sensitivity"]))


def _conformal(entry: dict[str, Any]) -> Conformal:
    limits = {Diagnosis(code): Limit(float(each["probability"]), each["n"], each["lesions"], each["guaranteed"])
              for code, each in entry["classes"].items()}
    return Conformal(float(entry["coverage"]), entry["n"], limits)


def _sibling(folder: Path, name: str) -> Path:
    if Path(name).name != name:
        raise ValueError(f"{name!r} is not the plain name of a file in the bundle")
    return folder / name


def _counts(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.name != CARD


def _hash(path: Path) -> str:
    if path.name != MANIFEST:
        return _sha256(path)
    content = {key: value for key, value in json.loads(path.read_text(encoding="utf-8")).items() if key != "metrics"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{MANIFEST} holds {constant}, which is not a number")
