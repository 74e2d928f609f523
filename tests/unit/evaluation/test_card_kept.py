"""bundle.json holds the only copy of temperature and thresholds: writing a card must not cost it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import small_disk
from macule_testing import write_bundle

from macule.analysis import bundle as bundles
from macule.evaluation import card, card_text

PROVENANCE = {
    "recipe": {"name": "tiny", "backbone": "lite0", "frozen_blocks": 2, "seed": 7, "datasets": ["ham10000"]},
    "pictures": {"train": 1, "calibration": 1, "test": 4}, "lesions": {"train": 1, "calibration": 1, "test": 3},
    "left_out_for_exams": 0, "torch_onnx_difference": 1e-6,
    "versions": {"macule": "0.1", "torch": "2.13", "python": "3.11"},
}
LIMIT = {"probability": 0.5, "sensitivity": 0.9}
THRESHOLDS = {"medium": LIMIT, "high": LIMIT, "cannot_exclude": {}, "fitted_on": "calibration part", "n": 9}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tiny", provenance=PROVENANCE, thresholds=THRESHOLDS,
                        metrics={"speed": {"cores": 1}})


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_full_disk_leaves_bundle_and_card_as_they_were(folder: Path) -> None:
    card.rewrite(folder)
    manifest = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(manifest))  # other bytes than a card would write
    before = files(folder)
    with small_disk.full_after(100), pytest.raises(OSError, match="File too large"):
        card.rewrite(folder)
    assert files(folder) == before


def test_a_card_that_cannot_be_rendered_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(folder)
    monkeypatch.setattr(card_text, "render", lambda *_: (_ for _ in ()).throw(KeyError("pictures")))
    with pytest.raises(KeyError):
        card.write(folder, [])
    assert files(folder) == before


def test_what_a_bundle_may_not_hold_is_not_put_into_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(folder)
    monkeypatch.setattr(card_text, "render", lambda *_: "a card")
    with pytest.raises(ValueError, match="not JSON compliant"):
        card.write(folder, [{"title": "one", "accuracy": float("nan")}])
    assert files(folder) == before and bundles.load(folder).id == "tiny"


def test_a_card_written_again_is_the_same(folder: Path) -> None:
    """It tells the bundle's size and the number of its files: itself is one of them."""
    (folder / "card.md").unlink(missing_ok=True)
    card.rewrite(folder)
    first = files(folder)
    card.rewrite(folder)
    assert files(folder) == first and json.loads(first["bundle.json"])["metrics"]["speed"] == {"cores": 1}
    assert f"MB, {len(first)} files" in first["card.md"].decode()
