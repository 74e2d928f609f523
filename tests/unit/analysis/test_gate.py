from __future__ import annotations

import numpy as np
import pytest

from macule.analysis.gate import Gate

DIM, KEPT = 12, 4


@pytest.fixture(scope="module")
def gate_and_samples() -> tuple[Gate, np.ndarray]:
    """A gate fitted as training fits it, to a cloud whose directions differ in spread."""
    rng = np.random.default_rng(0)
    samples = rng.normal(3, np.geomspace(4, 0.1, DIM), (4000, DIM)).astype(np.float32)
    centred = samples - samples.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(centred.T))
    basis = vectors[:, ::-1][:, :KEPT]
    residual = (centred**2).sum(axis=1) - ((centred @ basis) ** 2).sum(axis=1)
    whitening = basis / np.sqrt(values[::-1][:KEPT])
    return Gate(samples.mean(axis=0).astype(float), whitening, basis, float(residual.mean()), 10.0), samples


def test_training_pictures_score_about_two(gate_and_samples: tuple[Gate, np.ndarray]) -> None:
    gate, samples = gate_and_samples
    scores = [gate.score(sample) for sample in samples]
    assert np.mean(scores) == pytest.approx(2, abs=0.05)
    assert np.mean([gate.admits(sample) for sample in samples]) > 0.99


@pytest.mark.parametrize("direction", [0, DIM - 1])
def test_what_lies_far_out_is_not_admitted(gate_and_samples: tuple[Gate, np.ndarray], direction: int) -> None:
    gate, _ = gate_and_samples
    far = np.full(DIM, 3, np.float32)
    far[direction] += 30
    assert not gate.admits(far)


def test_nan_is_not_admitted(gate_and_samples: tuple[Gate, np.ndarray]) -> None:
    assert not gate_and_samples[0].admits(np.full(DIM, np.nan, np.float32))
