"""The queue at work: what runs next, what a failure, a signal, the clock or an editor does to it."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import miniature
import miniature_runs
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.analysis import bundle as bundles
from macule.analysis.calibration import Calibration, MalignantSum
from macule.cli.app import run as command
from macule.errors import Diverged, UsageError
from macule.evaluation import runs
from macule.exchange import run_page
from macule.training import build, combine, kfold
from macule.training.build import Source
from macule.training.queue import answers, load, standing, work
from macule.training.queue.clock import Deadline, TimeIsUp
from macule.training.queue.ledger import Ledger
from macule.training.queue.work import Told

pytestmark = pytest.mark.training

LABELS = ("nv", "mel", "bcc") * 4
ENTRY = '[[entry]]\nname = "{}"\n{}\nhypothesis = "It helps."\nexpected = "A little."\n'
CLOCK = SimpleNamespace(now=0.0)


def rows(*entries):
    return 'recipe = "lite"\nset = ["datasets=[\\"ham10000\\"]"]\n' + "".join(
        ENTRY.format(name, more) for name, more in entries)


class Bench:
    """A queue over drawn data whose runs are made up. broken: name -> what its training raises, once."""

    def __init__(self, folder, monkeypatch):
        self.file, self.work = folder / "tries.toml", folder / "work"
        self.root = folder / "data"
        rows_ = [miniature.ham_row(f"{n:04}", f"1{n:04}", dx) for n, dx in enumerate(LABELS)]
        miniature.ham10000(self.root / "HAM10000", rows_)
        self.asked, self.broken, self.log, self.meanwhile = [], {}, [], lambda: None
        monkeypatch.setattr(build, "build", self._build)
        monkeypatch.setattr(kfold, "cross_validate", self._folds)
        monkeypatch.setattr(combine, "combine", self._combine)
        # The class shifts were fitted to the pictures that are compared here: they must not count.
        how = Calibration(2.0, MalignantSum(1.0, tuple(np.linspace(-3, 3, len(miniature.Diagnosis)))))
        monkeypatch.setattr(bundles, "load", lambda name: SimpleNamespace(calibration=how, sha256=str(name)))
        monkeypatch.setattr(run_page, "write", lambda *_, **__: None)

    def start(self, hours=None):
        deadline = Deadline(hours, clock=lambda: CLOCK.now)
        return work.run(self.file, Source(self.root, self.work), deadline=deadline, told=Told(self.log.append))

    def states(self):
        found, _ = standing.standings(load(self.file), self.work)
        return {each.name: each.state for each in found}

    def _build(self, recipe, source, out, *, again, show, **_):
        assert out is None and again is False
        self.asked.append((recipe, source))
        self.meanwhile()
        if recipe.name in self.broken:
            raise self.broken.pop(recipe.name)
        show(miniature_runs.training(0))
        return self._made(recipe.name, recipe.model_dump(mode="json"))

    def _made(self, name, recipe=miniature_runs.RECIPE, part=slice(None)):
        folder = miniature_runs.make(self.work / f"{name}-{len(self.asked):08}", epochs=1, name=name, recipe=recipe)
        names = [f"ham10000:ISIC_1{n:04}" for n in range(len(LABELS))][part]
        logits = np.random.default_rng(len(self.asked)).normal(size=(len(names), 11))
        np.savez(folder / answers.LOGITS, calibration=names, calibration_logits=logits)
        return folder

    def _folds(self, recipe, source, count, **_):
        self.asked.append((recipe, source))
        (self.work / f"{recipe.name}-folds").mkdir()
        table = recipe.model_dump(mode="json")
        made = tuple(self._made(f"{recipe.name}{n}", table, slice(n, None, count)) for n in range(count))
        return SimpleNamespace(folder=self.work / f"{recipe.name}-folds", runs=made)

    def _combine(self, members, *_, how, name, **__):
        self.asked.append((how, members))
        return self._made(name, {**miniature_runs.RECIPE, "datasets": ["ham10000"]})


@pytest.fixture
def bench(tmp_path, monkeypatch):
    CLOCK.now = 0.0
    made = Bench(tmp_path, monkeypatch)
    made.file.write_text(rows(("one", ""), ("two", 'set = ["seed=2"]'), ("three", 'needs = ["two"]')))
    return made


def test_entries_are_trained_in_order_once(bench):
    assert bench.start().ended == ["one", "two", "three"]
    assert [recipe.name for recipe, _ in bench.asked] == ["one", "two", "three"]
    assert bench.start().ended == [] and len(bench.asked) == 3
    assert set(bench.states().values()) == {"done"}


def test_the_answers_of_the_calibration_part_are_kept_at_the_bundles_temperature(bench):
    bench.start()
    (folder,) = bench.work.glob("one-*")
    told = answers.read(folder)
    assert [record.labels for record in told.records] == [frozenset({miniature.Diagnosis(dx)}) for dx in LABELS]
    with np.load(folder / answers.LOGITS) as kept:
        weights = np.exp(kept["calibration_logits"] / 2.0)
    assert told.shares == pytest.approx(weights / weights.sum(axis=1, keepdims=True), abs=1e-6)


def test_what_fails_is_told_and_only_what_needs_it_waits(bench):
    bench.broken["two"] = Diverged("the loss is nan at step 3: lower the rate.")
    shift = bench.start()
    assert shift.ended == ["one"] and shift.failed == {"two": "the loss is nan at step 3: lower the rate."}
    assert bench.states() == {"one": "done", "two": "failed", "three": "blocked"}
    assert bench.start().ended == ["two", "three"], "the next start tries it again"


def test_a_fault_of_the_code_does_not_end_the_queue(bench):
    bench.broken["one"] = ZeroDivisionError("division by zero")
    assert bench.start().ended == ["two", "three"]
    assert any("Traceback" in line for line in bench.log)


@pytest.mark.parametrize("how", ["ctrl-c", "terminated"])
def test_stopped_it_goes_on(bench, how):
    if how == "ctrl-c":
        bench.broken["two"] = KeyboardInterrupt()
    else:
        bench.meanwhile = lambda: os.kill(os.getpid(), signal.SIGTERM) if len(bench.asked) == 2 else None
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        bench.start()
    assert signal.getsignal(signal.SIGTERM) is before
    assert bench.states() == {"one": "done", "two": "stopped", "three": "waiting"}
    assert bench.start().ended == ["two", "three"]
    assert [event.what for event in Ledger.of(bench.work, "tries").events()][:5] == [
        "began", "ended", "began", "stopped", "began"]


def test_nothing_begins_after_the_hours(bench):
    bench.meanwhile = lambda: setattr(CLOCK, "now", 3600.0 * len(bench.asked))
    shift = bench.start(hours=1.5)
    assert shift.ended == ["one", "two"] and shift.timed_out
    assert bench.states()["three"] == "waiting"


def test_the_hours_end_a_run_at_its_next_checkpoint(tmp_path):
    CLOCK.now = 0.0
    seen, checkpoint = [], tmp_path / "one-1234" / "checkpoint.pt"
    show = Deadline(1, clock=lambda: CLOCK.now).watching(tmp_path, "one", seen.append)
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"")
    os.utime(checkpoint, (3000, 3000))
    show({"step": 0})
    CLOCK.now = 3700.0
    show({"step": 20})  # the last checkpoint is of before
    os.utime(checkpoint, (3701, 3701))
    with pytest.raises(TimeIsUp):
        show({"step": 40})
    assert [row["step"] for row in seen] == [0, 20, 40]
    Deadline(None).watching(tmp_path, "one", seen.append)({"step": 60})


def test_rows_may_be_added_and_taken_out_meanwhile(bench):
    changed = rows(("one", ""), ("four", ""), ("three", ""))
    bench.meanwhile = lambda: bench.file.write_text(changed)
    assert bench.start().ended == ["one", "four", "three"]


def test_a_file_that_is_being_edited_is_read_as_it_was(bench):
    whole = bench.file.read_text()
    bench.meanwhile = lambda: bench.file.write_text(whole if len(bench.asked) > 1 else whole + "\n[[entry")
    assert bench.start().ended == ["one", "two", "three"]
    assert any("is not TOML" in line for line in bench.log)


def test_a_changed_row_is_trained_again_and_its_old_run_stays(bench):
    bench.start()
    (old,) = bench.work.glob("two-*")
    bench.file.write_text(bench.file.read_text().replace("seed=2", "seed=3"))
    assert bench.states() == {"one": "done", "two": "waiting", "three": "done"}, "three only had to come after it"
    assert bench.start().ended == ["two"] and runs.load(old)["status"] == "finished"
    assert len(list(bench.work.glob("two-*"))) == 2


def test_what_an_entry_names_is_given_to_it(bench):
    onward = 'recipe = "default"\nset = [\'network.start="{one}"\']'
    bench.file.write_text(rows(("one", ""), ("two", 'only = ["ham10000"]'), ("onward", onward)))
    bench.start()
    (folder,) = bench.work.glob("one-*")
    assert bench.asked[1][1].only == ("ham10000",) and bench.asked[0][1].only is None
    assert bench.asked[2][0].network.start == str(folder / "bundle")


def test_runs_are_combined_and_cross_validated(bench):
    combined = ENTRY.format("both", 'combine = "average"\nmembers = ["one", "two"]')
    bench.file.write_text(rows(("one", ""), ("two", "")) + combined + ENTRY.format("whole", "folds = 3"))
    assert bench.start().ended == ["one", "two", "both", "whole"]
    how, members = bench.asked[2]
    assert how == "average" and [folder.name[:3] for folder in members] == ["one", "two"]
    whole = answers.read(bench.work / "whole-folds")
    assert len({record.picture_id for record in whole.records}) == len(LABELS), "each picture once, over all folds"
    assert set(bench.states().values()) == {"done"}


def test_torchrun_is_refused(bench, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="the queue is one process"):
        bench.start()


def test_the_command(bench, capsys):
    asked = ["queue", "run", str(bench.file), "--work", str(bench.work)]
    assert command(asked) == 2
    assert "--data is missing: entry one trains on ham10000" in capsys.readouterr().err
    bench.broken["one"] = Diverged("the loss is nan.")
    assert command([*asked, "--data", str(bench.root)]) == 1
    assert "Failed: one: the loss is nan." in capsys.readouterr().out
    assert command([*asked, "--data", str(bench.root), "--hours", "2"]) == 0
    assert "Ended in this start: one." in capsys.readouterr().out
