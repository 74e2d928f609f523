"""The loop on miniature networks: killed anywhere it ends as if it had not been; faults are named."""

from __future__ import annotations

import contextlib
import gc
import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch

from macule.errors import CheckpointDamaged, Diverged, OutOfMemory, OutOfSpace, UsageError
from macule.taxonomy import Diagnosis
from macule.training import loop, state, trained
from macule.training import recipe as recipes
from macule.training.batches import TrainingSet

pytestmark = pytest.mark.training

NORMED, PLAIN = "test_efficientnet", "test_vit"  # with batch norm and without
PHASE = {"size": 32, "learning_rate": 1e-3}
BASE = {
    "name": "tiny", "summary": "for tests", "datasets": ["ham10000"], "seed": 5,
    "network": {"backbone": NORMED, "pretrained": "no"}, "phases": [{**PHASE, "samples": 24}],
    "engine": {"batch": 4, "ema": 0.9, "validate_every": 0}, "serving": {"size": 32},
}


class Killed(BaseException):
    """What no code catches."""


def made(**settings):
    """A recipe with settings by their dotted names, `__` for the dot."""
    return recipes.parse(BASE, where="test").changed({key.replace("__", "."): value for key, value in settings.items()})


@pytest.fixture(scope="module", autouse=True)
def _quick_to_collect():
    """Every phase ends with a collection of garbage, which otherwise goes through all that the tests have imported."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 2)
    monkeypatch.setattr(loop, "LOG_EVERY", 1)


@pytest.fixture
def validation(dozen):
    return part(dozen, slice(0, 8))


def part(data, rows):
    return TrainingSet(data.pictures[rows], data.records[rows], data.allowed[rows])


@pytest.fixture
def train(dozen):
    """frozen: whether the weights count as pretrained, so that a phase may freeze them."""
    def run(recipe, folder, *, data=dozen, validation=None, show=lambda _: None, frozen=False):
        network = loop.start(recipe)
        if frozen:
            network.start = replace(network.start, pretrained=True)
        return loop.train(recipe, network, data, folder, validation=validation, show=show)

    return run


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def different(one, other):
    return [name for name, value in weights(one).items() if not value.equal(other.state_dict()[name])]


def rows(folder):
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def training_rows(folder):
    return [row for row in rows(folder) if "loss" in row]


def looks(folder):
    return [row for row in rows(folder) if "validation" in row]


# Killed


PHASES = [{**PHASE, "samples": 12, "trainable": "head", "head_learning_rate": 3e-3},
          {**PHASE, "size": 48, "samples": 12, "trainable": "after:1"}]
RUNS = {
    "two phases, frozen": {"phases": PHASES},
    "ema off, sgd": {"engine__ema": 0, "optimiser__kind": "sgd"},
    "early stopping": {"phases": [{**PHASE, "samples": 28, "learning_rate": 0.05}, {**PHASE, "samples": 8}],
                       "engine__validate_every": 0.4, "stopping__patience": 2},
    "plateau": {"engine__validate_every": 0.4, "schedule__kind": "plateau", "schedule__patience": 1,
                "schedule__warmup": 0},
    "accumulate": {"engine__accumulate": 2},
    "curriculum": {"sampling__curriculum": True, "sampling__exponent": 0.5, "sampling__until": 1.0,
                   "phases": [{**PHASE, "samples": 28}, {**PHASE, "samples": 12}]},
    "mixup and cutmix": {"augment__mixup": 0.4, "augment__cutmix": 1.0},
    "all at once": {"phases": PHASES, "engine__validate_every": 0.4, "stopping__patience": 2, "engine__accumulate": 2,
                    "sampling__curriculum": True, "sampling__kind": "target", "sampling__target": 4,
                    "augment__mixup": 0.4, "loss__kind": "focal", "network__dropout": 0.5, "schedule__kind": "plateau",
                    "network__fusion": "metablock", "schedule__span": "run"},
}


class Moments:
    """Every place where a kill could make a difference: before and after each row, each checkpoint and each rename."""

    def __init__(self, monkeypatch):
        self.passed, self.kill_at = 0, None
        save = state.save

        def watched(*given):
            self.pass_by()
            save(*given)
            self.pass_by()

        monkeypatch.setattr(state, "save", watched)

    def pass_by(self, _=None):
        self.passed += 1
        if self.passed == self.kill_at:
            raise Killed

    def start(self, kill_at=None):
        self.passed, self.kill_at = 0, kill_at


@pytest.fixture
def moments(monkeypatch):
    return Moments(monkeypatch)


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.slow if name in {"two phases, frozen", "all at once"} else ()) for name in RUNS
])
def test_a_run_that_was_killed_ends_as_an_unbroken_one(name, train, moments, validation, tmp_path):
    """To the bit; killed at any moment (of all but the first recipe: at every seventh, and then once more)."""
    recipe = made(**RUNS[name])
    options = {"validation": validation if recipe.engine.validate_every else None, "show": moments.pass_by,
               "frozen": True}
    moments.start()
    unbroken = train(recipe, tmp_path / "unbroken", **options)
    every = moments.passed
    assert every >= 10, "rows and saves"
    thorough = name == "two phases, frozen"
    for first in range(1, every + 1, 1 if thorough else 7):
        folder = tmp_path / str(first)
        for moment in (first,) if thorough else (first, 5):
            moments.start(kill_at=moment)
            with contextlib.suppress(Killed):
                train(recipe, folder, **options)
        moments.start()
        resumed = train(recipe, folder, **options)
        assert different(unbroken, resumed) == [], f"killed at moment {first} of {every}"
        last = {(row["step"], "loss" in row): row for row in rows(folder)}
        for row in rows(tmp_path / "unbroken"):
            again = last[row["step"], "loss" in row]
            assert {**row, "seconds": 0} == {**again, "seconds": 0}


def test_a_finished_run_is_not_repeated(train, tmp_path):
    first = train(made(), tmp_path)
    count = len(rows(tmp_path))
    assert different(first, train(made(), tmp_path)) == [] and len(rows(tmp_path)) == count


@pytest.mark.slow
def test_a_kill_of_the_process_itself(tmp_path):
    """Without any clean-up: the run's own SIGKILL, at its third row."""
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    done = [subprocess.run([sys.executable, script, folder, kill], capture_output=True, text=True, check=False)
            for folder, kill in ((tmp_path / "one", "3"), (tmp_path / "one", "0"), (tmp_path / "two", "0"))]
    assert [each.returncode for each in done] == [-9, 0, 0], done[1].stderr
    assert done[1].stdout == done[2].stdout != ""


SCRIPT = f"""
import os, signal, sys
import numpy as np, torch
from pathlib import Path
from macule.analysis.patient import Patient
from macule.data.record import Record
from macule.taxonomy import Diagnosis
from macule.training import labels, loop, recipe as recipes
from macule.training.batches import TrainingSet
torch.set_num_threads(1)
loop.LOG_EVERY, loop.CHECKPOINT_EVERY, left = 1, 1, int(sys.argv[2])
recipe = recipes.parse({BASE!r}, where="test")
records = [Record(Path("p"), "d", str(n), frozenset({{list(Diagnosis)[n % 3]}}), str(n), Patient()) for n in range(12)]
pictures = np.random.default_rng(0).integers(0, 255, (12, 40, 40, 3), np.uint8)
def show(row):
    global left
    left -= 1
    if left == 0: os.kill(os.getpid(), signal.SIGKILL)
data = TrainingSet(pictures, records, labels.allowed(records, recipe.targets))
network = loop.train(recipe, loop.start(recipe), data, Path(sys.argv[1]), show=show)
print([float(value.double().sum()) for value in network.state_dict().values()])
"""


# What is learnt


def test_training_learns(train, tmp_path):
    """A dozen pictures by heart."""
    recipe = made(phases=[{**PHASE, "epochs": 12, "learning_rate": 3e-3}], network__dropout=0, patient__all_dropout=0)
    train(recipe, tmp_path)
    losses = [row["loss"] for row in training_rows(tmp_path)]
    assert len(losses) == 36
    assert np.mean(losses[-6:]) < np.mean(losses[:3]) - 0.5


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize("settings", [{}, {"loss__kind": "focal", "loss__class_weights": "inverse"},
                                      {"sampling__curriculum": True}], ids=["plain", "focal", "curriculum"])
def test_in_parts_the_same_is_learnt(settings, parts, train, tmp_path):
    """Of a network without batch norm; up to the order of a sum."""
    settings = {**settings, "network__backbone": PLAIN, "network__dropout": 0, "optimiser__kind": "sgd",
                "phases": [{**PHASE, "samples": 32, "learning_rate": 0.1}], "engine__batch": 8}
    whole = train(made(**settings), tmp_path / "whole")
    found = train(made(**settings, engine__accumulate=parts), tmp_path / "parts")
    for name, value in weights(whole).items():
        torch.testing.assert_close(found.state_dict()[name], value, atol=1e-5, rtol=1e-4, msg=name)
    assert [row["loss"] for row in training_rows(tmp_path / "parts")] == pytest.approx(
        [row["loss"] for row in training_rows(tmp_path / "whole")], abs=2e-5)


@pytest.mark.parametrize("accumulate", [3, 8])
def test_parts_that_do_not_share_the_batch_evenly_are_refused(accumulate, train, tmp_path):
    """Pictures of the smaller part would count for more, and a part may not be empty."""
    with pytest.raises(UsageError, match=rf"engine\.batch is 4, which cannot be shared .* {accumulate} parts"):
        train(made(engine__accumulate=accumulate), tmp_path)


def test_only_what_may_learn_changes(train, tmp_path):
    """By group: the frozen weights and their batch statistics are those of the start, in both phases."""
    recipe = made(phases=PHASES)
    before = weights(loop.start(recipe))
    after = weights(train(recipe, tmp_path, frozen=True))
    kept = {name for name, value in before.items() if value.equal(after[name])}
    still = {name for name in before if name.startswith(("backbone.stem.", "backbone.stages.0."))}
    assert still and still <= kept
    changed = {name for name in before if name not in kept and before[name].dtype.is_floating_point}
    assert any(name.startswith("backbone.stages.3.") for name in changed)
    assert "head.classes.weight" in changed
    first = made(phases=PHASES[:1])
    after = weights(train(first, tmp_path / "first", frozen=True))
    assert all(value.equal(after[name]) for name, value in before.items() if name.startswith("backbone."))


def test_frozen_weights_are_imagenets(dozen, train, backbone, tmp_path):
    recipe = made(network__backbone="lite0", network__pretrained="require",
                  phases=[{**PHASE, "samples": 4, "trainable": "after:2"}])
    after = weights(train(recipe, tmp_path))
    expected = {"stem.0": backbone.conv_stem, "stem.1": backbone.bn1, "stages.0": backbone.blocks[0],
                "stages.1": backbone.blocks[1]}
    for place, module in expected.items():
        for name, value in module.state_dict().items():
            assert value.equal(after[f"backbone.{place}.{name}"]), f"{place}.{name}"
    assert not backbone.blocks[2].state_dict()["0.conv_pw.weight"].equal(after["backbone.stages.2.0.conv_pw.weight"])


def test_random_weights_are_not_frozen(train, tmp_path):
    recipe = made(phases=[{**PHASE, "samples": 8, "trainable": "head"}])
    before, after = weights(loop.start(recipe)), weights(train(recipe, tmp_path))
    assert not before["backbone.stem.0.weight"].equal(after["backbone.stem.0.weight"])


def test_the_rates_of_body_and_head(train, tmp_path, monkeypatch):
    """Each group has its own peak; norms and biases do not decay."""
    seen = []
    original = loop._Run._record
    monkeypatch.setattr(loop._Run, "_record", lambda run, *given: seen.append(
        [(group["lr"], group["weight_decay"]) for group in run.optimiser.param_groups]) or original(run, *given))
    train(made(phases=[{**PHASE, "samples": 8, "head_learning_rate": 4e-3}], schedule__kind="constant",
               schedule__warmup=0, optimiser__weight_decay=0.1), tmp_path)
    assert seen == [[(1e-3, 0.1), (4e-3, 0.1), (1e-3, 0.0), (4e-3, 0.0)]] * 2


def test_the_moving_average_is_what_is_kept(train, tmp_path):
    """With no memory it is the network itself; with one it lags behind."""
    itself = train(made(engine__ema=0), tmp_path / "0")
    checkpoint = state.read(tmp_path / "0" / state.CHECKPOINT)
    assert all(value.equal(itself.state_dict()[name]) for name, value in checkpoint["network"].items())
    lagging = train(made(engine__ema=0.9), tmp_path / "9")
    assert different(itself, lagging)
    checkpoint = state.read(tmp_path / "9" / state.CHECKPOINT)
    assert all(value.equal(itself.state_dict()[name]) for name, value in checkpoint["network"].items())


def test_a_lumped_label_trains_along(dozen, train, tmp_path):
    lumped = dozen.allowed.copy()
    lumped[0] = [code in (Diagnosis.NV, Diagnosis.BKL) for code in Diagnosis]
    data = TrainingSet(dozen.pictures, [replace(dozen.records[0], labels=frozenset({Diagnosis.NV, Diagnosis.BKL})),
                                        *dozen.records[1:]], lumped)
    train(made(), tmp_path, data=data)
    assert all(np.isfinite(row["loss"]) for row in training_rows(tmp_path))


def test_benign_from_malignant(dozen, train, tmp_path):
    from macule.training import labels
    from macule.training.recipe import Targets

    data = TrainingSet(dozen.pictures, dozen.records, labels.allowed(dozen.records, Targets.MALIGNANT))
    network = train(made(targets="malignant"), tmp_path, data=data).eval()
    assert network(torch.zeros(1, 3, 32, 32), torch.zeros(1, 13))[0].shape == (1, 2)


# The curve


def test_the_curve_tells_size_phase_epoch_and_rate_of_every_step(train, tmp_path):
    shown = []
    train(made(phases=[{**PHASE, "samples": 8}, {**PHASE, "size": 48, "samples": 8}], schedule__warmup=0), tmp_path,
          show=shown.append)
    found = rows(tmp_path)
    assert [(row["step"], row["phase"], row["size"]) for row in found] == [(0, 0, 32), (1, 0, 32), (2, 1, 48),
                                                                           (3, 1, 48)]
    assert [row["epoch"] for row in found] == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3], abs=1e-3)
    assert [row["rate"] for row in found] == pytest.approx([1e-3, 5e-4, 1e-3, 5e-4])
    assert [{key: row[key] for key in found[0]} for row in shown] == found and shown[0]["steps"] == 4


def test_rows_between_are_averaged(train, tmp_path, monkeypatch):
    train(made(), tmp_path / "each")
    monkeypatch.setattr(loop, "LOG_EVERY", 4)
    train(made(), tmp_path / "some")
    each = [row["loss"] for row in rows(tmp_path / "each")]
    assert [(row["step"], row["loss"]) for row in rows(tmp_path / "some")] == [
        (0, each[0]), (4, pytest.approx(np.mean(each[1:5]), abs=1e-4)), (5, pytest.approx(each[5], abs=1e-4))]


def test_validation_is_looked_at_as_often_as_asked(train, validation, tmp_path):
    """Three steps an epoch: after every epoch, and at the end of the phase."""
    recipe = made(phases=[{**PHASE, "samples": 32}], engine__validate_every=1)
    train(recipe, tmp_path, validation=validation)
    assert [row["step"] for row in looks(tmp_path)] == [2, 5, 7]
    assert set(looks(tmp_path)[0]["validation"]) == {"loss", "accuracy", "balanced_accuracy", "auc"}


def test_looking_oftener_than_every_step_is_every_step(train, validation, tmp_path):
    train(made(engine__validate_every=0.01), tmp_path, validation=validation)
    assert [row["step"] for row in looks(tmp_path)] == [0, 1, 2, 3, 4, 5]


# Early stopping and the plateau


def scripted(monkeypatch, losses):
    """Validation losses as given; returns the weights at each look."""
    # Patience in looks: an epoch here is no more than a few steps.
    monkeypatch.setattr("macule.training.judge._looks", lambda _, epochs: epochs)
    seen, left = [], iter(losses)

    def figures(found, data):
        return {"loss": next(left), "accuracy": 0.5, "balanced_accuracy": None, "auc": None}

    monkeypatch.setattr(loop.validate, "figures", figures)
    original = loop.validate.logits
    monkeypatch.setattr(loop.validate, "logits",
                        lambda network, *given, **named: seen.append(weights(network)) or original(
                            network, *given, **named))
    return seen


def test_early_stopping_keeps_the_best(train, validation, tmp_path, monkeypatch):
    seen = scripted(monkeypatch, [3.0, 2.0, 2.5, 2.2, 1.0])
    recipe = made(phases=[{**PHASE, "samples": 400}], engine__validate_every=1 / 3, stopping__patience=2)
    kept = weights(train(recipe, tmp_path, validation=validation))
    assert len(seen) == 4, "two looks without a better one ended it"
    assert all(value.equal(seen[1][name]) for name, value in kept.items())
    assert len(training_rows(tmp_path)) == 4


def test_each_phase_is_judged_by_itself_and_starts_from_the_best(train, validation, tmp_path, monkeypatch):
    seen = scripted(monkeypatch, [1.0, 2.0, 3.0, 7.0, 6.0, 8.0, 9.0])
    recipe = made(phases=[{**PHASE, "samples": 400, "learning_rate": 0.1}, {**PHASE, "samples": 400}],
                  engine__validate_every=1 / 3, stopping__patience=2)
    kept = weights(train(recipe, tmp_path, validation=validation))
    assert len(seen) == 7 and all(value.equal(seen[4][name]) for name, value in kept.items())
    assert [row["step"] for row in looks(tmp_path)] == [0, 1, 2, 100, 101, 102, 103]

    def gap(one, other):
        return max(float((one[name] - other[name]).abs().max()) for name in one if one[name].is_floating_point())

    assert gap(seen[3], seen[0]) < gap(seen[3], seen[2])


def test_an_undefined_figure_is_never_the_best(train, validation, tmp_path, monkeypatch):
    scripted(monkeypatch, [None, 2.0, None, None])
    recipe = made(phases=[{**PHASE, "samples": 400}], engine__validate_every=1 / 3, stopping__patience=2)
    train(recipe, tmp_path, validation=validation)
    assert [row["validation"]["loss"] for row in looks(tmp_path)] == [None, 2.0, None, None]


def test_the_plateau_lowers_the_rate(train, validation, tmp_path, monkeypatch):
    scripted(monkeypatch, [3.0, 3.0, 3.0, 2.0, 2.0, 2.0])
    recipe = made(engine__validate_every=1 / 3, schedule__kind="plateau", schedule__patience=2, schedule__factor=0.1,
                  schedule__warmup=0)
    train(recipe, tmp_path, validation=validation)
    assert [row["rate"] for row in training_rows(tmp_path)] == pytest.approx([1e-3] * 3 + [1e-4] * 3)


@pytest.mark.parametrize("settings", [{"stopping__patience": 2}, {"schedule__kind": "plateau"}])
def test_what_needs_to_look_is_refused_without_pictures_to_look_at(settings, train, tmp_path):
    with pytest.raises(UsageError, match="no calibration pictures"):
        train(made(engine__validate_every=1, **settings), tmp_path)


# Distillation


@pytest.fixture
def teacher(train, tmp_path):
    """Of other pictures' mean and spread than the student's (which has timm's)."""
    recipe = made(network__backbone="lite0", network__pretrained="no", phases=[{**PHASE, "samples": 4}])
    network = train(recipe, tmp_path / "teacher")
    trained.save(tmp_path / "teacher", network, recipe)
    return tmp_path / "teacher"


@pytest.mark.slow
def test_a_student_learns_its_teachers_answers(train, teacher, tmp_path, dozen):
    student = {"phases": [{**PHASE, "epochs": 12, "learning_rate": 3e-3}], "network__dropout": 0, "engine__ema": 0.5,
               "augment__strength": 0, "patient__field_dropout": 0, "patient__all_dropout": 0}
    distillation = {"teachers": [str(teacher)], "weight": 1.0}
    alone, told = train(made(**student), tmp_path / "alone"), train(made(**student, distillation=distillation),
                                                                    tmp_path / "told")
    expected = answers(trained.load(teacher).network, dozen)

    def gap(network):
        return np.abs(answers(network, dozen) - expected).mean()

    assert gap(told) < 0.5 * gap(alone)
    assert training_rows(tmp_path / "told")[-1]["loss"] < 0.3 * training_rows(tmp_path / "told")[0]["loss"]


def answers(network, data):
    found = loop.validate.logits(network, data, size=32, device=torch.device("cpu"),
                                 normalise=loop.Normalise(network.start.mean, network.start.std))
    return torch.softmax(torch.from_numpy(found), dim=1).numpy()


def test_a_teacher_sees_pictures_as_it_was_taught_to(train, teacher, tmp_path, dozen, monkeypatch):
    """Its own mean, spread and size, whatever the student's are: it answers as it would on its own."""
    told = []
    monkeypatch.setattr(loop.losses, "distilled",
                        lambda student, answer, **_: told.append(answer) or student.sum(1))
    recipe = made(phases=[{**PHASE, "size": 64, "samples": 4}], augment__strength=0, patient__field_dropout=0,
                  patient__all_dropout=0, distillation={"teachers": [str(teacher)], "weight": 1.0})
    monkeypatch.setattr(loop.Sampler, "batch", lambda *_: np.arange(4))
    train(recipe, tmp_path / "student")
    found = torch.softmax(told[0], dim=1).numpy()
    assert found == pytest.approx(answers(trained.load(teacher).network, part(dozen, slice(0, 4))), abs=0.01)


def test_a_teacher_of_other_classes_is_refused(train, teacher, tmp_path, dozen):
    from macule.training import labels
    from macule.training.recipe import Targets

    recipe = made(targets="malignant", distillation={"teachers": [str(teacher)]})
    data = TrainingSet(dozen.pictures, dozen.records, labels.allowed(dozen.records, Targets.MALIGNANT))
    with pytest.raises(UsageError, match="tells diagnosis apart and recipe tiny malignant"):
        train(recipe, tmp_path / "student", data=data)


# Faults


def test_divergence_ends_the_run_and_keeps_the_checkpoint(train, tmp_path):
    train(made(), tmp_path)
    checkpoint = state.read(tmp_path / state.CHECKPOINT)
    checkpoint["network"]["head.classes.bias"][:] = float("nan")
    checkpoint["step"] = 2
    torch.save(checkpoint, tmp_path / state.CHECKPOINT)
    poisoned = (tmp_path / state.CHECKPOINT).read_bytes()
    with pytest.raises(Diverged, match=r"the loss is nan at step 2: lower the learning_rate of phases\.0"):
        train(made(), tmp_path)
    assert (tmp_path / state.CHECKPOINT).read_bytes() == poisoned


@pytest.mark.parametrize("clip", [5.0, 0.0])
def test_a_gradient_that_is_no_number_never_reaches_a_checkpoint(train, tmp_path, monkeypatch, clip):
    """The loss is still a number when the gradient no longer is: the next checkpoint would be worth nothing."""
    def spoil(run, batch, original=loop._Run._learn, **given):
        loss = original(run, batch, **given)
        if run.step == 3:
            next(run.network.parameters()).grad.fill_(float("nan"))
        return loss

    monkeypatch.setattr(loop._Run, "_learn", spoil)
    with pytest.raises(Diverged, match=r"the gradient is nan at step 3: lower the learning_rate of phases\.0"):
        train(made(optimiser__clip=clip), tmp_path)
    checkpoint = state.read(tmp_path / state.CHECKPOINT)
    assert checkpoint["step"] == 2
    assert all(value.isfinite().all() for value in checkpoint["network"].values())


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError(
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate")])
def test_out_of_memory_is_named(train, tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(loop._Run, "_learn", fail)
    with pytest.raises(OutOfMemory, match=r"4 pictures in 1 parts need more memory than there is: set "
                                          r"engine\.accumulate=2, or a smaller engine\.batch"):
        train(made(), tmp_path)


def test_the_remedy_for_too_little_memory_is_one_that_is_accepted(train, tmp_path, monkeypatch):
    """Six pictures go through in 2, 3 or 6 parts, not in 4; one picture goes through in one."""
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(loop._Run, "_learn", fail)
    for batch, parts, said in ((6, 2, r"engine\.accumulate=3, or"), (6, 6, "set a smaller size"), (8, 2, "late=4")):
        with pytest.raises(OutOfMemory, match=said):
            train(made(engine__batch=batch, engine__accumulate=parts), tmp_path / f"{batch}-{parts}")


def test_out_of_memory_in_the_loader_is_named(train, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("macule.training.batches.augment.picture", fail)
    with pytest.raises(OutOfMemory):
        train(made(), tmp_path)


def test_an_error_of_the_loader_ends_the_run(train, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("in the loader")

    monkeypatch.setattr("macule.training.batches.augment.picture", fail)
    with pytest.raises(ZeroDivisionError, match="in the loader"):
        train(made(), tmp_path)


@pytest.mark.parametrize("parts", [{"engine__batch": 1}, {"engine__accumulate": 4}])
def test_one_picture_at_a_time_is_too_few_for_a_batch_norm(train, tmp_path, parts):
    with pytest.raises(UsageError, match="one picture goes through the network at a time, of which its batch norms"):
        train(made(**parts, network__fusion="metablock"), tmp_path)


def test_other_faults_keep_their_names(train, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(loop._Run, "_learn", fail)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        train(made(), tmp_path)


def test_no_space_for_the_curve_is_named(train, tmp_path):
    full = tmp_path / "curve.jsonl"
    try:
        full.symlink_to("/dev/full")
        full.open("a").close()
    except OSError:
        pytest.skip("needs /dev/full")
    with pytest.raises(OutOfSpace, match="no space left"):
        train(made(), tmp_path)


def test_a_damaged_checkpoint_is_named_and_its_remedy_works(train, moments, tmp_path):
    whole = train(made(), tmp_path / "whole")
    moments.start(kill_at=6)
    with pytest.raises(Killed):
        train(made(), tmp_path, show=moments.pass_by)
    moments.start()
    train(made(), tmp_path, show=moments.pass_by)
    (tmp_path / state.CHECKPOINT).write_bytes((tmp_path / state.CHECKPOINT).read_bytes()[:999])
    with pytest.raises(CheckpointDamaged, match="delete it, and the same command goes on from"):
        train(made(), tmp_path)
    (tmp_path / state.CHECKPOINT).unlink()
    assert different(whole, train(made(), tmp_path)) == []


def test_a_checkpoint_of_another_run_is_refused(train, dozen, validation, tmp_path):
    """It would be handed back as if the new recipe had made it; what comes after training may change."""
    train(made(), tmp_path)
    for change in ({"phases__0__learning_rate": 2e-3}, {"seed": 6}, {"phases__0__samples": 8}, {"loss__kind": "focal"},
                   {"sampling__exponent": 0.5}, {"augment__hair": 0.1}, {"engine__ema": 0.5}, {"serving__size": 48}):
        with pytest.raises(UsageError, match=r"checkpoint\.pt is of another recipe or other pictures"):
            train(made(**change), tmp_path)
    relabelled = [replace(dozen.records[0], labels=frozenset({Diagnosis.MEL})), *dozen.records[1:]]
    corrected = replace(dozen, records=relabelled, allowed=dozen.allowed[[1, *range(1, 12)]])
    for data in (part(dozen, slice(0, 8)), corrected):
        with pytest.raises(UsageError, match="other pictures"):
            train(made(), tmp_path, data=data)
    with pytest.raises(UsageError, match="other pictures"):
        train(made(), tmp_path, validation=validation)
    count = len(rows(tmp_path))
    train(made(serving__views=4, serving__logit_adjustment=0.5, summary="in other words", licence="CC0"), tmp_path)
    assert len(rows(tmp_path)) == count


@pytest.mark.parametrize("precision", ["fp16"])
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_precision_that_the_machine_lacks_is_refused(train, tmp_path, precision):
    with pytest.raises(UsageError, match=r"engine\.precision is 'fp16', which needs a GPU"):
        train(made(engine__precision=precision), tmp_path)


def test_a_size_that_the_network_cannot_read_is_refused(tmp_path):
    with pytest.raises(UsageError, match="a size of 40 px does not fit test_vit"):
        loop.start(made(network__backbone=PLAIN, phases=[{**PHASE, "size": 40, "samples": 8}]))


# Equal starts


def test_the_start_follows_from_the_seed():
    assert different(loop.start(made()), loop.start(made())) == []
    assert different(loop.start(made()), loop.start(made(seed=6)))


def test_a_run_does_not_depend_on_what_ran_before_it(train, tmp_path):
    one = train(made(), tmp_path / "one")
    torch.rand(17)
    train(made(network__backbone=PLAIN), tmp_path / "between")
    assert different(one, train(made(), tmp_path / "two")) == []


def test_channels_last_changes_nothing_but_the_order_in_memory(train, tmp_path):
    on, off = (train(made(engine__channels_last=flag), tmp_path / str(flag)) for flag in (True, False))
    for name, value in weights(on).items():
        torch.testing.assert_close(off.state_dict()[name], value, atol=2e-3, rtol=1e-2, msg=name)
    assert all(row["loss"] == pytest.approx(other["loss"], abs=1e-3) for row, other in zip(
        rows(tmp_path / "True"), rows(tmp_path / "False"), strict=True))


# Half precision


BFLOAT = SCRIPT.replace("recipe = recipes.parse(", "recipe = recipes.parse(bfloat ").replace(
    "bfloat ", "(lambda table: {**table, 'engine': {**table['engine'], 'precision': 'bf16'}})(", 1).replace(
    ", where=\"test\")", "), where=\"test\")", 1)


@pytest.mark.slow
def test_bfloat16(tmp_path):
    """In a process of its own: a processor that has it only by name ends the process with an illegal instruction."""
    script = tmp_path / "run.py"
    script.write_text(BFLOAT)
    done = subprocess.run([sys.executable, script, tmp_path / "run", "0"], capture_output=True, text=True, check=False)
    if done.returncode < 0:
        pytest.skip(f"this processor cannot run bfloat16: signal {-done.returncode}")
    assert done.returncode == 0, done.stderr
    losses = [row["loss"] for row in training_rows(tmp_path / "run")]
    assert len(losses) == 6 and all(np.isfinite(losses))
    checkpoint = state.read(tmp_path / "run" / state.CHECKPOINT)
    assert {value.dtype for value in checkpoint["network"].values() if value.is_floating_point()} == {torch.float32}


def test_steps_follow_each_other_without_a_gap(train, validation, tmp_path):
    recipe = made(phases=[{**PHASE, "samples": 12}] * 3, engine__validate_every=0.5)
    train(recipe, tmp_path, validation=validation)
    steps = [row["step"] for row in training_rows(tmp_path)]
    assert steps[0] == 0 and steps[-1] == 8 and all(other - one == 1 for one, other in pairwise(steps))
