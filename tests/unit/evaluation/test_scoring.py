from __future__ import annotations

import json

import numpy as np
import pytest

from macule.analysis.patient import Patient
from macule.errors import BundleInvalid
from macule.evaluation import predictions as answers
from macule.evaluation import scoring
from macule.taxonomy import Diagnosis


@pytest.fixture
def predict(fake, make_record):
    def run(*stems, **options):
        records = [make_record(stem, group=f"ham10000:{stem.rsplit('-', 1)[0]}") for stem in stems]
        return answers.predict(fake, records, **options)

    return run


STEMS = ("nv-nv-1", "nv-nv-2", "nv-mel-1", "mel-mel-1", "bcc-nv-1", "nv-refused-1", "mel-refused-1", "nv-broken-1")


def test_refused_and_unreadable_pictures_are_counted_and_not_scored(predict):
    predictions = predict(*STEMS)
    assert (len(predictions.refused), len(predictions.failed), len(predictions.records)) == (2, 1, 5)
    assert predictions.shares.shape == (5, 11)
    report = scoring.score(predictions, "ham10000", resamples=50)
    assert (report["pictures"], report["lesions"], report["refused"], report["failed"]) == (5, 4, 2, 1)


def test_answers_stand_in_the_order_of_the_taxonomy(predict):
    predictions = predict("mel-mel-1", "nv-bcc-1")
    codes = list(Diagnosis)
    assert [codes[k] for k in predictions.shares.argmax(axis=1)] == [Diagnosis.MEL, Diagnosis.BCC]
    assert [codes[k] for k in predictions.targets] == [Diagnosis.MEL, Diagnosis.NV]
    assert predictions.shares.sum(axis=1) == pytest.approx([1, 1])


@pytest.mark.parametrize("workers", [1, 3, None])
def test_every_picture_is_asked_about_once_and_ticked(predict, fake, workers):
    ticks = []
    predictions = predict(*STEMS, workers=workers, tick=lambda: ticks.append(1))
    assert sorted(stem for stem, _ in fake.asked) == sorted(STEMS)
    assert len(ticks) == len(STEMS)
    assert [r.picture_id for r in predictions.records] == [s for s in STEMS if "refused" not in s and "broken" not in s]


def test_the_patient_can_be_hidden(predict, fake):
    predict("nv-nv-1")
    predict("nv-nv-2", with_patient=False)
    (_, told), (_, hidden) = fake.asked
    assert told.age == 0 and hidden in (None, Patient())


def test_the_figures(predict):
    report = scoring.score(predict(*STEMS), "ham10000", resamples=200)
    assert report["accuracy"]["value"] == pytest.approx(3 / 5)
    assert report["balanced_accuracy"]["value"] == pytest.approx((2 / 3 + 1 + 0) / 3, abs=1e-4)
    assert report["malignant_auc"]["positives"] == 2
    assert report["classes"]["nv"]["sensitivity"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert report["classes"]["nv"]["specificity"]["value"] == pytest.approx(1 / 2)
    assert report["classes"]["mel"]["auc"]["positives"] == 1
    assert report["risk"] == {
        "low": {"suspicious": 1, "benign": 2}, "medium": {"suspicious": 0, "benign": 0},
        "high": {"suspicious": 1, "benign": 1},
    }


def test_a_class_that_is_not_there_is_undefined_and_not_perfect(predict):
    report = scoring.score(predict(*STEMS), "ham10000", resamples=50)
    absent = report["classes"]["vasc"]
    assert absent["auc"]["positives"] == absent["sensitivity"]["positives"] == 0
    assert absent["auc"]["value"] is absent["sensitivity"]["value"] is None


def test_nothing_could_be_judged(predict):
    report = scoring.score(predict("nv-refused-1", "mel-broken-1"), "ham10000", resamples=50)
    assert (report["pictures"], report["lesions"], report["refused"], report["failed"]) == (0, 0, 1, 1)
    assert report["accuracy"] == {"value": None, "low": None, "high": None, "n": 0}
    assert report["macro_auc"]["value"] is None
    json.dumps(report, allow_nan=False)


def test_every_figure_has_its_n_and_an_interval_around_it(predict):
    stems = [f"{truth}-{answer}-{n}-0" for n in range(8) for truth, answer in
             [("nv", "nv"), ("mel", "mel"), ("bcc", "bcc"), ("nv", "mel"), ("mel", "nv")]]
    report = scoring.score(predict(*stems), "isic2018", resamples=100)
    figures = [v for v in report.values() if isinstance(v, dict) and "value" in v]
    figures += [figure for row in report["classes"].values() for figure in row.values()]
    assert len(figures) == 8 + 7 * 4
    for figure in figures:
        assert figure["n"] == 40
        if figure["low"] is not None:
            assert figure["low"] <= figure["value"] <= figure["high"]
    # Eight of eight lesions: no resample differs, and yet it is not certain (Wilson).
    found = report["classes"]["bcc"]["sensitivity"]
    assert (found["value"], found["high"]) == (1.0, 1.0) and found["low"] == pytest.approx(0.6756, abs=1e-4)


def test_one_lesion_has_no_interval(predict):
    report = scoring.score(predict("nv-nv-1", "nv-nv-2"), "isic2018", resamples=100)
    assert report["accuracy"] == {"value": 1.0, "low": None, "high": None, "n": 2}
    assert report["brier"]["value"] > 0 and report["brier"]["low"] is None


def test_probabilities_are_scored_over_the_classes_that_the_set_labels(predict):
    """A squamous carcinoma is no answer in ISIC 2017: what is left decides."""
    predictions = predict("nv-sccka-1", "bkl-bkl-1", "mel-mel-1")
    predictions.shares[0, list(Diagnosis).index(Diagnosis.NV)] += 0.01
    assert set(scoring.score(predictions, "isic2017", resamples=10)["classes"]) == {"bkl", "mel", "nv"}
    assert scoring.score(predictions, "isic2017", resamples=10)["accuracy"]["value"] == 1.0
    assert scoring.score(predictions, "milk10k", resamples=10)["accuracy"]["value"] == pytest.approx(2 / 3, abs=1e-4)


def test_what_is_left_sums_to_one_again(predict):
    """0.8 and ten times 0.02: over three classes 0.8, 0.02 and 0.02 of 0.84."""
    report = scoring.score(predict("nv-nv-1", "nv-nv-2"), "isic2017", resamples=10)
    wrong = 0.02 / 0.84
    assert report["brier"]["value"] == pytest.approx((2 * wrong) ** 2 + 2 * wrong**2, abs=1e-4)
    assert report["calibration_error"]["value"] == pytest.approx(2 * wrong, abs=1e-4)


def test_the_classes_are_those_of_the_data_set(predict):
    predictions = predict("nv-nv-1", "mel-mel-1")
    assert len(scoring.score(predictions, "ham10000", resamples=10)["classes"]) == 7
    assert set(scoring.score(predictions, "milk10k", resamples=10)["classes"]) == {code.value for code in Diagnosis}


def test_a_broken_bundle_ends_the_exam(make_record):
    class Broken:
        def analyze(self, source, **_):
            raise BundleInvalid(f"no answer to {source}: get the bundle again.")

    with pytest.raises(BundleInvalid):
        answers.predict(Broken(), [make_record("nv-nv-1")])


def test_the_same_seed_gives_the_same_report(predict):
    predictions = predict(*STEMS)
    one, other = (scoring.score(predictions, "ham10000", resamples=60, seed=4) for _ in range(2))
    assert one == other
    assert np.isfinite(one["accuracy"]["low"])


def test_two_classes_by_hand(predict):
    """Stems name the truth and the answer: two of three malignant are found, one of two benign is called."""
    found = predict("mel-mel-1", "bcc-mel-1", "mel-nv-1", "nv-nv-1", "nv-mel-2")
    positive = np.array([True, True, True, False, False])
    report = scoring.score_malignant(found, positive, resamples=50)
    values = {name: report[name]["value"] for name in ("sensitivity", "specificity", "precision", "f1", "accuracy")}
    assert values == pytest.approx({"sensitivity": 2 / 3, "specificity": 1 / 2, "precision": 2 / 3, "f1": 2 / 3,
                                    "accuracy": 3 / 5}, abs=1e-4)
    assert report["balanced_accuracy"]["value"] == pytest.approx(7 / 12, abs=1e-4)
    assert report["pictures"] == 5 and report["sensitivity"]["positives"] == 3


def test_two_classes_without_a_positive_are_undefined(predict):
    report = scoring.score_malignant(predict("nv-nv-1"), np.array([False]), resamples=50)
    assert report["sensitivity"]["value"] is None and report["malignant_auc"]["value"] is None
