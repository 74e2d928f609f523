"""A gate that looks for a lesion: flagged, refused, and what every surface is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from macule_testing import draw, encode, write_bundle

from macule.analysis import bundle as bundles
from macule.analysis import gate as gates
from macule.analysis.gate import Gate, Hidden, Presence
from macule.analysis.pipeline import Analyzer
from macule.analysis.result import Result, Risk
from macule.errors import BundleInvalid

#: One classifier that looks at the first direction, one at the second.
PRESENCE = Presence(np.eye(3)[:, :2], np.zeros(2))
#: Nothing is far for it.
GATE = Gate(np.zeros(3), np.eye(3)[:, :2], np.eye(3)[:, :2], 1.0, 1000.0, PRESENCE)


@pytest.mark.parametrize(
    ("embedding", "admitted", "refused"),
    [
        ((-1, -2, 5), True, False),
        ((0, -1, 0), True, False),
        ((0.5, -1, 0), False, False),
        ((-3, 1, 0), False, False),
        ((-3, 1.1, 0), False, True),
        ((np.nan, 0, 0), False, True),
    ],
)
def test_above_nought_is_flagged_and_above_one_refused(embedding: tuple[float, ...], admitted: bool,
                                                       refused: bool) -> None:
    row = np.array(embedding, np.float32)
    assert (GATE.admits(row), GATE.refuses(row)) == (admitted, refused)


#: Finds strange what lies far along the third direction, either way.
LAYER = Hidden(np.array([[0, 0], [0, 0], [1, -1]], np.float32), np.zeros(2), np.ones(2), -2.0)


@pytest.mark.parametrize(("embedding", "strange"), [((-9, -9, 0), -2), ((-9, -9, 2.5), 0.5), ((-9, -9, -4), 2),
                                                     ((1.5, -9, 0), 1.5)])
def test_a_hidden_layer_is_one_more_classifier(embedding: tuple[float, ...], strange: float) -> None:
    row = np.array(embedding, np.float32)
    assert dataclasses.replace(PRESENCE, hidden=LAYER).strangeness(row) == pytest.approx(strange)
    alone = Presence(np.zeros((3, 0)), np.zeros(0), LAYER)
    assert alone.strangeness(np.array([0, 0, 4], np.float32)) == pytest.approx(2)


def test_what_lies_far_is_flagged_though_it_looks_like_a_lesion() -> None:
    far = np.array([-300, 0, 0], np.float32)
    assert not GATE.admits(far) and not GATE.refuses(far)


def test_a_gate_of_distances_refuses_nothing_and_ranks_by_distance() -> None:
    old = dataclasses.replace(GATE, presence=None, threshold=2.0)
    near, far = np.array([1, 0, 0], np.float32), np.array([9, 0, 0], np.float32)
    assert not old.refuses(far) and not old.admits(far) and old.admits(near)
    assert old.strangeness(near) <= 0 < old.strangeness(far)


def test_the_gate_survives_its_file(tmp_path: Path) -> None:
    layered = dataclasses.replace(GATE, presence=dataclasses.replace(PRESENCE, hidden=LAYER))
    for gate in (GATE, layered, dataclasses.replace(GATE, presence=None)):
        gates.save(gate, tmp_path / "gate.npz")
        again = gates.load(tmp_path / "gate.npz", 1000.0)
        assert (again.presence is None) == (gate.presence is None)
        far = np.array([0, 0, -5], np.float32)
        assert again.strangeness(far) == pytest.approx(gate.strangeness(far))
        assert again.strangeness(np.array([0.4, 0, 0], np.float32)) == pytest.approx(
            gate.strangeness(np.array([0.4, 0, 0], np.float32)))


SOUND = {"presence_weights": np.eye(3), "presence_offsets": np.zeros(3)}


@pytest.mark.parametrize("arrays", [
    {"presence_weights": np.eye(4), "presence_offsets": np.zeros(4)},
    {"presence_weights": np.eye(3)},
    {"presence_weights": np.eye(3), "presence_offsets": np.zeros(2)},
    {"presence_weights": np.full((3, 1), np.nan), "presence_offsets": np.zeros(1)},
    SOUND | {"hidden_weights": np.eye(3), "hidden_offsets": np.zeros(3), "hidden_out": np.zeros(3)},
    SOUND | {"hidden_weights": np.eye(4), "hidden_offsets": np.zeros(4), "hidden_out": np.zeros(4), "hidden_bias": 0.0},
    SOUND | {"hidden_weights": np.eye(3), "hidden_offsets": np.zeros(3), "hidden_out": np.zeros(2), "hidden_bias": 0.0},
])
def test_classifiers_that_do_not_fit_are_refused(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bad")
    sound = {"mean": np.zeros(3), "components": np.eye(3), "basis": np.eye(3), "residual_scale": 1.0}
    np.savez(folder / "gate.npz", **(sound | arrays))
    with pytest.raises(BundleInvalid, match=r"presence|weights|hidden"):
        bundles.load(folder)


def judged(folder: Path, offset: float) -> Result:
    """What the tiny bundle says of a drawn spot if its gate finds every picture `offset` strange."""
    path = write_bundle(folder)
    gates.save(dataclasses.replace(GATE, presence=Presence(np.zeros((3, 1)), np.array([offset]))), path / "gate.npz")
    return Analyzer(bundles.load(path)).analyze(encode(draw()))


def test_a_refused_picture_is_one_that_cannot_be_judged(tmp_path: Path) -> None:
    result = judged(tmp_path, 1.5)
    shown = result.to_dict()
    assert result.assessment is None and not result.quality.usable and "diagnoses" not in shown
    assert shown["quality"]["checks"]["familiar"] == {
        "passed": False, "value": 1.5, "limit": 1.0, "advice": result.quality.checks[-1].advice}
    assert "close-up of one spot on the skin" in result.advice
    assert all(check.passed for check in result.quality.checks[:-1])


def test_a_flagged_picture_is_answered_and_never_low(tmp_path: Path) -> None:
    result = judged(tmp_path, 0.5)
    assert result.assessment is not None and not result.assessment.in_distribution
    assert result.assessment.risk is not Risk.LOW


def test_an_admitted_picture_says_how_strange_it_is(tmp_path: Path) -> None:
    result = judged(tmp_path, -2.0)
    assert result.assessment is not None and result.assessment.in_distribution
    assert result.to_dict()["quality"]["checks"]["familiar"] == {"passed": True, "value": -2.0, "limit": 1.0}


def test_a_bundle_without_classifiers_has_no_such_check(analyzer: Analyzer) -> None:
    assert "familiar" not in analyzer.analyze(encode(draw())).to_dict()["quality"]["checks"]


def test_an_embedding_is_had_of_any_picture(analyzer: Analyzer) -> None:
    """Even of one that is refused as too poor, by the same way as an answer's."""
    picture = encode(draw())
    result = analyzer.analyze(picture)
    assert result.assessment is not None
    assert np.allclose(analyzer.embedding(picture), result.assessment.embedding)
    flat = encode(np.full((300, 300, 3), 128, np.uint8))
    assert not analyzer.analyze(flat).quality.usable and analyzer.embedding(flat).shape == (3,)
