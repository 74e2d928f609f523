"""`macule train` from miniature data sets to a bundle that answers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.analysis import bundle as bundles
from macule.analysis.patient import Patient
from macule.analysis.pipeline import Analyzer
from macule.data import membership
from macule.errors import DatasetError, UsageError
from macule.evaluation import service
from macule.examples import draw, preset
from macule.taxonomy import Diagnosis
from macule.training import build, cache, fit, prepare

# The first test waits for the whole build.
pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def bundle(built):
    return bundles.load(built.out)


@pytest.fixture(scope="module")
def parts(built):
    return built.parts


def picture(seed=7):
    import cv2

    rgb = draw(preset("irregular-pigmented"), size=(480, 360), seed=seed)
    return cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()


def test_the_bundle_loads(bundle, built):
    assert bundle.id == "mini" and bundle.preprocessing.size == 64 and bundle.preprocessing.views == 2
    assert 0.2 <= bundle.temperature <= 5
    assert bundle.thresholds.medium.probability <= bundle.thresholds.high.probability
    assert {path.name for path in built.out.iterdir()} == {
        "model.onnx", "bundle.json", "gate.npz", membership.FILE,
    }, "and the card of the network that stood here before is gone"


def test_the_bundle_answers(bundle):
    result = Analyzer(bundle).analyze(picture(), patient=Patient(age=50))
    assert result.quality.usable
    answer = result.assessment
    assert sum(ranked.probability for ranked in answer.diagnoses) == pytest.approx(1)
    assert {ranked.code for ranked in answer.diagnoses} == set(Diagnosis)
    assert answer.embedding.shape == (1280,) and 0 <= answer.heatmap.min() <= answer.heatmap.max() <= 1
    assert answer.risk in ("low", "medium", "high")


def test_the_same_picture_gets_the_same_answer(bundle):
    one, other = (Analyzer(bundle).analyze(picture()).to_dict() for _ in range(2))
    assert one == other


def test_provenance(built, parts):
    made = json.loads((built.out / "bundle.json").read_text())["provenance"]
    assert made["recipe"]["seed"] == 5 and made["recipe"]["stages"] == [{"samples": 8, "size": 64}]
    assert made["pictures"] == {name: len(getattr(parts, name)) for name in ("train", "calibration", "test")}
    assert made["left_out_for_exams"] == len(parts.left_out) == 1
    assert 0 <= made["torch_onnx_difference"] < 2e-3


def test_a_lesion_that_stands_in_an_exam_is_not_trained_on(built, parts):
    """It was planted in HAM10000 and in ISIC 2018 under two ids, cropped."""
    assert [record.group for record in parts.left_out] == ["ham10000:HAM_0000"]
    assert "ham10000:HAM_0000" not in membership.read(built.out / membership.FILE)


def test_one_photograph_under_two_ids_is_in_one_part(built):
    known = membership.read(built.out / membership.FILE)
    assert known["ham10000:HAM_0025"] == known["milk10k:IL_1"]


def test_nothing_else_was_taken_for_a_duplicate(built):
    (kept,) = built.work.glob("links-*.json")
    links = json.loads(kept.read_text())
    assert {frozenset(pair) for pair in links} == {
        frozenset({"ham10000:HAM_0000", "isic2018:ISIC_20"}), frozenset({"ham10000:HAM_0025", "milk10k:IL_1"}),
    }


def test_no_lesion_is_in_two_parts_and_none_is_lost(built, parts):
    assert not prepare.overlap(parts.train, parts.test)
    assert not prepare.overlap(parts.train, parts.calibration)
    assert not prepare.overlap(parts.calibration, parts.test)
    assert sum(prepare.lesions(part) for part in (parts.train, parts.calibration, parts.test)) == 56 - 1 + 12
    assert {part: prepare.lesions(getattr(parts, part)) for part in ("train", "calibration", "test")} == {
        part: sum(value == part for value in membership.read(built.out / membership.FILE).values())
        for part in ("train", "calibration", "test")
    }
    assert {name: len(records) for name, records in parts.exams.items()} == {"isic2018": 4, "isic2017": 4}


def test_the_log_says_what_was_trained_on(built, parts):
    assert f"train        {len(parts.train):6} pictures" in built.log[0]
    assert any(line.startswith("step 2/2") for line in built.log)
    assert "torch and ONNX logits differ by at most" in built.log[-1]


def test_the_gate_was_fitted_on_what_serving_computes(bundle, parts):
    """Pictures that it was fitted on score about 2, and the calibration part is let through."""
    _, seen = build.infer(bundle.model, bundle.preprocessing, parts.train)
    assert np.mean([bundle.gate.score(row) for row in seen]) == pytest.approx(2, rel=0.05)
    _, calibration = build.infer(bundle.model, bundle.preprocessing, parts.calibration)
    assert np.mean([bundle.gate.admits(row) for row in calibration]) >= 0.9


def test_calibration_is_computed_as_serving_computes(bundle, parts):
    """The offline logits, calibrated, are the probabilities that an analyzer answers with."""
    from macule.analysis import image

    record = parts.calibration[0]
    logits, _ = build.infer(bundle.model, bundle.preprocessing, [record])
    offline = fit.softmax(logits / bundle.temperature)[0]
    picture = image.decode(record.picture)
    served = Analyzer(bundle)._judge(picture, record.patient)  # the picture is too small to pass the quality checks
    by_code = {ranked.code: ranked.probability for ranked in served.diagnoses}
    assert offline == pytest.approx([by_code[code] for code in Diagnosis], abs=1e-5)


def test_its_own_locked_part_can_be_scored_without_a_leak(bundle, built):
    report = service.evaluate(bundle=bundle, dataset="milk10k", root=built.root / "MILK10k", part="test", resamples=10)
    assert report["leaky"] is False
    # The miniature pictures are too small to be judged, and none is scored in silence.
    assert report["pictures"] == 0 and report["refused"] > 0 and report["accuracy"]["value"] is None


def test_class_offsets_are_folded_into_the_head(built, parts):
    """Of two recipes that differ in nothing else, the adjusted network speaks up for the rarer classes."""
    targets = np.array([list(Diagnosis).index(record.diagnosis) for record in parts.train])
    shift = fit.offsets(targets, sampling_exponent=0.5, adjustment=0.25)
    counts = np.bincount(targets, minlength=11)
    present = counts > 0
    assert (shift[~present] == 0).all() and shift[present].mean() == pytest.approx(0)
    assert np.argmin(shift) == np.argmax(counts)


@pytest.mark.parametrize(("change", "message"), [({"views": 3}, "views is 3"), ({"serve_size": 8}, "size is 8")])
def test_an_impossible_setting_is_refused_before_anything_is_read(built, tmp_path, change, message):
    with pytest.raises(UsageError, match=f"recipe mini: preprocessing: {message}"):
        build.build(replace(built.recipe, **change), tmp_path / "nowhere", tmp_path / "out", tmp_path / "work")


def test_a_missing_data_set_is_named(built, tmp_path):
    with pytest.raises(DatasetError, match="HAM10000 is not a folder"):
        build.build(built.recipe, tmp_path, tmp_path / "out", tmp_path / "work")
    assert not (tmp_path / "out").exists()


# The cache


def test_the_cache_holds_every_picture_in_order(parts, tmp_path):
    from macule.analysis import image

    cached = cache.build(parts.test[:3], tmp_path, side=40)
    assert cached.shape == (3, 40, 40, 3) and cached.dtype == np.uint8
    for record, rgb in zip(parts.test, cached, strict=False):
        whole = image.decode(record.picture).rgb
        assert np.abs(rgb.mean((0, 1)) - whole.mean((0, 1))).max() < 3


def test_the_cache_is_used_again_and_never_half_filled(parts, tmp_path):
    records = parts.test[:2]
    cache.build(records, tmp_path, side=40)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    cache.build(records, tmp_path, side=40)
    cache.build(records[::-1], tmp_path, side=40)
    assert file.stat().st_mtime_ns == before
    assert len(list(tmp_path.iterdir())) == 2
    broken = replace(records[0], picture=tmp_path / "gone.jpg")
    with pytest.raises(Exception, match=r"gone\.jpg"):
        cache.build([broken], tmp_path, side=40)
    assert len(list(tmp_path.glob("pictures-*.npy"))) - len(list(tmp_path.glob("*.partial.npy"))) == 2
