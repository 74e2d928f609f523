"""A queue that is killed without warning goes on from its checkpoint: real processes, real training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.evaluation import runs
from macule.training.queue.ledger import Ledger

pytestmark = [pytest.mark.training, pytest.mark.slow, pytest.mark.timeout(1800)]

#: Enough steps for a checkpoint (every 100) and some after it. The second row learns from the first.
FILE = """
recipe = "sanity"
set = ["engine.batch=2", "phases.0.epochs=1.5", "phases.0.size=32", "serving.size=32"]

[[entry]]
name = "first"
hypothesis = "It is killed and goes on."
expected = "Malignant AUC above chance."
expect = ["malignant_auc > 0.5"]

[[entry]]
name = "second"
set = ["phases.0.epochs=0.2", 'distillation={teachers=["{first}"]}']
baseline = "first"
hypothesis = "It learns from what was killed."
expected = "No more than its teacher."
"""


@pytest.fixture
def macule(tmp_path):
    (tmp_path / "tries.toml").write_text(FILE)

    def start(*arguments):
        return subprocess.Popen([sys.executable, "-m", "macule", "queue", *arguments], cwd=tmp_path, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})

    return start


def said(process):
    out, _ = process.communicate()
    assert process.returncode == 0, out
    return out


def wait_for_a_checkpoint(work, process):
    while not list(work.glob("first-*/checkpoint.pt")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.1)


def test_killed_and_started_again(macule, tmp_path):
    work = tmp_path / "work"
    process = macule("run", "tries.toml")
    wait_for_a_checkpoint(work, process)
    second = macule("run", "tries.toml")
    out, _ = second.communicate()
    assert second.returncode == 3 and f"process {process.pid} on " in out
    assert "running" in said(macule("status", "tries.toml"))
    process.kill()
    process.communicate()
    assert "stopped" in said(macule("status", "tries.toml"))
    out = said(macule("run", "tries.toml"))
    assert f"the lock of process {process.pid} on " in out and "Ended in this start: first, second." in out
    (first,), (student,) = work.glob("first-*"), work.glob("second-*")
    rows = [json.loads(line) for line in (first / "curve.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows].count(0) == 1, "it went on, and did not begin again"
    assert len(runs.load(first)["resumed"]) == 1
    assert runs.load(student)["recipe"]["distillation"]["teachers"] == [f"work/{first.name}"]
    assert [event.what for event in Ledger.of(work, "tries").events()] == ["began", "began", "ended", "began", "ended"]
    said(macule("log", "tries.toml", "--out", "log.md"))
    text = (tmp_path / "log.md").read_text()
    assert "`malignant_auc > 0.5`" in text and "| folder, less `first` | 80 |" in text
