"""The record of a run: what is kept from start to end, and what is read back of it after power cuts. Needs no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import miniature_runs as drawn
import pytest
from miniature_runs import BEGAN, facts, look, training

from macule.errors import Diverged, InputNotFound
from macule.evaluation.runs import RunDamaged, find
from macule.training import record, surroundings

LATER = BEGAN + timedelta(minutes=50)


def table(folder):
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def put(folder, *rows, end="\n"):
    (folder / "curve.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + end, encoding="utf-8")


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    record.start(folder, facts(), now=BEGAN)
    return folder


def test_a_run_from_start_to_end(run):
    assert table(run)["status"] == "running" and table(run)["ended"] is None
    put(run, training(0), training(20, loss=0.5), look(20))
    drawn.write_metrics(run, drawn.report(0.8))
    record.finish(run, now=LATER)
    read = record.read(run)
    assert (read.status, read.started, read.ended, read.duration) == ("finished", BEGAN, LATER, timedelta(minutes=50))
    assert read.recipe == drawn.RECIPE and read.start.pretrained and read.seed == 20261121
    assert read.pictures["train"] == 7811 and read.versions["accelerate"] is None
    assert [row.loss for row in read.curve.steps] == [1.0, 0.5] and len(read.curve.looks) == 1
    assert read.figure("macro_auc") == {"value": 0.93, "low": 0.918, "high": 0.942, "n": 1202}
    assert sorted(path.name for path in run.iterdir()) == ["curve.jsonl", "metrics.json", "run.json"]


def test_every_fact_of_the_contract_is_written(run):
    assert set(table(run)) == {
        "format", "name", "status", "started", "resumed", "ended", "error", "recipe", "recipe_sha256", "manifest",
        "pictures", "lesions", "split", "leaky", "seed", "start", "versions", "machine", "warnings"}


def test_a_resumed_run_keeps_its_start_and_says_when_it_went_on(run):
    record.fail(run, KeyboardInterrupt(), now=LATER)
    assert table(run)["status"] == "stopped" and table(run)["error"] is None
    record.start(run, facts(warnings=["again"]), now=LATER + timedelta(days=1))
    read = record.read(run)
    assert (read.started, read.resumed) == (BEGAN, (LATER + timedelta(days=1),))
    assert (read.status, read.ended, read.warnings) == ("running", None, ("again",))


def test_a_failure_is_kept_in_words_without_this_machines_folders(run):
    record.fail(run, Diverged(f"the loss is nan; {run} keeps the last checkpoint."), now=LATER)
    read = record.read(run)
    assert read.status == "failed"
    assert read.error == {"code": "diverged", "message": "the loss is nan; run keeps the last checkpoint."}
    record.fail(run, ValueError(), now=LATER)
    assert record.read(run).error == {"code": "ValueError", "message": "ValueError"}


def test_a_failure_that_cannot_be_recorded_does_not_hide_the_error(run):
    (run / "run.json").write_text("{", encoding="utf-8")
    record.fail(run, ValueError("the real one"), now=LATER)  # does not raise another


def test_the_digest_does_not_depend_on_the_order_of_keys():
    one, other = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert record.digest(one) == record.digest(other) != record.digest(one | {"a": 2})


@pytest.mark.parametrize("tail", ['{"step": 40, "epo', "\0\0\0\0", '{"step": 40}', '{"step": 40}\n'])
def test_a_last_line_that_is_not_whole_is_left_out_and_cut_off_on_resume(run, tail):
    put(run, training(0), training(20), end="\n" + tail)
    assert [row.step for row in record.read(run).curve.steps] == [0, 20]
    record.start(run, facts(), now=LATER)
    record.append(run, training(20, loss=0.25))
    record.append(run, training(40))
    assert [(row.step, row.loss) for row in record.read(run).curve.steps] == [(0, 1.0), (20, 0.25), (40, 1.0)]


def test_a_whole_curve_is_not_cut(run):
    put(run, training(0), training(20))
    before = (run / "curve.jsonl").read_bytes()
    record.start(run, facts(), now=LATER)
    assert (run / "curve.jsonl").read_bytes() == before


def test_of_steps_that_were_repeated_the_last_counts(run):
    put(run, training(0), training(20, loss=9), look(20, skill=0.5), training(40, loss=9), look(40, skill=0.5),
        training(20, loss=1), look(20, skill=0.7))
    curve = record.read(run).curve
    assert [(row.step, row.loss) for row in curve.steps] == [(0, 1.0), (20, 1.0)]
    assert [row.step for row in curve.looks] == [20]
    assert curve.looks[0].auc == look(20, skill=0.7)["validation"]["auc"]


def test_a_look_and_a_training_row_of_one_step_both_count_in_either_order(run):
    put(run, look(20), training(20), training(40), look(40))
    curve = record.read(run).curve
    assert [row.step for row in curve.steps] == [row.step for row in curve.looks] == [20, 40]


def test_the_time_of_a_resumed_run_leaves_its_pauses_out(run):
    record.start(run, facts(), now=LATER + timedelta(days=3))
    put(run, training(0) | {"seconds": 1}, training(20) | {"seconds": 31}, training(40) | {"seconds": 10})
    assert record.read(run).duration == timedelta(seconds=41)


def test_the_best_look(run):
    rows = [look(20), look(40), look(60)]
    for row, auc in zip(rows, (0.7, 0.9, 0.9), strict=True):
        row["validation"] |= {"auc": auc, "accuracy": None, "loss": 1 - auc}
    put(run, *rows)
    curve = record.read(run).curve
    assert (curve.best("auc").step, curve.best("loss").step, curve.best("accuracy")) == (40, 40, None)


def test_damage_in_the_middle_of_a_curve_is_named(run):
    put(run, training(0), {"step": "x"}, training(20))
    with pytest.raises(RunDamaged, match=r"curve\.jsonl line 2 of 3 is damaged .*take the line out"):
        record.read(run)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "has format 2; this macule reads 1"),
        ({"status": "done"}, "status is 'done', not one of running, finished, failed, stopped"),
        ({"pictures": 7}, "pictures is 7, and no table"),
        ({"started": "yesterday"}, "is damaged"),
        ({"start": {"backbone": "lite1"}}, "lacks 'weights'"),
    ],
)
def test_a_damaged_record_is_named(run, change, said):
    (run / "run.json").write_text(json.dumps(table(run) | change), encoding="utf-8")
    with pytest.raises(RunDamaged, match=r"run\.json") as caught:
        record.read(run)
    assert said in str(caught.value) and caught.value.code == "run_damaged"


def test_half_a_record_and_a_missing_one(run, tmp_path):
    (run / "run.json").write_text('{"format": 1,', encoding="utf-8")
    with pytest.raises(RunDamaged, match="restore it, or delete the folder and train again"):
        record.read(run)
    with pytest.raises(InputNotFound, match=r"is no run: there is no run\.json"):
        record.read(tmp_path)


def test_metrics_may_be_one_report_several_or_none(run):
    drawn.write_metrics(run, drawn.report(0.8), drawn.report(0.7, dataset="milk10k"))
    assert [each["dataset"] for each in record.read(run).metrics] == ["ham10000", "milk10k"]
    (run / "metrics.json").write_text("{}", encoding="utf-8")
    assert record.read(run).metrics == ()
    (run / "metrics.json").write_text('{"accuracy": 1}', encoding="utf-8")
    with pytest.raises(RunDamaged, match=r"metrics\.json is no report"):
        record.read(run)


def test_a_leak_marks_the_run_wherever_it_is_said(run):
    assert not record.read(run).marked
    drawn.write_metrics(run, drawn.report(0.8, leaky=True))
    assert record.read(run).marked


def test_runs_are_found_below_a_folder(run, tmp_path):
    record.start(tmp_path / "kfold" / "fold0", facts(), now=BEGAN)
    record.start(tmp_path / ".hidden" / "run", facts(), now=BEGAN)
    assert [path.relative_to(tmp_path).as_posix() for path in find(tmp_path)] == ["kfold/fold0", "run"]


def test_the_machine_tells_nobodys_name():
    machine = record.machine()
    assert set(machine) == {"cpu", "cores", "memory_gb", "accelerator", "os"} and machine["cores"] >= 1
    said = json.dumps(machine)
    import getpass
    import platform

    assert platform.node() not in said.split() and f"/{getpass.getuser()}" not in said


def test_versions_and_the_commit_of_a_checkout(tmp_path):
    found = record.versions()
    assert found["python"] == ".".join(map(str, sys.version_info[:3])) and found["numpy"]
    assert surroundings.commit(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t.invalid"]
    (tmp_path / "file").write_text("1")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    clean = surroundings.commit(tmp_path)
    assert clean and len(clean) == 40
    (tmp_path / "file").write_text("2")
    assert surroundings.commit(tmp_path) == f"{clean}-dirty"


def test_the_record_needs_no_torch():
    code = "import sys, macule.training.record, macule.evaluation.runs; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          check=True).stdout.strip() == "False"
