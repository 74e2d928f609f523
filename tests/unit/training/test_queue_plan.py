"""The queue file: what is refused, what depends on what, and what makes another run of a row. No torch needed."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from macule.cli.app import run
from macule.errors import EnvironmentFault, RunDamaged, UsageError
from macule.evaluation.metrics import Figure
from macule.training.queue import expectation, ledger, load, lock, plan
from macule.training.queue.ledger import Ledger

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
WORDS = 'hypothesis = "It helps."\nexpected = "A little."\n'
THREE = f"""
recipe = "lite"
set = ["engine.batch=16"]
baseline = "first"

[[entry]]
name = "first"
{WORDS}
[[entry]]
name = "onward"
recipe = "default"
set = ['network.start="{{first}}"']
{WORDS}
[[entry]]
name = "both"
combine = "ensemble"
members = ["first", "onward"]
{WORDS}
[[entry]]
name = "student"
set = ['distillation={{teachers=["{{both}}"]}}', "engine.batch=8"]
{WORDS}"""


@pytest.fixture
def file(tmp_path):
    def write(text=THREE):
        (tmp_path / "tries.toml").write_text(text, encoding="utf-8")
        return tmp_path / "tries.toml"

    return write


def prints(path):
    return {item.name: item.fingerprint for item in load(path).items}


def test_entries_take_the_files_settings_and_then_their_own(file):
    found = load(file())
    assert found.name == "tries" and [item.name for item in found.items] == ["first", "onward", "both", "student"]
    assert [item.recipe.engine.batch for item in found.items if item.recipe] == [16, 16, 8]
    assert [item.recipe.name for item in found.items if item.recipe] == ["first", "onward", "student"]
    assert [item.baseline for item in found.items] == [None, "first", "first", "first"]


def test_what_an_entry_needs_follows_from_what_it_names(file):
    needs = {item.name: item.needs for item in load(file()).items}
    assert needs == {"first": (), "onward": ("first",), "both": ("first", "onward"),
                     "student": ("first", "onward", "both")}


def test_names_become_runs_and_an_ensemble_teaches_by_its_members(file):
    found = load(file())
    runs = {name: [Path("work") / f"{name}-1"] for name in ("first", "onward", "both")}
    onward, student = (plan.resolved(found.find(name), runs, found) for name in ("onward", "student"))
    assert onward.network.start == "work/first-1/bundle"
    assert student.distillation.teachers == ("work/first-1", "work/onward-1")


def test_a_changed_row_is_another_run_and_so_is_all_that_goes_on_from_it(file):
    before = prints(file())
    after = prints(file(THREE.replace('name = "first"', 'name = "first"\nset = ["seed=2"]')))
    assert all(before[name] != after[name] for name in before)
    after = prints(file(THREE.replace('"engine.batch=8"', '"engine.batch=4"')))
    assert {name for name in before if before[name] != after[name]} == {"student"}


def test_words_a_verdict_and_other_rows_change_no_run(file):
    before = prints(file())
    told = THREE.replace("It helps.", "It does not.").replace(
        'name = "both"', 'name = "both"\nverdict = "kept"\nreason = "better"\nhours = 3')
    assert prints(file(told)) == before
    more = THREE.replace("[[entry]]", f'[[entry]]\nname = "new"\n{WORDS}\n[[entry]]', 1)
    assert {name: each for name, each in prints(file(more)).items() if name != "new"} == before


@pytest.mark.parametrize(("change", "said"), [
    (("engine.batch=16", "engine.wings=2"), "entry first: lite: unknown key engine.wings"),
    (('name = "onward"', 'name = "first"'), "two entries 'first'"),
    (("{first}", "{later}"), r"entry onward: it needs 'later', which is no entry above it; there are: first"),
    (('baseline = "first"', 'baseline = "nobody"'), "its baseline is 'nobody', which is no other entry"),
    (('members = ["first", "onward"]', ""), "combine and members belong together"),
    (('members = ["first", "onward"]', 'members = ["first", "onward"]\nfolds = 3'), "leave recipe, set, folds"),
    (('name = "onward"', 'name = "onward"\nverdict = "kept"'), "say what was decided, and why"),
    (('name = "onward"', 'name = "onward"\nwish = 1'), "entry onward: unknown key wish; known: baseline, combine"),
    (('name = "onward"', 'name = "onward"\nexpect = ["f1 > 1"]'), "names 'f1'; measured are: balanced_accuracy"),
    (('name = "onward"', 'name = "onward"\nexpect = ["macro_auc is 1"]'), "is no expectation: FIGURE >= NUMBER"),
    (('name = "first"', 'name = "first"\nfolds = 5'), "'first' is cross-validated"),
    (('name = "first"', 'name = "first"\nexpect = ["macro_auc > baseline"]'), "needs a baseline"),
    (('name = "onward"', 'name = "onward"\nexpect = ["macro_auc > baseline 0.01"]'), "is no expectation"),
    (('name = "onward"', 'name = "onward"\nexpect = ["macro_auc >= 80"]'), "has the limit 80, .*: each is a share"),
    (('name = "onward"', 'name = "onward"\nexpect = ["macro_auc >= -0.1"]'), "has the limit -0.1"),
    (('name = "onward"', 'name = "onward"\nexpect = ["macro_auc > baseline - 2"]'), "has the limit -2"),
    (('name = "onward"', 'name = "onward"\nexpect = ["ham1000.macro_auc > 0.9"]'),
     "entry onward: .* asks about 'ham1000', and onward uses ham10000, milk10k alone"),
    (('name = "onward"', 'name = "onward"\nexpect = ["milk10k/phone.macro_auc > 0.9"]'),
     "after DATASET/ one of dermoscopic, clinical is needed"),
    (('name = "onward"', 'name = "onward"\nonly = ["ham10000"]\nexpect = ["milk10k.macro_auc > 0.9"]'),
     "'milk10k', and onward uses ham10000 alone"),
    (('name = "onward"', 'name = "onward"\nonly = ["ham1000"]'), "only names 'ham1000'; the recipe's data sets are"),
    (('name = "both"', 'name = "both"\nexpect = ["isic2018.macro_auc > 0.9"]'),
     "entry both: .* 'isic2018', and both uses ham10000, milk10k alone"),
    (('[[entry]]\nname = "onward"', '[[entry]]\nname = "ham"\nonly = ["ham10000"]\nhypothesis = "a"\nexpected = "b"\n'
      '[[entry]]\nname = "onward"\nbaseline = "ham"\nexpect = ["milk10k.macro_auc > baseline"]'),
     "entry onward: .* 'milk10k', and its baseline ham uses ham10000 alone"),
    (('recipe = "lite"\n', ""), "it names no recipe"),
    (('expected = "A little."\n', ""), "entry first: missing key expected"),
])
def test_what_is_wrong_is_named_before_anything_is_trained(file, change, said):
    with pytest.raises(UsageError, match=said):
        load(file(THREE.replace(*change)))


def test_nothing_goes_on_from_an_ensemble(file):
    more = f'\n[[entry]]\nname = "more"\nrecipe = "default"\nset = [\'network.start="{{both}}"\']\n{WORDS}'
    with pytest.raises(UsageError, match="an ensemble: go on from one of its members"):
        load(file(THREE + more))


@pytest.mark.parametrize("name", sorted(path.name for path in EXPERIMENTS.glob("*.toml")))
def test_the_queues_that_come_with_macule_are_whole(name):
    found = load(EXPERIMENTS / name)
    assert all(item.entry.hours for item in found.items)
    assert all(item.entry.expect for item in found.items), "each says what a machine can judge"


def test_status_and_log_need_no_torch(file, tmp_path):
    code = ("import sys; sys.modules['torch'] = None\nfrom macule.cli.app import run\n"
            f"assert run(['queue', 'status', {str(file())!r}]) == 0\n"
            f"sys.exit(run(['queue', 'log', {str(file())!r}, '--out', 'log.md']))")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "for first, onward" in done.stdout and "At work: nobody" in done.stdout
    assert "| student | It helps. |" in (tmp_path / "log.md").read_text()


def test_a_file_that_is_none(tmp_path, capsys):
    assert run(["queue", "status", str(tmp_path / "none.toml")]) == 2
    assert "there is no queue file" in capsys.readouterr().err


# Expectations


@pytest.mark.parametrize(("written", "figure", "said"), [
    ("macro_auc >= 0.9", (0.95, 0.92, 0.97), "met"),
    ("macro_auc >= 0.9", (0.91, 0.88, 0.97), "met, but the interval holds both"),
    ("ham10000.macro_auc > baseline + 0.01", (0.005, -0.01, 0.02), "missed, but the interval holds both"),
    ("macro_auc<=baseline-0.02", (-0.01, -0.015, 0.0), "missed"),
    ("macro_auc < baseline", (-0.01, float("nan"), float("nan")), "met"),
    ("macro_auc > .5", None, "cannot be judged"),
])
def test_an_expectation_is_judged(written, figure, said):
    found = None if figure is None else Figure(*figure, 100)
    assert expectation.parse(written).judged(found) == said


def test_a_combined_entry_may_be_asked_about_what_its_members_used(file):
    text = THREE.replace('name = "both"', 'name = "both"\nexpect = ["milk10k/clinical.macro_auc > 0.9"]')
    text = text.replace('name = "onward"', 'name = "onward"\nonly = ["ham10000"]')
    assert load(file(text)).find("both").datasets == ("ham10000", "milk10k")


def test_an_expectation_of_a_part():
    found = expectation.parse("milk10k/clinical.malignant_auc >= baseline - 0.02")
    assert (found.scope, found.figure, found.relative, found.limit) == (
        "milk10k/clinical", "malignant_auc", True, -0.02)
    assert expectation.parse("pad-ufes-20.malignant_auc >= 0.8").scope == "pad-ufes-20"


# The ledger and the lock


def test_a_line_that_a_power_cut_left_is_passed_over_and_mended(tmp_path):
    kept = Ledger.of(tmp_path, "tries")
    kept.add("began", "first", "f1", now=NOW)
    with kept.path.open("a") as stream:
        stream.write('{"what": "ended", "ent')
    assert [event.what for event in kept.events()] == ["began"]
    kept.add("ended", "first", "f1", now=NOW, runs=[tmp_path / "first-1"])
    assert [event.what for event in kept.events()] == ["began", "ended"]
    assert ledger.latest(kept.events(), "first").runs == ("first-1",)
    kept.path.write_text("{}\n" + kept.path.read_text())
    with pytest.raises(RunDamaged, match="line 1"):
        kept.events()


def test_an_error_is_kept_without_the_folders_of_this_machine(tmp_path):
    kept = Ledger.of(tmp_path / "work", "tries")
    kept.add("failed", "first", "f1", now=NOW, error=UsageError(f"{tmp_path / 'work' / 'x'} is none: change it."))
    assert kept.events()[0].error == {"code": "usage_error", "message": "work/x is none: change it."}


def test_a_second_start_is_told_who_holds_the_queue(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PAUSE", 0.0)
    with lock.held(tmp_path, "tries", now=NOW) as left:
        assert left is None
        assert lock.holder(tmp_path).queue == "tries"
        with pytest.raises(EnvironmentFault, match=r"process \d+ on .+, since 2026-11-21 08:30 UTC, queue tries"), \
                lock.held(tmp_path, "others", now=NOW):
            pass
    assert lock.holder(tmp_path) is None


def test_a_lock_that_was_left_behind_is_recognised(tmp_path):
    code = ("import os, sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
            "from macule.training.queue import lock\n"
            "with lock.held(Path(sys.argv[1]), 'tries', now=datetime(2026, 11, 20, tzinfo=UTC)):\n"
            "    os.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert (tmp_path / "queue" / "lock").exists() and lock.holder(tmp_path) is None
    with lock.held(tmp_path, "tries", now=NOW) as left:
        assert left is not None and left.since == "2026-11-20 00:00"
