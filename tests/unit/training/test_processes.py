"""One run on two processes of torchrun learns what one process learns, and is written once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import miniature
import pytest

pytest.importorskip("torch", reason="needs the training extra")

import torch

from macule.analysis import bundle as bundles
from macule.evaluation import runs
from macule.training import state, trained

pytestmark = [pytest.mark.training, pytest.mark.slow, pytest.mark.timeout(900)]

#: Three steps, without batch norm, whose statistics each process takes of its own pictures, and without dropout.
RECIPE = {
    "name": "tiny", "summary": "for tests", "datasets": ["ham10000"],
    "split": {"train": 0.5, "calibration": 0.25, "test": 0.25, "search": False},
    "network": {"backbone": "test_vit", "pretrained": "no", "dropout": 0},
    "phases": [{"size": 32, "samples": 24, "learning_rate": 1e-2}],
    "optimiser": {"kind": "sgd"}, "schedule": {"kind": "constant", "warmup": 0},
    "engine": {"batch": 8, "accumulate": 2, "ema": 0.5, "validate_every": 0.4}, "stopping": {"patience": 5},
    "sampling": {"curriculum": True, "until": 1.0}, "serving": {"size": 32, "views": 1},
}
SCRIPT = """
import json, os, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from macule.training import build, bundling, export, fit, loop, record, state
from macule.training import recipe as recipes
from macule.training.build import Source

fit.MIN_POSITIVES, fit.GATE_DIRECTIONS, loop.LOG_EVERY, loop.CHECKPOINT_EVERY = 2, 8, 1, 1
place, table = Path(sys.argv[1]), json.loads(sys.argv[2])

def told(module, name):
    original = getattr(module, name)
    def tell(*given, **named):
        with (place / "told").open("a") as stream:
            stream.write(f"{name} {os.environ.get('RANK', '0')}\\n")
        return original(*given, **named)
    setattr(module, name, tell)

for module, name in ((record, "start"), (record, "finish"), (state, "save"), (bundling, "write")):
    told(module, name)
to_onnx = export.to_onnx
export.to_onnx = lambda network, path, *, size: to_onnx(network, path, size=size, exporter="torchscript")
build.build(recipes.parse(table, where="test"), Source(place.parent / "data", place / "work"), place / "bundle",
            log=lambda text: print(f"SAID {text}"))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("place")
    rows = [miniature.ham_row(f"{n:04}", f"{n:07}", ("nv", "mel", "bcc")[n % 3]) for n in range(48)]
    miniature.ham10000(place / "data" / "HAM10000", rows, paint=miniature.drawn())
    (place / "run.py").write_text(SCRIPT)
    return place


def run(place, name, recipe, *, processes):
    folder = place / name
    folder.mkdir()
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    done = subprocess.run([sys.executable, *launch, str(place / "run.py"), str(folder), json.dumps(recipe)],
                          env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
                          capture_output=True, text=True, check=False)
    return done, folder


def whole(place, name, recipe, *, processes):
    done, folder = run(place, name, recipe, processes=processes)
    assert done.returncode == 0, done.stderr[-3000:]
    (made,) = (folder / "work").glob("tiny-*")
    return done, folder, made


@pytest.fixture(scope="module")
def one(place):
    return whole(place, "one", RECIPE, processes=1)


@pytest.fixture(scope="module")
def two(place):
    return whole(place, "two", RECIPE, processes=2)


def test_two_processes_learn_what_one_learns(one, two):
    expected, found = (trained.load(made).network.state_dict() for _, _, made in (one, two))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-5, msg=name)
    start = trained.load(one[2])
    assert start.recipe.engine.batch == 8
    losses = [[row["validation"]["loss"] for row in _rows(made) if "validation" in row] for _, _, made in (one, two)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4) and len(losses[0]) == 3


def _rows(made):
    return [json.loads(line) for line in (made / "curve.jsonl").read_text().splitlines()]


def test_everything_is_written_once_by_the_first(two):
    _, folder, made = two
    told = (folder / "told").read_text().split("\n")[:-1]
    assert told == ["start 0", "save 0", "save 0", "save 0", "write 0", "finish 0"]
    assert [row["step"] for row in _rows(made) if "loss" in row] == [0, 1, 2]
    assert runs.read(made).status == "finished" and runs.read(made).resumed == ()
    assert bundles.load(folder / "bundle").id == "tiny"
    assert set(state.read(made / state.CHECKPOINT)) >= {"network", "average", "optimiser"}


def test_only_the_first_speaks(one, two):
    said = [[line for line in done.stdout.splitlines() if line.startswith("SAID")] for done, _, _ in (one, two)]
    assert len(said[0]) == len(said[1]) > 3


def test_a_batch_that_two_cannot_share_is_refused(place):
    engine = {**RECIPE["engine"], "batch": 7}
    done, folder = run(place, "odd", {**RECIPE, "engine": engine}, processes=2)
    assert done.returncode != 0 and "engine.batch is 7, which cannot be shared evenly by 2 processes" in done.stderr
    assert not list(Path(folder).glob("work/*/checkpoint.pt"))
