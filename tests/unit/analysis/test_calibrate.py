from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from macule.analysis import calibrate
from macule.analysis.bundle import Threshold, Thresholds
from macule.analysis.calibration import Calibration
from macule.analysis.result import Risk
from macule.taxonomy import Diagnosis

THRESHOLDS = Thresholds(Threshold(0.2, 0.95), Threshold(0.6, 0.8), {Diagnosis.MEL: Threshold(0.1, 0.95)})
LOGITS = arrays.arrays(np.float32, (4, 11), elements=st.floats(-80, 80, width=32))


@given(LOGITS, st.floats(0.05, 20))
def test_probabilities_are_probabilities(logits: np.ndarray, temperature: float) -> None:
    shares = calibrate.probabilities(logits, Calibration(temperature))
    assert shares.shape == (11,) and shares.min() >= 0
    assert shares.sum() == pytest.approx(1)
    assert 0 <= calibrate.malignant(shares) <= 1


@given(LOGITS)
def test_temperature_keeps_the_order_and_softens(logits: np.ndarray) -> None:
    sharp, soft = (calibrate.probabilities(logits, Calibration(by)) for by in (1.0, 5.0))
    assert soft.max() <= sharp.max() + 1e-12
    assert sharp[soft.argmax()] == pytest.approx(sharp.max())


def test_the_views_logits_are_averaged() -> None:
    logits = np.zeros((2, 11), np.float32)
    logits[0, 0], logits[1, 0] = 3.0, 1.0
    assert calibrate.probabilities(logits, Calibration(2.0))[0] == pytest.approx(np.e / (np.e + 10))


def test_malignant_counts_malignant_and_indeterminate_classes() -> None:
    shares = np.arange(11) / 55
    expected = sum(i / 55 for i, code in enumerate(Diagnosis) if code in ("akiec", "bcc", "mal_oth", "mel", "sccka"))
    assert calibrate.malignant(shares) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("probability", "known", "risk"),
    [
        (0.0, True, Risk.LOW),
        (0.1999, True, Risk.LOW),
        (0.2, True, Risk.MEDIUM),
        (0.5999, True, Risk.MEDIUM),
        (0.6, True, Risk.HIGH),
        (1.0, True, Risk.HIGH),
        (0.0, False, Risk.MEDIUM),
        (0.6, False, Risk.HIGH),
    ],
)
def test_risk_at_its_thresholds(probability: float, known: bool, risk: Risk) -> None:
    assert calibrate.risk(probability, THRESHOLDS, in_distribution=known) is risk


def test_cannot_exclude_is_at_or_above_the_class_threshold() -> None:
    shares = np.full(11, 0.09)
    assert calibrate.cannot_exclude(shares, THRESHOLDS) == ()
    shares[list(Diagnosis).index(Diagnosis.MEL)] = 0.1
    assert calibrate.cannot_exclude(shares, THRESHOLDS) == (Diagnosis.MEL,)


def test_ranking_is_stable() -> None:
    shares = np.full(11, 0.05)
    shares[7] = 0.5
    assert [ranked.code for ranked in calibrate.rank(shares)][:3] == [Diagnosis.MEL, Diagnosis.AKIEC, Diagnosis.BCC]
