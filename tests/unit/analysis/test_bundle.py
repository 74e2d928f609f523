from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from macule_testing import CODES, content, write_bundle

from macule.analysis import bundle as bundles
from macule.analysis.calibration import Calibration
from macule.analysis.pipeline import Analyzer
from macule.errors import BundleInvalid, BundleNotFound, EnvironmentFault
from macule.taxonomy import Diagnosis

THRESHOLDS = content("")["thresholds"]
CALIBRATION = content("")["calibration"]
SHIFT = dict.fromkeys(CODES, 0.5)
MALIGNANT = {"scale": 1.0, "shift": SHIFT}


def test_a_bundle_is_read_in_full(tiny_bundle: bundles.Bundle) -> None:
    assert tiny_bundle.id == "tiny" and tiny_bundle.calibration == Calibration(1.5)
    assert tiny_bundle.preprocessing.size == 32
    assert tiny_bundle.thresholds.high == bundles.Threshold(0.6, 0.8)
    assert set(tiny_bundle.thresholds.cannot_exclude) == {Diagnosis(code) for code in ("akiec", "bcc", "mel", "sccka")}
    assert tiny_bundle.card.startswith("# Tiny")


def test_the_fingerprint_covers_all_that_decides_answers(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "one")
    before = bundles.load(folder).sha256
    (folder / ".DS_Store").write_text("not part of it")
    (folder / "card.md").write_text("# Another card\n")
    manifest = folder / "bundle.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"metrics": {"measured": "since"}}, indent=7))
    assert bundles.load(folder).sha256 == before
    (folder / "index.npz").write_bytes(b"more")
    with_more = bundles.fingerprint(folder)
    manifest.write_text(json.dumps(content | {"created": "another day"}))
    assert len({before, with_more, bundles.fingerprint(folder)}) == 3


def test_the_environment_names_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bundles.ENVIRONMENT, str(write_bundle(tmp_path / "one")))
    assert bundles.load().id == "tiny"


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    for wanted in ("nowhere", tmp_path):
        with pytest.raises(BundleNotFound, match=r"bundle\.json"):
            bundles.load(wanted)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"format": 2}, "format"),
        ({"classes": CODES[::-1]}, "order"),
        ({"classes": CODES[:7]}, "order"),
        ({"surprise": 1}, "surprise"),
        ({"id": ""}, "id"),
        ({"calibration": CALIBRATION | {"temperature": 0}}, "temperature"),
        ({"calibration": CALIBRATION | {"temperature": float("nan")}}, "NaN"),
        ({"calibration": CALIBRATION | {"temperature": True}}, "temperature"),
        ({"calibration": CALIBRATION | {"malignant": MALIGNANT | {"scale": 0}}}, "malignant scale"),
        ({"calibration": CALIBRATION | {"malignant": {"scale": 1.0}}}, "shift"),
        ({"calibration": CALIBRATION | {"malignant": MALIGNANT | {"shift": {"mel": 0.5}}}}, "missing"),
        ({"calibration": CALIBRATION | {"malignant": MALIGNANT | {"shift": SHIFT | {"nv": None}}}}, "shift nv"),
        ({"thresholds": THRESHOLDS | {"high": {"probability": 0.1, "sensitivity": 0.8}}}, "below the medium"),
        ({"thresholds": THRESHOLDS | {"high": {"probability": 1.2, "sensitivity": 0.8}}}, "high probability"),
        ({"thresholds": THRESHOLDS | {"medium": {"probability": 0.1}}}, "sensitivity"),
        ({"thresholds": THRESHOLDS | {"cannot_exclude": {"nv": THRESHOLDS["medium"]}}}, "benign"),
        ({"thresholds": THRESHOLDS | {"cannot_exclude": {"xyz": THRESHOLDS["medium"]}}}, "xyz"),
        ({"model": {"file": "model.onnx", "sha256": "0" * 64}}, "SHA-256"),
        ({"model": {"file": "../model.onnx", "sha256": "0" * 64}}, "plain name"),
        ({"model": {"file": "gone.onnx", "sha256": "0" * 64}}, "gone"),
        ({"gate": {"file": "gate.npz", "threshold": -1.0, "quantile": 0.99}}, "gate threshold"),
        ({"preprocessing": {"size": 32}}, "preprocessing"),
        ({"metrics": []}, "metrics"),
    ],
)
def test_contradictions_are_refused(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid, match=complaint):
        bundles.load(write_bundle(tmp_path / "bad", **change))


@pytest.mark.parametrize("missing", ["id", "thresholds", "gate"])
def test_a_missing_key_is_named(missing: str, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bad")
    path = folder / "bundle.json"
    kept = {key: value for key, value in json.loads(path.read_text()).items() if key != missing}
    path.write_text(json.dumps(kept))
    with pytest.raises(BundleInvalid, match=missing):
        bundles.load(folder)


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx", "gate.npz"])
def test_a_damaged_file_is_refused(name: str, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bad")
    path = folder / name
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BundleInvalid):
        bundles.load(folder)


@pytest.mark.parametrize(
    "arrays",
    [
        {"components": np.eye(4)},
        {"mean": np.array([np.nan, 0, 0])},
        {"residual_scale": 0.0},
        {"mean": np.array([{}], dtype=object)},
    ],
)
def test_a_gate_that_does_not_fit_is_refused(arrays: dict[str, Any], tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bad")
    sound = {"mean": np.zeros(3), "components": np.eye(3), "basis": np.eye(3), "residual_scale": 1.0}
    np.savez(folder / "gate.npz", **(sound | arrays))
    with pytest.raises(BundleInvalid, match=r"gate\.npz|pickle"):
        bundles.load(folder)


def test_a_network_that_does_not_fit_its_bundle_is_refused(tmp_path: Path) -> None:
    settings = content("")["preprocessing"] | {"size": 48}
    with pytest.raises(EnvironmentFault, match=r"do not fit its bundle\.json"):
        Analyzer(bundles.load(write_bundle(tmp_path / "bad", preprocessing=settings)))


def test_the_embedded_bundle_is_sound(default_bundle: bundles.Bundle) -> None:
    assert default_bundle.identity.id in bundles.available()
    assert default_bundle.licence == "CC BY-NC 4.0"
    assert sum(path.stat().st_size for path in default_bundle.folder.iterdir()) <= 30_000_000
    Analyzer(default_bundle)
