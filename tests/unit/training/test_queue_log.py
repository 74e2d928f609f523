"""What came of experiments: figures of the calibration part, leads over a baseline, and the log. No torch needed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import miniature_runs
import numpy as np
import pytest

from macule.analysis.patient import Modality, Patient
from macule.cli.app import run
from macule.data.record import Record
from macule.evaluation import metrics, scoring
from macule.evaluation.predictions import CODES, Predictions
from macule.taxonomy import Diagnosis
from macule.training.queue import answers, load, lock, measures, page, standing
from macule.training.queue.ledger import Ledger

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HAM = (Diagnosis.NV, Diagnosis.NV, Diagnosis.MEL, Diagnosis.BCC, Diagnosis.BKL)
ROWS = """
[[entry]]
name = "plain"
hypothesis = "It learns."
expected = "Something."
expect = ["ham10000.macro_auc >= 0.5"]
hours = 1.5

[[entry]]
name = "better"
set = ["seed=2"]
baseline = "plain"
hypothesis = "It learns more."
expected = "+0.01."
expect = ["ham10000.macro_auc >= baseline + 0.01", "milk10k.macro_auc >= 0.99"]

[[entry]]
name = "after"
needs = ["better"]
hypothesis = "It waits."
expected = "Patience."
"""


def predictions(skill, *, seed=0, milk=True):
    """Lesions of one to three pictures; the right class gets `skill` of the logit."""
    records = []
    for n in range(150):
        records += [_record("ham10000", f"{n}.{k}", f"ham10000:{n}", HAM[n % 5], Modality.DERMOSCOPIC)
                    for k in range(1 + n % 3)]
    for n in range(60 if milk else 0):
        records += [_record("milk10k", f"{n}.{kind}", f"milk10k:{n}", HAM[n % 5], kind) for kind in Modality]
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(records), len(CODES)))
    logits[range(len(records)), [CODES.index(record.diagnosis) for record in records]] += skill
    shares = np.exp(logits)
    return Predictions(records, shares / shares.sum(axis=1, keepdims=True))


def _record(dataset, picture, group, code, modality):
    return Record(None, dataset, picture, frozenset({code}), group, Patient(modality=modality))


def test_figures_are_those_of_a_report():
    mine = predictions(1.5, milk=False)
    (found,) = measures.measure(mine, resamples=300)
    report = scoring.score(replace(mine, risks=["low"] * len(mine.records)), "ham10000", resamples=300)
    told = {name: report[name] for name in ("balanced_accuracy", "macro_auc", "malignant_auc")} | {
        "melanoma_auc": report["classes"]["mel"]["auc"],
        "melanoma_sensitivity": report["classes"]["mel"]["sensitivity_at_90%_specificity"]}
    for name, figure in told.items():
        shown = found.figures[name].to_dict()
        assert {key: shown[key] for key in ("value", "low", "high", "n")} == {
            key: figure[key] for key in ("value", "low", "high", "n")}, name
    assert (found.scope, found.pictures, found.lesions) == ("ham10000", len(mine.records), 150)


def test_each_set_each_modality_and_all_are_told():
    found = {each.scope: each for each in measures.measure(predictions(1.5), resamples=50)}
    assert list(found) == ["ham10000", "milk10k", "milk10k/clinical", "milk10k/dermoscopic", "all"]
    assert found["milk10k/clinical"].pictures == 60 and found["milk10k"].lesions == 60
    assert found["all"].pictures == found["ham10000"].pictures + 120


def test_a_lead_is_paired():
    one, other = predictions(1.5, milk=False), predictions(2.5, milk=False)
    (found,) = measures.measure(other, one, resamples=300)
    lead, alone = found.lead["macro_auc"], measures.measure(one, resamples=300)[0].figures["macro_auc"]
    assert lead.value == pytest.approx(found.figures["macro_auc"].value - alone.value)
    unpaired = (found.figures["macro_auc"].high - found.figures["macro_auc"].low) + (alone.high - alone.low)
    assert lead.low > 0 and lead.high - lead.low < unpaired
    (same,) = measures.measure(one, one, resamples=50)
    assert {figure.value for figure in same.lead.values()} == {0.0}


def test_a_lead_is_over_the_pictures_that_both_answered():
    mine, theirs = predictions(1.5), predictions(1.5, milk=False)
    found = {each.scope: each for each in measures.measure(mine, theirs, resamples=50)}
    assert found["ham10000"].shared == found["ham10000"].pictures == found["all"].shared
    assert not found["milk10k"].lead and found["milk10k"].shared == 0


def test_lumped_labels_have_malignant_figures_alone():
    records = [Record(None, "folder", f"{n}", frozenset(code for code in CODES if code.suspicious == bool(n % 2)),
                      f"folder:{n}", Patient(), malignant=bool(n % 2)) for n in range(40)]
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(len(CODES)), 40)
    (found,) = measures.measure(Predictions(records, shares), resamples=50)
    assert set(found.figures) == {"malignant_auc"} and found.figures["malignant_auc"].n == 40


# The log


@pytest.fixture
def queue(tmp_path):
    """A queue of which two rows have ended. Gives the file, the work folder and how to end a row."""
    file, work = tmp_path / "tries.toml", tmp_path / "work"
    file.write_text('recipe = "lite"\n' + ROWS, encoding="utf-8")

    def end(name, skill, *, at=NOW):
        planned = load(file)
        item, kept = planned.find(name), Ledger.of(work, planned.name)
        folder = miniature_runs.make(work / f"{name}-{item.fingerprint[:4]}", epochs=1, name=name)
        _write(folder, predictions(skill))
        kept.add("ended", name, item.fingerprint, now=at, runs=[folder],
                 about=standing.about(item, planned, kept.events(), kept))

    end("plain", 1.5)
    end("better", 2.5, at=NOW + timedelta(hours=1))
    return file, work, end


def _write(folder, told):
    """As `answers.write` does, without a bundle and data."""
    with (folder / answers.FILE).open("w", encoding="utf-8") as stream:
        stream.write(",".join([*answers._ABOUT, *(code.value for code in CODES)]) + "\n")
        for record, shares in zip(told.records, told.shares, strict=True):
            cells = answers._cells(f"{record.dataset}:{record.picture_id}", record)
            stream.write(",".join([*cells, *(f"{share:.7g}" for share in shares)]) + "\n")


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    monkeypatch.setattr(measures.measure, "__kwdefaults__", {"resamples": 40})
    monkeypatch.setattr(lock, "PAUSE", 0.0)


def written(file, work):
    out = file.parent / "log.md"
    assert run(["queue", "log", str(file), "--work", str(work), "--out", str(out)]) == 0
    return out.read_text(encoding="utf-8")


def test_answers_are_read_back(tmp_path):
    told = predictions(1.5)
    _write(tmp_path, told)
    read = answers.read(tmp_path)
    assert read.records == told.records and read.shares == pytest.approx(told.shares, abs=1e-6)


def test_the_log_tells_what_was_expected_measured_and_decided(queue):
    file, work, _ = queue
    text = written(file, work)
    plain, better = text.split("### ")[1:3]
    assert plain.startswith("plain (2026-11-22)") and "Hypothesis: It learns." in plain
    assert "`ham10000.macro_auc >= 0.5`: 0." in plain and "): met." in plain
    assert "less" not in plain.split("Run:")[1] and "Kept or not: open." in plain
    assert "| ham10000 | 300 | 150 |" in plain and "| milk10k/clinical | 60 | 60 |" in plain
    assert "`ham10000.macro_auc >= baseline + 0.01`: +0." in better
    assert "| ham10000, less `plain` | 300 |" in better and "with `seed=2`" in better
    assert "`milk10k.macro_auc >= 0.99`: 0." in better and "missed" in better
    assert "| after | It waits. | Patience. |" in text
    told = measures.measure(predictions(1.5), resamples=40)[0].figures["macro_auc"]
    assert str(told) in plain


def test_a_figure_of_one_set_alone_is_that_of_all(queue):
    file, work, _ = queue
    folder = next(work.glob("plain-*"))
    every = predictions(1.5)
    _write(folder, every.only(np.array([record.dataset == "milk10k" for record in every.records])))
    file.write_text(file.read_text().replace('["ham10000.macro_auc >= 0.5"]', '["macro_auc >= 0.5"]'))
    text = written(file, work)
    assert "milk10k/clinical" in text and "`macro_auc >= 0.5`: 0." in text


def test_what_was_once_accepted_as_an_expectation_stops_no_log(queue):
    file, work, _ = queue
    kept = Ledger.of(work, "tries")
    text = kept.path.read_text().replace("ham10000.macro_auc >= 0.5", "ham10000.macro_auc >= 50")
    kept.path.write_text(text)
    file.write_text(file.read_text().replace('name = "plain"\n', 'name = "plain"\nset = ["seed=9"]\n'))
    assert "- `ham10000.macro_auc >= 50`: cannot be judged." in written(file, work)


def test_what_a_person_wrote_around_the_log_stays(queue):
    file, work, end = queue
    out = file.parent / "log.md"
    out.write_text("# Experiments\n\nWritten by hand.\n", encoding="utf-8")
    first = written(file, work)
    assert first.startswith("# Experiments\n\nWritten by hand.\n\n<!-- macule queue log, tries: begin -->")
    out.write_text(first + "\nAnd after it.\n", encoding="utf-8")
    end("after", 2.0)
    again = written(file, work)
    assert again.startswith("# Experiments\n\nWritten by hand.\n") and again.endswith("\nAnd after it.\n")
    assert again.count("begin -->") == 1 and "### after (2026-11-22)" in again and "### To come" not in again
    assert written(file, work) == again


def test_a_verdict_is_told_with_its_reason_and_can_be_taken_back(queue):
    file, work, _ = queue
    before = file.read_text()
    file.write_text(before.replace('name = "better"', 'name = "better"\nverdict = "not kept"\nreason = "Too dear."'))
    assert "**Not kept**: Too dear." in written(file, work)
    file.write_text(before)
    assert "Not kept" not in written(file, work)


def test_a_changed_row_keeps_its_history_with_its_verdict(queue):
    file, work, end = queue
    ruled = 'name = "better"\nverdict = "kept"\nreason = "It leads."'
    file.write_text(file.read_text().replace('name = "better"', ruled))
    written(file, work)
    file.write_text(file.read_text().replace("seed=2", "seed=3"))
    text = written(file, work)
    assert "The row was changed since" in text and text.count("**Kept**: It leads.") == 1
    assert "| better | It learns more. |" in text, "and is to come again"
    end("better", 2.0, at=NOW + timedelta(days=1))
    text = written(file, work)
    assert text.count("### better") == 2 and text.count("**Kept**") == 1, "the new run has no verdict of its own yet"
    assert "### better (2026-11-23)" in text and "with `seed=3`" in text


def test_a_row_that_was_taken_out_stays_in_the_log(queue):
    file, work, _ = queue
    rows = file.read_text().split("[[entry]]")
    file.write_text("[[entry]]".join([rows[0], rows[1]]))
    text = written(file, work)
    assert "### better" in text and "The row is no longer in the file." in text and "It learns more." in text
    assert "| ham10000, less `plain` | 300 |" in text


def test_a_run_that_is_gone_is_said_to_be(queue):
    file, work, _ = queue
    (folder,) = work.glob("better-*")
    shutil.rmtree(folder)
    assert "Its run is gone" in written(file, work)
    (_, better, _), _ = standing.standings(load(file), work)
    assert (better.state, better.note) == ("waiting", "its run is gone")


# How it stands


def test_the_status_of_each_row(queue, capsys):
    file, work, _ = queue
    kept, item = Ledger.of(work, "tries"), load(file).find("after")
    kept.add("began", "after", item.fingerprint, now=NOW)
    _begun(work, item, steps=400)
    found, at_work = standing.standings(load(file), work)
    assert [each.state for each in found] == ["done", "done", "stopped"] and at_work is None
    with lock.held(work, "tries", now=NOW):
        found, at_work = standing.standings(load(file), work)
        assert [each.state for each in found] == ["done", "done", "running"] and at_work is not None
    told = file.parent / "status.json"
    assert run(["queue", "status", str(file), "--work", str(work), "--json", str(told)]) == 0
    assert [each["state"] for each in json.loads(told.read_text())["entries"]] == ["done", "done", "stopped"]
    assert "1.5 h" in capsys.readouterr().out


def test_the_time_that_is_left_follows_from_the_pace_and_the_pixels(queue):
    """`lite`: 938 steps at 160 px, then 1312 at 208 px, which are 1.69 times as dear."""
    file, work, _ = queue
    item = load(file).find("after")
    Ledger.of(work, "tries").add("began", "after", item.fingerprint, now=NOW)
    _begun(work, item, steps=400)
    after = standing.standings(load(file), work)[0][2]
    assert after.share == pytest.approx(381 / 2250)
    assert after.left == pytest.approx(1.5 * ((938 - 381) + 1312 * (208 / 160) ** 2))


def _begun(work, item, *, steps):
    from macule.training import record

    recipe = item.recipe.model_dump(mode="json")
    folder = work / f"{item.name}-0000"
    record.start(folder, miniature_runs.facts(name=item.name, recipe=recipe), now=NOW)
    for step in range(0, steps, 20):
        record.append(folder, miniature_runs.training(step))


def test_a_row_whose_need_failed_is_blocked(queue):
    file, work, _ = queue
    file.write_text(file.read_text().replace("seed=2", "seed=9"))
    item = load(file).find("better")
    Ledger.of(work, "tries").add("failed", "better", item.fingerprint, now=NOW, error=RuntimeError("out of luck"))
    found = standing.standings(load(file), work)[0]
    assert [(each.state, each.note) for each in found[1:]] == [("failed", "out of luck"), ("blocked", "better failed")]
    assert "failed: out of luck" in written(file, work)


def test_resamples_are_those_of_every_report():
    assert f"{metrics.RESAMPLES} resamples" in page.HEAD
