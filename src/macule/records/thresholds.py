"""The thresholds that an old answer was given under: of the bundle that gave it, which need not be the one in use."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from macule.analysis.bundle import MANIFEST, Threshold
from macule.errors import EnvironmentFault, NoSuchRecord
from macule.records.clinic import Clinic
from macule.records.tables import BundleRecord


@dataclass(frozen=True)
class Limits:
    """medium, high: of the malignant probability. cannot_exclude: by code.

    coverage: the share of pictures whose true diagnosis the conformal set was made to hold; None where there is none.
    """

    medium: Threshold
    high: Threshold
    cannot_exclude: Mapping[str, Threshold] = field(default_factory=dict)
    coverage: float | None = None


_known: dict[str, Limits] = {}  # by the bundle's SHA-256, under which they cannot change


def of(clinic: Clinic, sha256: str | None) -> Limits | None:
    """None where the bundle's archive cannot be had now: the answer itself still stands."""
    if sha256 is None:
        return None
    if sha256 not in _known:
        with clinic.reading() as session:
            row = session.get(BundleRecord, sha256)
        if row is None or row.archive is None:
            return None
        try:
            content = clinic.store.get(row.archive)
        except (EnvironmentFault, NoSuchRecord):
            return None
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _known[sha256] = _parsed(json.loads(archive.read(MANIFEST)))
    return _known[sha256]


def _parsed(manifest: Mapping[str, Any]) -> Limits:
    fitted, conformal = manifest["thresholds"], manifest.get("conformal")
    return Limits(
        _one(fitted["medium"]), _one(fitted["high"]),
        {code: _one(found) for code, found in fitted["cannot_exclude"].items()},
        coverage=float(conformal["coverage"]) if conformal else None,
    )


def _one(found: Mapping[str, Any]) -> Threshold:
    return Threshold(float(found["probability"]), float(found["sensitivity"]))
