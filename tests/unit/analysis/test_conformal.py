from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from macule_testing import CODES, draw, encode, write_bundle

from macule.analysis import bundle as bundles
from macule.analysis.conformal import Conformal, Limit, sets
from macule.analysis.pipeline import Analyzer
from macule.errors import BundleInvalid
from macule.taxonomy import Diagnosis


def entry(**changes: float) -> dict[str, Any]:
    """The `conformal` entry of bundle.json: every class from 0.3 up, but for `changes`."""
    classes = {code: {"probability": changes.get(code, 0.3), "n": 40, "lesions": 20, "guaranteed": True}
               for code in CODES}
    return {"coverage": 0.9, "score": "1 - probability", "fitted_on": "calibration part", "n": 440, "classes": classes}


def limits(**changes: float) -> Conformal:
    return Conformal(0.9, 440, {code: Limit(changes.get(code.value, 0.3), 40, 20, True) for code in Diagnosis})


def test_a_class_is_in_the_set_from_its_own_limit() -> None:
    shares = np.full((2, 11), 0.05)
    shares[0, [7, 8]] = 0.3, 0.25
    inside = sets(shares, limits(nv=0.2).thresholds)
    assert [CODES[k] for k in np.flatnonzero(inside[0])] == ["mel", "nv"]
    assert not inside[1].any()


def test_the_set_is_told_the_most_probable_first() -> None:
    shares = np.full(11, 0.05)
    shares[7], shares[8] = 0.2, 0.35
    assert limits(mel=0.1).plausible(shares) == (Diagnosis.NV, Diagnosis.MEL)
    assert limits().plausible(np.full(11, 1 / 11)) == ()


def test_the_answer_has_the_set_where_the_bundle_has_limits(tmp_path: Path) -> None:
    picture = encode(draw())
    with_limits = Analyzer(bundles.load(write_bundle(tmp_path / "one", conformal=entry(nv=0.01, mel=0.01))))
    result = with_limits.analyze(picture)
    assert result.assessment is not None and result.assessment.plausible
    assert result.to_dict()["plausible"] == [code.value for code in result.assessment.plausible]
    without = Analyzer(bundles.load(write_bundle(tmp_path / "two"))).analyze(picture)
    assert without.assessment is not None and without.assessment.plausible is None
    assert "plausible" not in without.to_dict()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"coverage": 1.5}, "coverage"),
        ({"n": None}, "conformal n"),
        ({"surprise": 1}, "surprise"),
        ({"classes": {}}, "missing"),
        ({"classes": entry()["classes"] | {"mel": {"probability": 0.1}}}, "conformal mel"),
        ({"classes": entry(mel=2.0)["classes"]}, "mel probability"),
    ],
)
def test_limits_that_make_no_sense_are_refused(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid, match=complaint):
        bundles.load(write_bundle(tmp_path / "bad", conformal=entry() | change))
