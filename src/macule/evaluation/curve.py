"""A run's curve: one JSON object a line, appended while it trains. Damage at the end, as a power cut leaves it, is cut.

A training row holds step, epoch, phase, size, loss, rate and seconds; a row of a look at the validation part holds
step, epoch, phase and validation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macule.errors import RunDamaged

#: What a look at the validation part measures -> whether more is better.
FIGURES = {"loss": False, "accuracy": True, "balanced_accuracy": True, "auc": True}


@dataclass(frozen=True)
class Step:
    """One training row. rate: of the pretrained weights. seconds: since this process began to train."""

    step: int
    epoch: float
    phase: int
    size: int
    loss: float
    rate: float
    seconds: float


@dataclass(frozen=True)
class Look:
    """One look at the validation part. A figure that is undefined there is None."""

    step: int
    epoch: float
    phase: int
    loss: float | None
    accuracy: float | None
    balanced_accuracy: float | None
    auc: float | None

    def value(self, figure: str) -> float | None:
        found: float | None = getattr(self, figure)
        return found


@dataclass(frozen=True)
class Curve:
    """Both kinds of rows by step, each step once."""

    steps: tuple[Step, ...] = ()
    looks: tuple[Look, ...] = ()

    @property
    def seconds(self) -> float:
        """Spent on these steps. After a resume the clock of the rows starts again."""
        total, before = 0.0, 0.0
        for row in self.steps:
            total += row.seconds - before if row.seconds >= before else row.seconds
            before = row.seconds
        return total

    def best(self, figure: str) -> Look | None:
        """The best look by one of FIGURES, the earliest of equals; None if it was never defined."""
        known = [(value, look) for look in self.looks if (value := look.value(figure)) is not None]
        if not known:
            return None
        sign = 1 if FIGURES[figure] else -1
        return max(known, key=lambda each: sign * each[0])[1]


def read_curve(path: Path) -> Curve:
    """A missing file is an empty curve; a last line that is not whole is left out.

    Rows that a resumed run repeated are taken from the resumed run. Raises: RunDamaged naming the line.
    """
    lines = path.read_bytes().splitlines() if path.exists() else []
    steps: list[Step] = []
    looks: list[Look] = []
    for number, line in enumerate(lines, 1):
        try:
            _add(_row(json.loads(line)), steps, looks)
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise RunDamaged(f"{path} line {number} of {len(lines)} is damaged ({error!r}): take the line out, or "
                             "delete the folder and train again.") from error
    return Curve(tuple(steps), tuple(looks))


def whole(path: Path) -> int:
    """How many bytes of a curve file are whole lines: what stands after them is what a power cut left."""
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    last = content[:end].splitlines()[-1:]
    if last and not _is_row(last[0]):
        end -= len(last[0]) + 1
    return end


def _is_row(line: bytes) -> bool:
    try:
        _row(json.loads(line))
    except (ValueError, KeyError, TypeError):
        return False
    return True


def _add(row: Step | Look, steps: list[Step], looks: list[Look]) -> None:
    """Where a row goes back to an earlier step, the run was resumed there: what stood from there on is repeated.

    At one and the same step a training row and a look may stand, in either order.
    """
    here = row.step
    while steps and (steps[-1].step > here or (steps[-1].step == here and isinstance(row, Step))):
        steps.pop()
    while looks and (looks[-1].step > here or (looks[-1].step == here and isinstance(row, Look))):
        looks.pop()
    if isinstance(row, Step):
        steps.append(row)
    else:
        looks.append(row)


def _row(row: Mapping[str, Any]) -> Step | Look:
    place = int(row["step"]), float(row["epoch"]), int(row["phase"])
    if "validation" not in row:
        return Step(*place, int(row["size"]), float(row["loss"]), float(row["rate"]), float(row["seconds"]))
    return Look(*place, *(_defined(row["validation"].get(name)) for name in FIGURES))


def _defined(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
