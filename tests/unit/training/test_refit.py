"""A tiny bundle over a drawn HAM10000, made new in all that is fitted after training."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

pytest.importorskip("sklearn", reason="needs the training extra")

import miniature
from macule_testing import draw, write_bundle

from macule.analysis import bundle as bundles
from macule.cli.app import run as command
from macule.data import membership, sources
from macule.errors import DatasetError, TooFewPictures, UsageError
from macule.evaluation import baseline_file, neighbours
from macule.training import fit, prepare, presence, recalibrate, refit

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LABELS = ("nv", "mel", "bkl", "nv")
TRAIN, CALIBRATION = range(32), range(32, 56)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    rows = [miniature.ham_row(f"{n:04}", f"{n:05}", LABELS[n % 4], age=30 + n) for n in range(60)]
    seeds = iter(range(60))

    def paint(path):
        seed = next(seeds)
        miniature.save(path, draw(width=320, height=240, spot=(40 + 2 * seed, 50, 40 + seed), seed=seed))

    miniature.ham10000(root / "HAM10000", rows, paint=paint)
    return root


def make(folder, data, *, leaky=False):
    """A bundle whose split says what it was made of: all but the last four pictures, which are its test part."""
    path = write_bundle(folder)
    records = sources.load("ham10000", data / "HAM10000")
    parts = {"train": [records[n] for n in TRAIN], "calibration": [records[n] for n in CALIBRATION],
             "test": records[56:]}
    membership.write(path / membership.FILE, parts, sha256={}, leaky=leaky)
    if leaky:
        content = json.loads((path / "bundle.json").read_text())
        (path / "bundle.json").write_text(json.dumps(content | {"provenance": {"leaky": True}}))
    return path


@pytest.fixture
def _small(monkeypatch):
    monkeypatch.setattr(fit, "GATE_DIRECTIONS", 2)
    monkeypatch.setattr(presence, "LEAST_PICTURES", 20)
    monkeypatch.setattr(presence, "PER_KIND", 2)
    monkeypatch.setattr(presence, "CORNERS", 8)


def run(path, data, out=None, **how):
    log = []
    how = refit.Refit(log=log.append, threads=1, **how)
    refit.refit(bundles.load(path), data, out or path, now=NOW, how=how)
    return json.loads(((out or path) / "bundle.json").read_text()), log


def test_all_that_is_fitted_after_training_is_there(data, tmp_path, _small):
    path = make(tmp_path / "one", data)
    before = json.loads((path / "bundle.json").read_text())
    content, log = run(path, data)
    assert log == []
    for key in ("calibration", "thresholds", "model", "preprocessing", "metrics", "id", "created"):
        assert content[key] == before[key]
    bundle = bundles.load(path)
    assert bundle.gate.presence is not None and bundle.conformal is not None
    assert content["gate"]["presence"]["n"] == content["conformal"]["n"] == len(CALIBRATION)
    assert content["conformal"]["classes"]["nv"]["n"] == 12 and content["conformal"]["classes"]["vasc"]["n"] == 0
    assert baseline_file.load(path / baseline_file.FILE).pictures == len(TRAIN)
    told = content["provenance"]["refit"]
    assert told["pictures"] == {"train": len(TRAIN), "calibration": len(CALIBRATION)} and told["left_out"] == {}
    assert told["fitted"] == ["baselines", "conformal", "gate", "index"]


def test_the_index_finds_a_training_picture_again(data, tmp_path, _small):
    path = make(tmp_path / "one", data)
    run(path, data)
    index = neighbours.load(path / neighbours.FILE)
    records = sources.load("ham10000", data / "HAM10000")
    assert sorted(index.names) == sorted(f"ham10000:{records[n].picture_id}" for n in TRAIN)
    analyzer = refit.Analyzer(bundles.load(path))
    asked = analyzer.embedding(records[3].read())[None]
    assert neighbours.neighbours(asked, index, k=1)[0][0].name == f"ham10000:{records[3].picture_id}"


def test_it_gives_the_same_again_whatever_gate_was_there(data, tmp_path, _small):
    """A gate fitted only to what its forerunner let through would narrow each time."""
    path = make(tmp_path / "one", data)
    first, _ = run(path, data)
    gate = (path / "gate.npz").read_bytes()
    second, _ = run(path, data)
    assert (path / "gate.npz").read_bytes() == gate
    assert {key: second[key] for key in ("gate", "conformal")} == {key: first[key] for key in ("gate", "conformal")}


def test_another_folder_leaves_the_bundle_as_it_was(data, tmp_path, _small):
    path = make(tmp_path / "one", data)
    before = bundles.load(path).sha256
    content, _ = run(path, data, tmp_path / "two")
    assert bundles.load(path).sha256 == before
    assert content["provenance"]["refit"]["of"] == before
    assert bundles.load(tmp_path / "two").conformal is not None


def test_what_there_is_too_little_for_is_left_out_and_said(data, tmp_path):
    path = make(tmp_path / "one", data)
    before = (path / "gate.npz").read_bytes()
    content, log = run(path, data, most=10)
    assert (path / "gate.npz").read_bytes() == before and "presence" not in content["gate"]
    assert set(content["provenance"]["refit"]["left_out"]) == {"gate", "baselines"}
    assert any("gate left out: 10 training pictures" in line for line in log)
    assert not (path / baseline_file.FILE).exists()


def test_limits_of_a_leaking_split_say_so(data, tmp_path, _small):
    content, _ = run(make(tmp_path / "one", data, leaky=True), data)
    assert content["conformal"]["fitted_on"] == "LEAKY calibration part"


def test_a_bundle_that_does_not_say_what_it_was_made_of(data, tmp_path):
    with pytest.raises(DatasetError, match=r"split\.csv\.gz"):
        run(write_bundle(tmp_path / "bare"), data)


def test_a_data_set_that_is_not_there(data, tmp_path):
    with pytest.raises(DatasetError, match="HAM10000"):
        run(make(tmp_path / "one", data), tmp_path / "nowhere")


def test_an_interrupted_refit_leaves_the_bundle_as_it_was(data, tmp_path, _small, monkeypatch):
    path = make(tmp_path / "one", data)
    before = {each.name: each.read_bytes() for each in path.iterdir()}
    monkeypatch.setattr(refit.np, "savez_compressed", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(path, data)
    assert {each.name: each.read_bytes() for each in path.iterdir()} == before
    assert [each.name for each in tmp_path.iterdir()] == ["one"]


def test_what_was_measured_before_does_not_stay(data, tmp_path, _small):
    path = make(tmp_path / "one", data)
    content = json.loads((path / "bundle.json").read_text())
    (path / "bundle.json").write_text(json.dumps(content | {"metrics": {"exams": [{"title": "before"}]}}))
    (path / "card.md").write_text("of the gate that stood here before")
    assert run(path, data)[0]["metrics"] == {}
    assert not (path / "card.md").exists()


def test_a_folder_with_other_files_is_not_taken(data, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    (tmp_path / "notes.txt").write_text("years")
    path = make(tmp_path / "one", data)
    for taken in ("mine", "notes.txt"):
        with pytest.raises(UsageError, match=taken):
            run(path, tmp_path / "nowhere", tmp_path / taken)  # told before anything is read
    assert (tmp_path / "mine" / "thesis.txt").read_text() == (tmp_path / "notes.txt").read_text() == "years"


# Calibration alone


@pytest.fixture
def _few(_small, monkeypatch):
    monkeypatch.setattr(fit, "MIN_POSITIVES", 2)


def again(path, data, out=None):
    how = refit.Refit(log=lambda _: None, threads=1)
    recalibrate.recalibrate(bundles.load(path), data, out or path, now=NOW, how=how)
    return json.loads(((out or path) / "bundle.json").read_text())


def test_a_bundle_is_calibrated_anew_and_all_else_stays(data, tmp_path, _few):
    path = make(tmp_path / "one", data)
    run(path, data)
    (path / "card.md").write_text("measured before")
    before = json.loads((path / "bundle.json").read_text())
    content = again(path, data)
    how = bundles.load(path).calibration
    assert how.malignant is not None and content["calibration"]["n"] == len(CALIBRATION)
    assert content["thresholds"]["medium"] != before["thresholds"]["medium"]
    assert content["conformal"]["classes"]["nv"]["probability"] != before["conformal"]["classes"]["nv"]["probability"]
    assert content["metrics"] == {} and not (path / "card.md").exists()
    for key in ("gate", "model", "preprocessing", "id", "created"):
        assert content[key] == before[key]
    assert content["provenance"]["refit"] == before["provenance"]["refit"]
    told = content["provenance"]["recalibrated"]
    assert told["pictures"] == len(CALIBRATION) and told["fitted"] == ["calibration", "conformal", "thresholds"]
    assert content["thresholds"]["within"] == fit.WITHIN
    assert again(path, data)["calibration"]["malignant"]["scale"] == pytest.approx(how.malignant.scale, rel=1e-4)


def test_what_a_leaking_split_calibrates_is_marked(data, tmp_path, _few):
    content = again(make(tmp_path / "one", data, leaky=True), data)
    assert all(content[key]["fitted_on"].startswith("LEAKY") for key in ("calibration", "thresholds", "conformal"))


def test_it_goes_elsewhere_and_what_cannot_be_fitted_any_more_goes(data, tmp_path, _few, monkeypatch):
    path = make(tmp_path / "one", data)
    run(path, data)
    before = (path / "bundle.json").read_bytes()
    monkeypatch.setattr(refit, "conformal", _too_few)
    content = again(path, data, tmp_path / "elsewhere")
    assert (path / "bundle.json").read_bytes() == before
    assert "conformal" not in content and bundles.load(tmp_path / "elsewhere").conformal is None
    assert content["provenance"]["recalibrated"]["left_out"] == {"conformal": "too few"}


def _too_few(_):
    raise TooFewPictures("too few")


def test_a_bundle_that_was_rewritten_meanwhile_is_left_alone(data, tmp_path, _few, monkeypatch):
    path = make(tmp_path / "one", data)

    def slow(*given, original=recalibrate.fitted):
        run(path, data)  # another process
        return original(*given)

    monkeypatch.setattr(recalibrate, "fitted", slow)
    with pytest.raises(UsageError, match="was rewritten while its answers were looked at"):
        again(path, data)
    content = json.loads((path / "bundle.json").read_text())
    assert "presence" in content["gate"] and "recalibrated" not in content["provenance"]


def test_labels_that_name_no_class_do_not_count(data, tmp_path, _few, monkeypatch):
    path, clear = make(tmp_path / "one", data), prepare.clear
    monkeypatch.setattr(prepare, "clear", lambda record, targets: clear(record, targets) and record.diagnosis != "bkl")
    assert again(path, data)["calibration"]["n"] == len(CALIBRATION) - 6


def test_two_classes_are_calibrated_in_their_network(data, tmp_path, _few):
    path = make(tmp_path / "one", data)
    content = json.loads((path / "bundle.json").read_text())
    (path / "bundle.json").write_text(json.dumps(content | {"provenance": {"recipe": {"targets": "malignant"}}}))
    with pytest.raises(UsageError, match="two classes apart"):
        again(path, data)


def test_too_few_melanomas_leave_the_bundle_as_it_was(data, tmp_path, _small):
    path = make(tmp_path / "one", data)
    before = (path / "bundle.json").read_bytes()
    with pytest.raises(TooFewPictures, match="positives in the calibration part"):
        again(path, data)
    assert (path / "bundle.json").read_bytes() == before


def test_the_command(data, tmp_path, _few, capsys):
    path = make(tmp_path / "one", data)
    asked = ["refit", str(path), "--data", str(data), "--calibration", "--threads", "1"]
    assert command(asked) == 0 and bundles.load(path).calibration.malignant is not None
    assert command([*asked, "--most", "200"]) == 2
    assert "leave --most and --seed out" in capsys.readouterr().err
