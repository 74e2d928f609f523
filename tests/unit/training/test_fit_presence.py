from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the training extra")

import miniature
from macule_testing import write_bundle

from macule.analysis import bundle as bundles
from macule.analysis.gate import Gate
from macule.analysis.pipeline import Analyzer
from macule.data import sources
from macule.errors import TooFewPictures
from macule.evaluation import not_lesions
from macule.training import presence


@pytest.fixture(scope="module")
def clouds():
    """Embeddings of lesions, and of two kinds of something else; 20 directions of different scale."""
    rng, scale = np.random.default_rng(0), np.geomspace(10, 0.01, 20)

    def cloud(n, shift):
        return (scale * (rng.normal(0, 1, (n, 20)) + np.eye(20)[3] * shift[0] + np.eye(20)[17] * shift[1])).astype("f4")

    return cloud(2000, (0, 0)), [cloud(200, (8, 0)), cloud(200, (0, 8))], cloud(4000, (0, 0)), cloud


def gate(found):
    return Gate(np.zeros(20), np.eye(20)[:, :1], np.eye(20)[:, :1], 1.0, np.inf, found)


def test_each_kind_is_refused_and_lesions_are_not(clouds):
    train, without, calibration, cloud = clouds
    found = gate(presence.fit(train, without, calibration))
    for shift in ((8, 0), (0, 8)):
        assert np.mean([found.refuses(row) for row in cloud(300, shift)]) > 0.98
    assert np.mean([found.refuses(row) for row in cloud(3000, (0, 0))]) < 0.006


def test_the_limits_are_quantiles_of_the_calibration_part(clouds):
    train, without, calibration, _ = clouds
    found = presence.fit(train, without[:1], calibration)
    strange = np.array([found.strangeness(row) for row in calibration])
    assert (strange > 0).mean() == pytest.approx(1 - presence.FLAG_QUANTILE, abs=1e-3)
    assert (strange > 1).mean() == pytest.approx(1 - presence.REFUSE_QUANTILE, abs=3e-4)


def test_what_no_plane_can_tell_is_told(clouds):
    """Lesions between two clouds of something else: a linear classifier alone would let most of one of them pass."""
    train, _, calibration, cloud = clouds
    around = np.vstack([cloud(200, (9, 0)), cloud(200, (-9, 0))])
    found = gate(presence.fit(train, [around], calibration))
    for shift in ((9, 0), (-9, 0)):
        assert np.mean([found.refuses(row) for row in cloud(200, shift)]) > 0.9
    assert np.mean([found.refuses(row) for row in cloud(1000, (0, 0))]) < 0.01


def test_the_same_seed_gives_the_same_classifiers(clouds):
    train, without, calibration, _ = clouds
    one, again = (presence.fit(train[:600], without[:1], calibration[:500], seed=2).hidden for _ in range(2))
    assert np.array_equal(one.weights, again.weights) and one.bias == again.bias


def test_too_few_training_pictures(clouds):
    with pytest.raises(TooFewPictures, match="499 training pictures"):
        presence.fit(clouds[0][:499], clouds[1], clouds[2])


def test_what_it_learns_from_comes_from_learnable_kinds_and_plain_corners(tmp_path):
    analyzer = Analyzer(bundles.load(write_bundle(tmp_path / "bundle")))
    rows = presence.drawn(analyzer, per_kind=1, seed=4)
    assert rows.shape == (len(not_lesions.LEARNABLE), 3)
    first = next(iter(not_lesions.LEARNABLE))
    assert rows[0] == pytest.approx(analyzer.embedding(not_lesions.encoded(not_lesions.generate(first, 1, 4)[0])))
    hide = analyzer.embedding(not_lesions.encoded(not_lesions.generate("hides", 1, 4)[0]))
    assert presence.like_skin(rows) == pytest.approx(hide[None])
    table = [miniature.ham_row(f"{n}", f"{n}", "nv") for n in range(50)]
    root = miniature.ham10000(tmp_path / "ham", table, paint=miniature.drawn(size=(240, 180)))
    found = presence.skin(analyzer, sources.load("ham10000", root), most=20)
    assert found.shape == (20, 3) and len(np.unique(found, axis=0)) == 20
    bare = miniature.ham10000(tmp_path / "bare", table[:2], paint=miniature.drawn(size=(240, 180)))
    with pytest.raises(TooFewPictures, match="corner of plain skin"):
        presence.skin(analyzer, sources.load("ham10000", bare), most=20)
