from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest
from macule_testing import draw, encode

from macule.analysis.network import Network
from macule.analysis.patient import Patient
from macule.data.record import Record
from macule.evaluation import explanations, heatmaps, predictions
from macule.evaluation.exam import Exam
from macule.exchange.sections import explanations as shown
from macule.taxonomy import Diagnosis

MEL, NV = (list(Diagnosis).index(code) for code in (Diagnosis.MEL, Diagnosis.NV))
COUNT = 5


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Pictures with one dark spot in the middle, and its outline."""
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for n in range(COUNT):
        rgb = draw(seed=n)
        (folder / f"{n}.png").write_bytes(encode(rgb))
        mask = np.zeros(rgb.shape[:2], np.uint8)
        cv2.ellipse(mask, (200, 150), (80, 75), 20, 0, 360, 255, -1)
        (folder / f"{n}_mask.png").write_bytes(encode(mask))
        label = frozenset({Diagnosis.NV if n else Diagnosis.MEL})
        found.append(Record(folder / f"{n}.png", "drawn", str(n), label, f"drawn:{n // 2}", Patient(),
                            mask=folder / f"{n}_mask.png"))
    return found


def _exam(analyzer, records):
    found = predictions.predict(analyzer, records, workers=1)
    return Exam.of(analyzer.bundle, found, dataset="drawn", part="all", classes=(MEL, NV), resamples=100)


@pytest.fixture(scope="module")
def exam(analyzer, records):
    return _exam(analyzer, records)


@pytest.fixture(scope="module")
def measured(analyzer, exam):
    return explanations.measure(analyzer, exam, sample=COUNT, workers=1)


def _spot(size, y, x, side):
    heat = np.zeros((size, size), np.float32)
    heat[y:y + side, x:x + side] = 1
    return heat


def test_deletion_begins_with_the_picture_and_ends_with_the_blurred_one(analyzer, records):
    case = heatmaps.case(analyzer.bundle, records[0])
    made = heatmaps.perturbed(case.tensor, _spot(32, 8, 8, 8))
    deletion, insertion = made[:heatmaps.STEPS + 1], made[heatmaps.STEPS + 1:]
    blurred = heatmaps.fill(case.tensor)
    for first, expected in ((deletion[0], case.tensor), (deletion[-1], blurred), (insertion[0], blurred),
                            (insertion[-1], case.tensor)):
        np.testing.assert_array_equal(first, expected)
    changed = (deletion != case.tensor).any(axis=1).mean(axis=(1, 2))
    np.testing.assert_allclose(changed, np.linspace(0, 1, heatmaps.STEPS + 1), atol=1 / 32)


def test_the_hottest_places_go_first(analyzer, records):
    case = heatmaps.case(analyzer.bundle, records[0])
    heat = _spot(32, 4, 20, 7)  # 49 of 1,024 places: about one step
    step = heatmaps.perturbed(case.tensor, heat)[1]
    gone = (step != case.tensor).any(axis=0)
    assert gone[heat > 0].mean() > 0.95
    assert gone[heat == 0].mean() < 0.01


def test_equal_heat_is_taken_in_random_order_not_from_the_top(analyzer, records):
    case = heatmaps.case(analyzer.bundle, records[0])
    half = heatmaps.perturbed(case.tensor, np.zeros((32, 32), np.float32))[heatmaps.STEPS // 2]
    gone = (half != case.tensor).any(axis=0)
    assert 0.35 < gone[:16].mean() < 0.65


def test_blurring_what_speaks_for_a_class_costs_it_more_than_blurring_elsewhere(analyzer, records):
    # In this bundle the middle cells, which the spot darkens, speak for melanoma; the corners for naevus.
    bundle = analyzer.bundle
    network = Network(bundle.model, size=bundle.preprocessing.size)
    case = heatmaps.case(bundle, records[0])

    def area(heat):
        found = heatmaps.curves(lambda images, patients: network.run(images, patients).logits, case, heat,
                                how=bundle.calibration)
        return heatmaps.area(found[0, :, MEL])

    assert area(_spot(32, 10, 10, 12)) < area(_spot(32, 0, 0, 12))


def test_share_of_heat_and_pointing():
    mask = _spot(10, 0, 0, 5) > 0
    heat = np.zeros((10, 10), np.float32)
    heat[0, 0], heat[9, 9] = 1, 3
    assert heatmaps.inside(heat, mask) == (0.25, False)
    assert heatmaps.inside(heat[::-1, ::-1], mask) == (0.75, True)
    assert heatmaps.inside(np.zeros((10, 10), np.float32), mask) is None


def test_rank_correlation_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, (2, 7, 7)).astype(np.float32)  # many ties
    assert heatmaps.rank_correlation(one, other) == pytest.approx(stats.spearmanr(one.ravel(), other.ravel())[0])
    assert heatmaps.rank_correlation(one, np.exp(one)) == pytest.approx(1)
    assert np.isnan(heatmaps.rank_correlation(one, np.ones((7, 7), np.float32)))


def test_similarity_agrees_with_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(1)
    one = cv2.GaussianBlur(rng.random((40, 40), np.float32), (0, 0), 3)
    other = np.clip(one + rng.normal(0, 0.05, one.shape), 0, 1).astype(np.float32)
    expected = metrics.structural_similarity(one.astype(float), other.astype(float), data_range=1.0,
                                             gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    assert heatmaps.similarity(one, other) == pytest.approx(expected, abs=1e-6)
    assert heatmaps.similarity(one, one) == pytest.approx(1)


def test_figures_of_an_exam(measured):
    assert measured["measured"]
    assert (measured["pictures"], measured["lesions"], measured["failed"]) == (COUNT, 3, 0)
    mask = measured["mask"]
    assert mask["n"] == COUNT
    assert mask["area"]["value"] == pytest.approx(np.pi * 80 * 75 / 120_000, abs=0.02)
    assert mask["centre"]["pointing"]["value"] == 1
    assert mask["right"]["n"] + mask["wrong"]["n"] == COUNT
    explained = measured["curves"]["explained"]
    assert explained["n"] == COUNT
    for kind in explanations.KINDS:
        for name in explanations.MAPS:
            row = explained[kind][name]
            assert len(row["mean"]) == heatmaps.STEPS + 1
            assert all(low <= mid <= high for low, mid, high in zip(row["low"], row["mean"], row["high"], strict=True))
    ends = {(name, explained["deletion"][name]["mean"][-1]) for name in explanations.MAPS}
    assert len({value for _, value in ends}) == 1  # all blurred is all blurred
    lead = explained["deletion_area"]["gain_over_random"]["value"]
    assert lead == pytest.approx(explained["deletion_area"]["random"]["value"]
                                 - explained["deletion_area"]["heatmap"]["value"], abs=2e-4)


def test_malignant_curves_are_of_pictures_whose_map_explains_a_suspicious_class(measured, exam):
    suspicious = sum(list(Diagnosis)[row.argmax()].suspicious for row in exam.predictions.shares)
    assert measured["curves"]["malignant"]["n"] == suspicious


def test_the_same_seed_gives_the_same_figures_and_plain_json(analyzer, exam, measured):
    again = explanations.measure(analyzer, exam, sample=COUNT, workers=2)
    assert json.dumps(again) == json.dumps(measured)


def test_a_sample_takes_pictures_with_an_outline_first(analyzer, records):
    some = [dataclasses.replace(r, mask=None) if n % 2 == 0 else r for n, r in enumerate(records)]
    exam = _exam(analyzer, some)
    assert explanations.choose(exam, 2, seed=0) == [1, 3]


def test_without_outlines_the_place_is_not_measured(analyzer, records):
    exam = _exam(analyzer, [dataclasses.replace(r, mask=None) for r in records[:2]])
    found = explanations.measure(analyzer, exam, sample=2, workers=1)
    assert found["mask"] == {"n": 0}
    section = shown.section(found)
    assert any("no picture" in getattr(block, "text", "").lower() for block in section.blocks)


def test_a_damaged_outline_is_counted(analyzer, records, tmp_path):
    (tmp_path / "mask.png").write_bytes(b"no picture")
    exam = _exam(analyzer, [records[0], dataclasses.replace(records[1], mask=tmp_path / "mask.png")])
    found = explanations.measure(analyzer, exam, sample=2, workers=1)
    assert (found["pictures"], found["failed"]) == (1, 1)


def test_no_answered_picture_is_said(analyzer):
    found = explanations.measure(analyzer, _exam(analyzer, []), sample=3, workers=1)
    assert found["measured"] is False
    assert shown.section(found).measured is False


def test_the_section_of_few_pictures_claims_nothing(measured):
    section = shown.section(json.loads(json.dumps(measured)))
    assert section.measured
    assert "too few" in section.lead
    kinds = [type(block).__name__ for block in section.blocks]
    assert kinds.count("Plot") >= 2
    assert "Table" in kinds
    for block in section.blocks:
        if type(block).__name__ == "Table" and block.title == "Where the heat lies":
            assert len(block.muted) == len(block.rows)


def test_the_section_says_what_the_controls_reach(measured):
    many = json.loads(json.dumps(measured))
    many["curves"]["explained"]["n"] = many["mask"]["n"] = 60
    leads = many["curves"]["explained"]["deletion_area"]
    leads["gain_over_random"] = {"value": 0.1, "low": 0.05, "high": 0.15, "n": 60}
    leads["gain_over_centre"] = {"value": 0.0, "low": -0.1, "high": 0.1, "n": 60}
    lead = shown.section(many).lead
    assert "faster than with random parts" in lead
    assert "no faster than with parts taken from the middle" in lead
    assert "a spot in the middle reaches" in lead
