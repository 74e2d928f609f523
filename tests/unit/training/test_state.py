"""A checkpoint outlives kills, full disks and damage, or says by name that it did not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch

from macule.errors import CheckpointDamaged, OutOfSpace, UsageError
from macule.training import state
from macule.training.state import CHECKPOINT, PREVIOUS

pytestmark = pytest.mark.training

FULL = Path("/dev/full")  # a file on a disk that is always full


class Killed(BaseException):
    """What no code catches."""


def parts(step, numbers=64):
    return {"network": {"weight": torch.full((numbers,), float(step))}, "step": step, "made_for": "us", "best": None}


def steps(folder):
    """Of the checkpoint that a run would go on from."""
    return state.load(folder, made_for="us")["step"]


@pytest.fixture
def saved(tmp_path):
    """Steps 1 and 2 have been saved."""
    state.save(tmp_path, parts(1))
    state.save(tmp_path, parts(2))
    return tmp_path


def test_what_was_saved_comes_back(saved):
    found = state.load(saved, made_for="us")
    assert found["step"] == 2 and found["best"] is None and found["network"]["weight"].equal(torch.full((64,), 2.0))
    assert {file.name for file in saved.iterdir()} == {CHECKPOINT, PREVIOUS}
    assert state.read(saved / PREVIOUS)["step"] == 1


def test_there_may_be_none(tmp_path):
    assert state.load(tmp_path, made_for="us") is None


def test_that_of_another_run_is_refused(saved):
    with pytest.raises(UsageError, match=r"checkpoint\.pt is of another recipe or other pictures"):
        state.load(saved, made_for="them")


# Killed


@pytest.mark.parametrize(("survived", "expected"), [(0, 2), (1, 2), (2, 3)])
def test_a_kill_at_any_rename_leaves_a_checkpoint(saved, monkeypatch, survived, expected):
    """Between the two renames of a save, only the previous one is there."""
    renames = []

    def replace(path, target, original=Path.replace):
        if len(renames) == survived:
            raise Killed
        renames.append(target)
        return original(path, target)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "replace", replace)
        state.save(saved, parts(3))
        raise Killed
    assert steps(saved) == expected
    state.save(saved, parts(4))
    assert steps(saved) == 4


def test_a_kill_in_the_middle_of_writing_leaves_the_last_one(saved):
    (saved / CHECKPOINT).with_suffix(".partial").write_bytes((saved / CHECKPOINT).read_bytes()[:300])
    assert steps(saved) == 2
    state.save(saved, parts(3))
    assert steps(saved) == 3


# Full


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("numbers", [1, 100_000], ids=["little to write", "much to write"])
def test_a_full_disk_is_named_and_the_last_checkpoint_stays(saved, numbers):
    partial = (saved / CHECKPOINT).with_suffix(".partial")
    partial.symlink_to(FULL)
    with pytest.raises(OutOfSpace, match=re.escape(f"no space left for {partial}: free some and run the same command")):
        state.save(saved, parts(3, numbers))
    assert not partial.is_symlink(), "nothing half-written is left"
    assert steps(saved) == 2
    state.save(saved, parts(3, numbers))
    assert steps(saved) == 3


def test_another_fault_is_not_called_a_full_disk(saved):
    (saved / CHECKPOINT).with_suffix(".partial").mkdir()
    with pytest.raises(IsADirectoryError):
        state.save(saved, parts(3))
    assert steps(saved) == 2


# Damaged


def flip(whole, place, rng):
    return whole[:place] + bytes([whole[place] ^ 1 << int(rng.integers(8))]) + whole[place + 1:]


def in_the_weights(whole, rng):
    return flip(whole, whole.index(torch.full((64,), 2.0).numpy().tobytes()) + int(rng.integers(256)), rng)


DAMAGES = {
    "empty": lambda *_: b"",
    "cut short": lambda whole, rng: whole[: rng.integers(1, len(whole))],
    "garbage": lambda _, rng: rng.bytes(500),
    "garbage of an old kind": lambda _, rng: b"\x80\x02" + rng.bytes(rng.integers(1, 300)),
    "one bit of the weights": in_the_weights,
    "one bit of anything": lambda whole, rng: flip(whole, int(rng.integers(len(whole))), rng),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_and_never_learnt_on_from(saved, damage):
    whole, rng = (saved / CHECKPOINT).read_bytes(), np.random.default_rng(0)
    told = 0
    for _ in range(60):
        (saved / CHECKPOINT).write_bytes(DAMAGES[damage](whole, rng))
        try:
            found = state.load(saved, made_for="us")
        except CheckpointDamaged as error:
            assert "checkpoint.pt cannot be read (" in str(error)
            assert f"delete it, and the same command goes on from {PREVIOUS}" in str(error)
            told += 1
        else:
            assert found["network"]["weight"].equal(torch.full((64,), 2.0)), "padding may be anything"
    assert told == 60 or (damage == "one bit of anything" and told > 30)


def test_the_remedy_works(saved):
    (saved / CHECKPOINT).write_bytes(b"torn")
    with pytest.raises(CheckpointDamaged, match=rf"goes on from {PREVIOUS}"):
        steps(saved)
    (saved / CHECKPOINT).unlink()
    assert steps(saved) == 1
    (saved / PREVIOUS).write_bytes(b"torn")
    with pytest.raises(CheckpointDamaged, match=r"checkpoint\.previous\.pt .* the same command starts anew"):
        steps(saved)
    (saved / PREVIOUS).unlink()
    assert state.load(saved, made_for="us") is None


@pytest.mark.parametrize("content", [[1, 2], torch.ones(3)], ids=["a list", "a tensor"])
def test_a_file_that_holds_something_else(saved, content):
    torch.save(content, saved / CHECKPOINT)
    with pytest.raises(CheckpointDamaged, match="it holds "):
        steps(saved)


def test_a_file_with_code_in_it_is_not_run(saved):
    torch.save(torch.nn.Linear(1, 1), saved / CHECKPOINT)
    with pytest.raises(CheckpointDamaged):
        steps(saved)
