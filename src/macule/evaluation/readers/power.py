"""What difference a design can find: many simulated studies of it, each put to the test that real ones are put to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from macule.evaluation.readers import jackknife, mrmc
from macule.evaluation.readers.mrmc import rounded
from macule.examples.reader_study import Design, Simulated, simulate

#: How far readers go along with the model, from not at all, where no difference is there to be found.
TRUSTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)


@dataclass(frozen=True)
class Power:
    """difference: the true mean gain in the area under the curve. found: share of studies with p < 0.05 over readers
    and cases; with these readers fixed: fixed_found. covered: share whose interval held the true mean difference of
    the simulated readers' population. width: mean length of that interval.
    """

    trust: float
    studies: int
    difference: float
    found: float
    fixed_found: float
    covered: float
    width: float

    def to_dict(self) -> dict[str, Any]:
        return {name: rounded(value) for name, value in asdict(self).items()}


def table(design: Design, *, studies: int, seed: int = 0, trusts: tuple[float, ...] = TRUSTS,
          tick: Callable[[], None] = lambda: None) -> list[Power]:
    """A row a degree of trust, each from its own simulated studies."""
    return [of(replace(design, trust=trust), studies=studies, seed=seed + 1_000_003 * place, tick=tick)
            for place, trust in enumerate(trusts)]


def of(design: Design, *, studies: int, seed: int = 0, tick: Callable[[], None] = lambda: None) -> Power:
    truths, verdicts = [], []
    for number in range(studies):
        found = simulate(design, seed=seed + number)
        truths.append(float(np.diff(found.areas.mean(axis=1))[0]))
        verdicts.append(compare(found))
        tick()
    true = float(np.mean(truths))
    random = [verdict.random for verdict in verdicts]
    return Power(
        design.trust, studies, true,
        float(np.mean([verdict.p < 0.05 for verdict in random])),
        float(np.mean([verdict.fixed.p < 0.05 for verdict in verdicts])),
        float(np.mean([verdict.low <= true <= verdict.high for verdict in random])),
        float(np.mean([verdict.high - verdict.low for verdict in random])),
    )


def compare(found: Simulated) -> mrmc.Comparison:
    """Aided with unaided readers, by the area under the curve."""
    views = found.views.reshape(-1, found.design.pictures)
    return mrmc.compare(jackknife.areas(views, found.positive, found.lesion))
