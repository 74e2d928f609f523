"""Fitting the baselines: what the tables and weights say is what scikit-learn's models say."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the training extra")
pytestmark = pytest.mark.training

from made_exam import Answer, make, somebody  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from macule.analysis.patient import encode  # noqa: E402
from macule.errors import TooFewPictures  # noqa: E402
from macule.evaluation import baselines  # noqa: E402
from macule.evaluation.predictions import CODES  # noqa: E402
from macule.training import baselines as fitting  # noqa: E402

KINDS = ("nv", "mel", "bcc")


def exam_of(folder, count=240, seed=0, kinds=KINDS):
    """The embedding, the colours and the age all tell the class apart, by different amounts."""
    rng = np.random.default_rng(seed)
    truths = rng.integers(0, len(kinds), count)
    answers = [Answer(kinds[truth], kinds[truth], patient=somebody(place)) for place, truth in enumerate(truths)]
    centres = np.eye(3)[truths]
    return make(folder, answers, embeddings=3 * centres + rng.normal(size=(count, 3)),
                colours=np.c_[centres, np.zeros(count)] + rng.normal(size=(count, 4)) * [1, 1, 1, 0])


def test_the_table_is_the_model(tmp_path):
    train = exam_of(tmp_path / "bundle").predictions
    made = fitting.fit(train)
    patients = np.stack([encode(record.patient) for record in train.records])
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, l2_regularization=1.0, early_stopping=False,
                                           random_state=0).fit(patients, train.targets)
    said = made.answers(train)["metadata"]
    assert said[:, model.classes_] == pytest.approx(model.predict_proba(patients), abs=1e-3)  # float16


@pytest.mark.parametrize("kinds", [KINDS, KINDS[:2]])
def test_the_weights_are_the_model(tmp_path, kinds):
    """Also of two classes, for which scikit-learn keeps one row of weights."""
    train = exam_of(tmp_path / "bundle", kinds=kinds).predictions
    said = fitting.fit(train).answers(train)
    for name, features, strength in (("colours", train.colours, fitting.COLOUR_C),
                                     ("probe", train.embeddings, fitting.PROBE_C)):
        spread = features.std(axis=0)
        scaled = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
        model = LogisticRegression(C=strength, max_iter=200).fit(scaled, train.targets)
        assert said[name][:, model.classes_] == pytest.approx(model.predict_proba(scaled), abs=1e-4)
        assert said[name].sum(axis=1) == pytest.approx(1)
        assert (np.delete(said[name], model.classes_, axis=1) == 0).all()


def test_what_is_fitted_holds_on_other_pictures_through_the_file(tmp_path):
    fitting.fit(exam_of(tmp_path / "bundle").predictions).write(tmp_path / "bundle" / baselines.FILE)
    exam = exam_of(tmp_path / "bundle", seed=1)
    systems = baselines.measure(exam)["systems"]
    reached = {name: system["balanced_accuracy"]["value"] for name, system in systems.items()}
    assert reached["probe"] > 0.85 > reached["colours"] > 0.45  # as far as their noise lets them
    assert reached["metadata"] < 0.5  # the patients say nothing here
    assert reached["model"] == 1


def test_a_seed_draws_the_same_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "MOST_PICTURES", 50)
    train = exam_of(tmp_path / "bundle").predictions
    once, again, other = (fitting.fit(train, seed=seed) for seed in (3, 3, 4))
    assert once.pictures == 50
    assert (once.probe.weights == again.probe.weights).all() and (once.metadata == again.metadata).all()
    assert not (once.probe.weights == other.probe.weights).all()


def test_labels_that_lump_classes_are_passed_over(tmp_path):
    answers = [Answer("nv mel", "nv")] * 10 + [Answer("nv", "nv"), Answer("mel", "mel")] * 15
    train = make(tmp_path / "bundle", answers, embeddings=np.random.default_rng(0).normal(size=(40, 3))).predictions
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = fitting.fit(train)
    assert made.pictures == 30 and made.priors[CODES.index("nv")] == 0.5


@pytest.mark.parametrize(("answers", "said"), [([Answer("nv", "nv")] * 40, "of 1 classes"),
                                               ([Answer("nv", "nv"), Answer("mel", "mel")] * 5, "10 pictures")])
def test_too_little_to_fit_on(tmp_path, answers, said):
    with pytest.raises(TooFewPictures, match=said):
        fitting.fit(make(tmp_path / "bundle", answers).predictions)
