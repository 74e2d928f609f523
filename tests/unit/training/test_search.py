"""Search: spaces, studies that go on, pruning, workers that share a database."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("optuna", reason="needs the training extra")

import optuna

from macule.cli.app import run
from macule.errors import Diverged, OutOfSpace, UsageError
from macule.training import build, loop
from macule.training import recipe as recipes
from macule.training.build import Source
from macule.training.prepare import Parts
from macule.training.search import Wanted, parse, search, study, worker
from macule.training.search.space import applied, combinations, differences
from macule.training.search.written import as_toml

pytestmark = pytest.mark.training


@pytest.fixture
def looking(table):
    """Two steps, with a look after each."""
    table["phases"] = [{"samples": 8, "size": 48, "learning_rate": 1e-3, "trainable": "after:5"}]
    table["engine"] = {"batch": 4, "ema": 0.0, "validate_every": 0.3}
    table["serving"]["size"] = 48
    return recipes.parse(table, where="test")


@pytest.fixture
def source(dozen, monkeypatch, tmp_path):
    """The twelve drawn pictures, all in both parts: what is tested here is no figure."""
    parts = Parts(list(dozen.records), list(dozen.records), [], {}, [])
    monkeypatch.setattr(build, "read", lambda *_: parts)
    monkeypatch.setattr(build, "sets", lambda *_: (dozen, dozen))
    return Source(tmp_path, tmp_path / "work")


@pytest.fixture
def swift(monkeypatch):
    """Trials without training, for what is about the study alone: the higher the rate, the better."""
    monkeypatch.setattr(worker, "_train", lambda _, __, recipe: -recipe.phases[0].learning_rate)


def wanted(*over, **changes):
    given = {"space": parse(over or ["phases.*.learning_rate=log:1e-5:1e-2"]), "trials": 3, "pruner": "none", "beat": 1}
    return Wanted(**given | changes)


def quietly(*arguments, **named):
    return search(*arguments, log=lambda _: None, **named)


# Spaces


def test_the_default_space_searches_rates_decay_and_augmentation(recipe):
    assert [axis.name for axis in parse([]).axes] == ["phases.*.learning_rate", "optimiser.weight_decay",
                                                      "augment.strength"]
    parse([]).check(recipe)


def test_one_factor_moves_all_rates(recipe):
    recipe = recipe.changed({"phases.1.learning_rate": 1e-4, "phases.1.head_learning_rate": 2e-4})
    tried = applied(recipe, {"phases.*.learning_rate": 2e-2})
    assert [(phase.learning_rate, phase.head_learning_rate) for phase in tried.phases] == [(0.02, 0.06), (0.002, 0.004)]


def test_a_star_sets_all_phases(recipe):
    assert [phase.size for phase in applied(recipe, {"phases.*.size": 96}).phases] == [96, 96]


def test_a_grid_holds_both_ends():
    space = parse(["a.b=log:1e-4:1e-1", "c=uniform:0:2:3", "d=int:2:4", "e=choice:lite0,lite1"])
    assert space.grid() == {"a.b": pytest.approx([1e-4, 1e-3, 1e-2, 1e-1]), "c": [0, 1, 2], "d": [2, 3, 4],
                            "e": ["lite0", "lite1"]}
    assert combinations(space) == 4 * 3 * 3 * 2


@pytest.mark.parametrize("written", [
    "augment.strength", "=log:1:2", "augment.strength=log", "augment.strength=log:0:2", "augment.strength=uniform:2:1",
    "augment.strength=uniform:0:nan", "augment.strength=uniform:0:2:1", "engine.batch=int:1.5:4",
    "engine.batch=int:1:4:2", "engine.batch=choice:8", "augment.strength=normal:0:1", "augment.strength=uniform:0:x"])
def test_a_spec_that_is_none_is_refused(written):
    with pytest.raises(UsageError, match="--over"):
        parse([written])


@pytest.mark.parametrize("name", ["split.train", "datasets", "targets", "stopping.figure"])
def test_what_makes_trials_comparable_is_not_searched(name):
    with pytest.raises(UsageError, match="every trial must share"):
        parse([f"{name}=choice:a,b"])


def test_an_end_that_the_recipe_does_not_take_is_refused_before_any_trial(looking, source):
    with pytest.raises(UsageError, match=r"augment\.strength"):
        quietly(looking, source, wanted("augment.strength=uniform:0:9"))
    with pytest.raises(UsageError, match="unknown key"):
        quietly(looking, source, wanted("optimiser.decay=uniform:0:1"))


def test_a_recipe_that_never_looks_cannot_be_searched(recipe, source):
    with pytest.raises(UsageError, match="validate_every"):
        quietly(recipe, source, wanted())


def test_a_recipe_written_as_toml_is_read_back_equal(recipe):
    rich = recipe.changed({"network.convs": [{"channels": 8}, {"channels": 4, "kernel": 1}], "source": 'a "b" \\ ü',
                           "network.options": {"drop_path_rate": 0.1}, "loss.class_weights": {"mel": 2.0},
                           "serving.arms": ["clahe"], "augment.zoom": [0.9, 1.0], "phases.0.learning_rate": 1e-5})
    assert recipes.parse(tomllib.loads(as_toml(rich)), where="written") == rich


# Studies


def test_a_search_finds_and_writes_the_best(looking, source):
    heard = []
    found = quietly(looking, source, wanted(trials=2), told=lambda outcome, left: heard.append((outcome.number, left)))
    assert [trial.state for trial in found.trials] == ["finished"] * 2 and heard == [(0, 1), (1, 0)]
    assert found.best.value == min(trial.value for trial in found.trials)
    assert recipes.load(str(found.written)) == found.recipe
    assert looking.changed(recipes.settings(found.settings)) == found.recipe
    assert differences(looking, found.recipe) == list(found.settings)
    for trial in found.trials:
        told = json.loads((source.work / trial.folder / "run.json").read_text())
        assert told["status"] == "finished" and told["name"] == f"mini trial {trial.number}"
        assert (source.work / trial.folder / "checkpoint.pt").is_file()
    assert not list(source.work.rglob("bundle*")) and not list(source.work.rglob("metrics.json"))


def test_a_study_goes_on_and_repeats_nothing(looking, source, swift):
    first = quietly(looking, source, wanted(trials=2))
    again = quietly(looking, source, wanted(trials=2))
    more = quietly(looking, source, wanted(trials=3))
    assert first.trials == again.trials == more.trials[:2] and len(more.trials) == 3
    assert len({trial.values["phases.*.learning_rate"] for trial in more.trials}) == 3


def test_a_study_draws_the_same_however_it_was_interrupted(looking, source, swift, tmp_path):
    broken = [quietly(looking, source, wanted(trials=count, sampler="random")) for count in (1, 2)][-1]
    whole = quietly(looking, replace(source, work=tmp_path / "other"), wanted(trials=2, sampler="random"))
    assert [trial.values for trial in broken.trials] == [trial.values for trial in whole.trials]


def test_another_recipe_is_another_study(looking, source, swift):
    one = quietly(looking, source, wanted(trials=1))
    other = quietly(looking.changed({"augment.jpeg": 0.5}), source, wanted(trials=1))
    assert one.study != other.study
    with pytest.raises(UsageError, match="another recipe, space or figure"):
        quietly(looking.changed({"augment.jpeg": 0.5}), source, wanted(study=one.study))


def test_a_grid_is_tried_whole_and_once(looking, source, swift):
    found = quietly(looking, source, wanted("augment.strength=uniform:0:1:2", "augment.flips=choice:true,false",
                                            sampler="grid", trials=None))
    tried = {(trial.values["augment.strength"], trial.values["augment.flips"]) for trial in found.trials}
    assert len(found.trials) == 4 and tried == {(0, True), (0, False), (1, True), (1, False)}


@pytest.mark.parametrize(("figure", "highest"), [("loss", False), ("auc", True), ("balanced_accuracy", True)])
def test_the_figure_says_whether_more_is_better(figure, highest):
    outcomes = tuple(study.Outcome(number, "finished", value, {}, 1.0, None, None)
                     for number, value in enumerate((0.4, 0.9, 0.1)))
    assert study.best(outcomes, figure).value == (0.9 if highest else 0.1)
    assert study.direction(figure) == ("maximize" if highest else "minimize")


@pytest.mark.slow
def test_a_trial_that_does_worse_by_then_is_pruned(looking, source, monkeypatch):
    """The first two trials look well; the third is worse from its first look on."""
    looks = []

    def figures(found, data):
        looks.append(1)
        return {"loss": 0.1 if len(looks) <= 6 else 5.0, "accuracy": 0.5, "balanced_accuracy": 0.5, "auc": 0.5}

    monkeypatch.setattr("macule.training.validate.figures", figures)
    found = quietly(looking, source, wanted(pruner="median", warm_up=1))
    assert [trial.state for trial in found.trials] == ["finished", "finished", "pruned"]
    assert found.best.number == 0 and found.trials[2].value == 5.0
    told = json.loads((source.work / found.trials[2].folder / "run.json").read_text())
    assert told["status"] == "stopped" and told["error"] is None


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_bad_trials_are_given_up_and_the_best_is_not(looking, source, monkeypatch, pruner):
    """Losses that fall over six looks, the lower the higher the rate."""
    def train(bench, trial, recipe):
        for look in range(1, 7):
            loss = 1 / look - recipe.phases[0].learning_rate
            worker._watch(bench, trial, recipe, {"epoch": 0.3 * look, "validation": {"loss": loss}})
        return loss

    monkeypatch.setattr(worker, "_train", train)
    found = quietly(looking, source, wanted(pruner=pruner, trials=9, sampler="random"))
    states = [trial.state for trial in found.trials]
    assert set(states) == {"finished", "pruned"} and found.best.state == "finished"
    rates = [trial.values["phases.*.learning_rate"] for trial in found.trials if trial.state == "finished"]
    assert found.best.values["phases.*.learning_rate"] == max(rates)


def test_a_trial_that_diverges_is_a_failure_of_its_own(looking, source, monkeypatch):
    calls = []

    def train(*arguments, original=loop.train, **named):
        calls.append(1)
        if len(calls) == 1:
            raise Diverged("the loss is nan at step 3: lower the rate.")
        return original(*arguments, **named)

    monkeypatch.setattr(loop, "train", train)
    found = quietly(looking, source, wanted(trials=2))
    assert [(trial.state, trial.error) for trial in found.trials] == [
        ("failed", "diverged: the loss is nan at step 3"), ("finished", None)]


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OutOfSpace("the disk is full.")])
def test_a_trial_that_was_cut_off_is_tried_again_from_its_checkpoint(looking, source, monkeypatch, fault):
    whole = loop.train

    def train(recipe, network, data, folder, *, show, **named):
        def cut(row):
            show(row)
            if "validation" in row and row["step"] == 0:
                raise fault
        return whole(recipe, network, data, folder, show=cut, **named)

    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 1)
    monkeypatch.setattr(loop, "train", train)
    with pytest.raises(type(fault)):
        quietly(looking, source, wanted(trials=1))
    monkeypatch.setattr(loop, "train", whole)
    found = quietly(looking, source, wanted(trials=1))
    assert [trial.state for trial in found.trials] == ["finished"]
    assert len(list((source.work / found.trials[0].folder).parent.glob("0*"))) == 1, "the same folder"


def test_what_a_dead_worker_left_is_tried_again(looking, source, swift):
    """Its trial runs, says the database, but nothing beats."""
    begun = quietly(looking, source, wanted(trials=1))
    plan = study.Plan(wanted().space, f"sqlite:///{source.work.resolve()}/search.db", begun.study, "loss", 2, beat=1)
    opened = optuna.load_study(study_name=begun.study, storage=study._storage(plan))
    with pytest.warns(UserWarning, match="Heartbeat"):
        left = opened.ask()
    values = {"phases.*.learning_rate": left.suggest_float("phases.*.learning_rate", 1e-5, 1e-2, log=True)}
    opened._storage.record_heartbeat(left._trial_id)
    found = quietly(looking, source, wanted(trials=2))
    assert len(found.trials) == 2 and found.trials[1].values == values
    assert found.trials[1].state == "finished" and found.running == 0


def test_a_place_that_two_took_at_once_is_given_back(looking, source, swift):
    begun = quietly(looking, source, wanted(trials=1))
    plan = study.Plan(wanted().space, f"sqlite:///{source.work.resolve()}/search.db", begun.study, "loss", 1, beat=1)
    opened = optuna.load_study(study_name=begun.study, storage=study._storage(plan))
    bench = worker.Bench(looking, SimpleNamespace(), source.work, plan)
    opened.optimize(lambda trial: worker._try(bench, trial, []), n_trials=1, catch=(worker._Surplus,))
    assert len(opened.trials) == 2 and len(study.started(opened)) == 1


@pytest.mark.parametrize(("url", "said"), [("nonsense", "no URL"), ("sqlite:////no/such/folder/x.db", "not answer")])
def test_a_database_that_is_none_is_told(looking, source, url, said):
    with pytest.raises(Exception, match=said):
        quietly(looking, source, wanted(storage=url))


def test_a_password_is_not_shown():
    assert "secret" not in study.shown("postgresql+psycopg://me:secret@host/db")


# The command


@pytest.fixture
def asked(looking, source, tmp_path):
    (tmp_path / "looking.toml").write_text(as_toml(looking))
    return ["search", str(tmp_path / "looking.toml"), "--data", str(source.root), "--work", str(source.work)]


def test_the_command_prints_and_writes_what_it_found(asked, looking, swift, tmp_path, capsys):
    told = tmp_path / "trials.json"
    assert run([*asked, "--trials", "3", "--over", "phases.*.learning_rate=log:1e-4:1e-2", "--json", str(told),
                "--set", "augment.jpeg=0.5"]) == 0
    written, printed = json.loads(told.read_text()), capsys.readouterr().out
    assert written["direction"] == "minimize" and len(written["trials"]) == 3
    assert all(f"--set {each}" in printed for each in written["settings"])
    best = written["trials"][written["best"]]
    assert best["value"] == min(trial["value"] for trial in written["trials"])
    assert written["recipe"]["augment"]["jpeg"] == 0.5 and "2 to go" in printed
    assert recipes.parse(written["recipe"], where="json").phases[0].learning_rate == -best["value"]


def test_the_command_refuses_what_contradicts_itself(asked, capsys):
    assert run([*asked, "--figure", "f1"]) == 2
    assert "--figure is 'f1'" in capsys.readouterr().err
    assert run([*asked, "--sampler", "annealing"]) == 2


@pytest.mark.slow
def test_two_workers_share_a_study(looking, built, tmp_path):
    """Processes of their own, and so with drawn files and not with pictures in memory."""
    chosen = looking.changed({"split.search": False, "exams": []})
    heard = []
    found = search(chosen, Source(built.root, tmp_path / "work"), wanted(trials=4, workers=2), log=lambda _: None,
                   told=lambda outcome, _: heard.append(outcome.number))
    assert [trial.state for trial in found.trials] == ["finished"] * 4 and found.running == 0
    assert sorted(heard) == [trial.number for trial in found.trials]
    assert len({trial.values["phases.*.learning_rate"] for trial in found.trials}) == 4
