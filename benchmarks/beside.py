"""Two networks side by side: their pace on one core by turns, and their answers to the same pictures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import parted
from numpy.typing import NDArray

from macule.analysis.calibration import SUSPICIOUS, Calibration
from macule.analysis.patient import VECTOR_LENGTH
from macule.analysis.preprocess import Preprocessing
from macule.data import sources
from macule.data.record import Record
from macule.evaluation import marks, metrics
from macule.evaluation.metrics import Figure, Floats
from macule.taxonomy import Diagnosis
from macule.training import bundling

CODES = list(Diagnosis)
MEL = CODES.index(Diagnosis.MEL)
#: Calls of which a round takes the quickest: what another program interrupts is not the network's time.
CALLS = 5
Ints = NDArray[np.int64]
#: The pictures to compare on.
records = parted.records


@dataclass(frozen=True)
class Pace:
    """Milliseconds of one core's time a view, of the one and the other network, and how many times as quick the other
    is: median, least and most of the rounds."""

    one: float
    other: float
    ratio: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.ratio:.2f} ({self.least:.2f} to {self.most:.2f})"


def pace(one: Path, other: Path, *, sizes: tuple[int, int], rounds: int) -> Pace:
    """By turns in one process. The thread's own time is counted: on a machine that other work shares, the clock's says
    little."""
    calls = [_call(path, size) for path, size in zip((one, other), sizes, strict=True)]
    for call in calls:
        for _ in range(CALLS):
            call()
    found = [[min(_seconds(call) for _ in range(CALLS)) for call in calls] for _ in range(rounds)]
    ratios = sorted(first / second for first, second in found)
    first, second = (1000 * statistics.median(each) for each in zip(*found, strict=True))
    return Pace(first, second, statistics.median(ratios), ratios[0], ratios[-1])


def _call(path: Path, size: int) -> Callable[[], object]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).normal(0, 0.4, (1, 3, size, size)).astype(np.float32)
    given = {"image": image, "patient": np.zeros((1, VECTOR_LENGTH), np.float32)}
    return lambda: session.run(None, given)


def _seconds(call: Callable[[], object]) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start


def shares(model: Path, spec: Preprocessing, how: Calibration, asked: Sequence[Record]) -> tuple[Floats, Floats]:
    """Logits and probabilities, each (N, 11), by the views of the preprocessing; the gate is not asked."""
    logits, _ = bundling.infer(model, spec, asked)
    return logits, how.shares(logits)


def figures(found: Floats, asked: Sequence[Record], classes: Sequence[int]) -> Callable[[Floats], Mapping[str, Floats]]:
    """What is measured of probabilities, (N, 11), as `metrics.figures` takes it. classes: that the labels can take."""
    targets = targets_of(asked)
    predicted = np.asarray(classes)[found[:, classes].argmax(axis=1)]
    suspicious = SUSPICIOUS[targets]
    malignant, melanoma = found[:, SUSPICIOUS].sum(axis=1), found[:, MEL]
    return lambda weights: {
        "balanced accuracy": metrics.balanced_accuracy(predicted, targets, weights),
        "malignant AUC": metrics.auc(malignant, suspicious, weights),
        "melanoma AUC": metrics.auc(melanoma, targets == MEL, weights),
    }


def compare(one: Floats, other: Floats, asked: Sequence[Record]) -> dict[str, tuple[Figure, Figure, Figure]]:
    """Each figure of the one, of the other, and of other less one, paired over resamples of whole lesions."""
    classes = sorted({CODES.index(code) for record in asked for code in sources.find(record.dataset).classes})
    weights = metrics.resample([record.group for record in asked])
    first, second = (figures(each, asked, classes) for each in (one, other))

    def measure(drawn: Floats) -> dict[tuple[str, str], Floats]:
        left, right = first(drawn), second(drawn)
        rows = {"one": left, "other": right, "less": {name: right[name] - left[name] for name in left}}
        return {(name, which): values for which, row in rows.items() for name, values in row.items()}

    found = metrics.figures(measure, weights)
    names = dict.fromkeys(name for name, _ in found)
    return {name: (found[name, "one"], found[name, "other"], found[name, "less"]) for name in names}


def targets_of(asked: Sequence[Record]) -> Ints:
    return np.array([CODES.index(next(iter(record.labels))) for record in asked])


def lesions(asked: Sequence[Record]) -> int:
    return len({record.group for record in asked})


def signed(figure: Figure) -> str:
    """A difference in points of a hundred."""
    if np.isnan(figure.low):
        return f"{100 * figure.value:+.1f}"
    return f"{100 * figure.value:+.1f} ({100 * figure.low:+.1f} to {100 * figure.high:+.1f})"


def fill(page: Path, name: str, text: str) -> None:
    """Put a table between the two marks of its name in a Markdown page. Raises: ValueError if it lacks them."""
    marks.fill(page, f"<!-- {name} -->", f"<!-- /{name} -->", text)
