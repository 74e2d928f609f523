"""How much of the bare network's speed the training loop keeps: `python benchmarks/training.py`.

bare: forward, backward and step on tensors that lie in memory. loop: macule.training.loop with its loader, default
augmentation, moving average, clipping and curve, on decoded pictures in a memory-mapped file. Same network, batch, size
and rule of what learns, by turns in one process; the ratio of each round is told with its spread, by the clock and by
the processors' time, all threads together: where other work shares the machine, only the latter means much. Then what
channels_last and bfloat16 do to the bare step, each beside its rival; a processor that has bfloat16 only by name ends
the process with an illegal instruction, so that runs in one of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

# Before torch: idle threads that spin would starve the loader.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from torch import nn

from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.data.record import Record
from macule.examples import draw, preset
from macule.taxonomy import Diagnosis
from macule.training import build, labels, loop, optimisers, recipe, state
from macule.training.batches import TrainingSet
from macule.training.recipe import Recipe

WHAT = ("lite1@208:after:2", "lite1@160:after:2", "mobilenetv3_large_100@224:all", "resnet50@224:all")
PICTURES, SIDE = 384, 256
WARM = 5  # steps before the clock starts: by then the loader is no longer ahead of a slow start


@dataclass(frozen=True)
class Case:
    """As written: network@size:what learns. batch: pictures a step."""

    text: str
    batch: int
    precision: str = "fp32"

    @property
    def recipe(self) -> Recipe:
        backbone, _, rest = self.text.partition("@")
        size, _, trainable = rest.partition(":")
        return recipe.parse({
            "name": "timed", "summary": "timed", "datasets": ["made"],
            "network": {"backbone": backbone, "pretrained": "prefer" if backbone.startswith("lite") else "no"},
            "phases": [{"size": int(size), "samples": self.batch, "learning_rate": 1e-4, "trainable": trainable}],
            "engine": {"batch": self.batch, "validate_every": 0, "precision": self.precision},
            "serving": {"size": int(size)},
        }, where="benchmark")


class Pace(NamedTuple):
    """Steps a second, by the clock and of the processors' time."""

    clock: float
    cpu: float


class Stopwatch:
    def __init__(self) -> None:
        wait()
        self._clock, self._cpu = time.perf_counter(), time.process_time()

    def pace(self, steps: int) -> Pace:
        wait()
        return Pace(steps / (time.perf_counter() - self._clock), steps / (time.process_time() - self._cpu))


class Bare:
    """Steps of the network alone."""

    def __init__(self, case: Case, *, channels_last: bool = True, bfloat16: bool = False) -> None:
        made, device = case.recipe, accelerator()
        phase, self.bfloat16 = made.phases[0], bfloat16
        form = torch.channels_last if channels_last else torch.contiguous_format
        self.network = loop.start(made).to(device=device, memory_format=form)  # type: ignore[call-overload]
        self.network.set_trainable(phase.trainable)
        self.optimiser = optimisers.make(made.optimiser, phase, self.network)
        images = torch.randn(case.batch, 3, phase.size, phase.size, device=device)
        self.images, self.about = images.contiguous(memory_format=form), torch.rand(case.batch, 13, device=device)
        self.targets = torch.randint(0, 11, (case.batch,), device=device)
        self.network.train()

    def step(self) -> None:
        with torch.autocast(self.images.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = self.network(self.images, self.about)[0]
        self.optimiser.zero_grad()
        nn.functional.cross_entropy(logits.float(), self.targets).backward()
        self.optimiser.step()

    def pace(self, steps: int) -> Pace:
        for _ in range(WARM):
            self.step()
        watch = Stopwatch()
        for _ in range(steps):
            self.step()
        return watch.pace(steps)


def loop_pace(case: Case, data: TrainingSet, steps: int) -> Pace:
    """From the end of one step of the loop to the end of another."""
    made = case.recipe.changed({"phases.0.samples": case.batch * (WARM + steps + 1)})
    watches: list[Stopwatch] = []
    found: list[Pace] = []

    def show(row: loop.Row) -> None:
        if row["step"] == WARM:
            watches.append(Stopwatch())
        if row["step"] == WARM + steps:
            found.append(watches[0].pace(steps))

    loop.LOG_EVERY = 1  # more than the twentieth of rows that is usual
    with tempfile.TemporaryDirectory() as folder:
        loop.train(made, loop.start(made), data, Path(folder), show=show)
    return found[0]


def accelerator() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def pictures(folder: Path) -> TrainingSet:
    """As the cache keeps them."""
    codes = list(Diagnosis)
    about = Patient(age=50.0, sex=Sex.MALE, site=Site.HAND, modality=Modality.DERMOSCOPIC)
    records = [Record(Path(f"{n}.jpg"), "made", str(n), frozenset({codes[n % 11]}), f"made:{n}", about)
               for n in range(PICTURES)]
    shape = (PICTURES, SIDE, SIDE, 3)
    file = np.lib.format.open_memmap(folder / "pictures.npy", mode="w+", dtype=np.uint8, shape=shape)
    drawn = [draw(preset("naevus"), size=(SIDE, SIDE), seed=seed) for seed in range(8)]
    for n in range(PICTURES):
        file[n] = drawn[n % 8]
    file.flush()
    cached = np.load(folder / "pictures.npy", mmap_mode="r")
    return TrainingSet(cached, records, labels.allowed(records, recipe.Targets.DIAGNOSIS))


def by_turns(rounds: int, one: Callable[[], Pace], other: Callable[[], Pace]) -> tuple[list[Pace], list[Pace]]:
    """Which goes first changes with each round, so that a noisy minute hits both."""
    found: tuple[list[Pace], list[Pace]] = ([], [])
    for number in range(rounds):
        for place in ((0, 1), (1, 0))[number % 2]:
            found[place].append((one, other)[place]())
    return found


def told(name: str, batch: int, ones: list[Pace], others: list[Pace], aim: str = "-") -> str:
    rates = (f"{statistics.median(pace.clock for pace in paces) * batch:.1f}" for paces in (ones, others))
    ratios = [[one[kind] / other[kind] for one, other in zip(ones, others, strict=True)] for kind in (0, 1)]
    spreads = (f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in ratios)
    return "| " + " | ".join((name, *rates, *spreads, aim)) + " |"


def loops(given: argparse.Namespace) -> None:
    print("| network, size, what learns | loop, pictures/s | bare, pictures/s | ratio, clock | ratio, CPU | aim |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        data = pictures(Path(name))
        for text in given.what:
            case = Case(text, given.batch, given.precision)
            bare = Bare(case, bfloat16=given.precision == "bf16")
            found = by_turns(given.rounds, partial(loop_pace, case, data, given.steps), partial(bare.pace, given.steps))
            print(told(text, given.batch, *found, ">= 0.9"), flush=True)


def formats(given: argparse.Namespace) -> None:
    print("\n| bare step | pictures/s | rival's pictures/s | ratio, clock | ratio, CPU | aim |")
    print("| --- | --- | --- | --- | --- | --- |")
    for text in given.what:
        case = Case(text, given.batch)
        last, plain = Bare(case), Bare(case, channels_last=False)
        found = by_turns(given.rounds, partial(last.pace, given.steps), partial(plain.pace, given.steps))
        print(told(f"{text}, channels_last over contiguous", given.batch, *found), flush=True)
        print(in_a_process(text, given), flush=True)


def in_a_process(text: str, given: argparse.Namespace) -> str:
    """bfloat16 beside fp32, both channels_last."""
    name = f"{text}, bf16 over fp32"
    command = [sys.executable, __file__, "--bfloat16", text, *(
        word for option in ("batch", "steps", "rounds") for word in (f"--{option}", str(getattr(given, option))))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode < 0:
        return f"| {name} | - | - | ended by signal {-done.returncode}: this processor has no bfloat16 | - | - |"
    if done.returncode:
        raise RuntimeError(done.stderr)
    ones, others = ([Pace(*pace) for pace in paces] for paces in json.loads(done.stdout))
    return told(name, given.batch, ones, others)


def bfloat16(given: argparse.Namespace) -> None:
    case = Case(given.bfloat16, given.batch)
    half, full = Bare(case, bfloat16=True), Bare(case)
    print(json.dumps(by_turns(given.rounds, partial(half.pace, given.steps), partial(full.pace, given.steps))))


def checkpoint(given: argparse.Namespace) -> None:
    """What is not in the rates above."""
    bare = Bare(Case(given.what[0], given.batch))
    parts = {"network": bare.network.state_dict(), "average": bare.network.state_dict(),
             "optimiser": bare.optimiser.state_dict()}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        state.save(Path(folder), parts)
        print(f"\nA checkpoint of {given.what[0]}, every {loop.CHECKPOINT_EVERY} steps: "
              f"{time.perf_counter() - start:.2f} s")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=WHAT, help="network@size:what learns")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of the loop and of its rival")
    parser.add_argument("--skip-formats", action="store_true")
    parser.add_argument("--bfloat16", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    build.limit_threads()
    if given.bfloat16:
        bfloat16(given)
        return
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} cores"
    print(f"{where}, torch {torch.__version__}, batch {given.batch}, {given.steps} steps a round, {given.rounds} rounds"
          "\n")
    with contextlib.suppress(KeyboardInterrupt):
        loops(given)
        if not given.skip_formats:
            formats(given)
        checkpoint(given)


if __name__ == "__main__":
    main()
