"""Pictures that were made worse, sent through the serving path, and what changed in the answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis import preprocess
from macule.analysis.image import decode
from macule.analysis.patient import Patient
from macule.analysis.pipeline import Analyzer
from macule.analysis.result import Risk
from macule.data.record import Record
from macule.evaluation import metrics
from macule.evaluation.metrics import Figure, Floats
from macule.evaluation.predictions import CODES, Predictions

Rgb: TypeAlias = NDArray[np.uint8]
#: A figure on all pictures, followed by the same on each resample: float64, (1 + B,). Means of these are paired.
Spread: TypeAlias = Floats

_RISKS = tuple(Risk)
#: At or above which risk a picture counts as called: the two thresholds of a bundle.
CALLS = {"medium": _RISKS.index(Risk.MEDIUM), "high": _RISKS.index(Risk.HIGH)}
#: What is reported where nothing can be measured.
NOT_LABELLED: Final[dict[str, Any]] = {
    "measured": False, "why": "No picture that was answered has a label that says whether it is malignant."}
UNREADABLE: Final[dict[str, Any]] = {
    "measured": False, "why": "The pictures could not be read a second time: leave the data set in place meanwhile."}


class Answer(NamedTuple):
    """usable: False where the quality checks refused it; the rest then means nothing.
    flagged: the gate took it for another kind of picture. risk: 0 low, 1 medium, 2 high. first: of the diagnoses."""

    usable: bool
    flagged: bool = False
    malignant: float = np.nan
    risk: int = 0
    first: int = 0


@dataclass(frozen=True)
class Answers:
    """As `Answer`, one entry a picture: shape (N,)."""

    usable: NDArray[np.bool_]
    flagged: NDArray[np.bool_]
    malignant: Floats = field(repr=False)
    risk: NDArray[np.int64] = field(repr=False)
    first: NDArray[np.int64] = field(repr=False)

    @classmethod
    def of(cls, answers: Iterable[Answer]) -> Answers:
        columns = list(zip(*answers, strict=True)) or [()] * len(Answer._fields)
        kinds = (np.bool_, np.bool_, np.float64, np.int64, np.int64)
        return cls(*(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))


def drawn(predictions: Predictions, *, sample: int, seed: int) -> NDArray[np.int64]:
    """Which pictures are examined: one a lesion, up to half of them malignant, ascending; at most `sample`;
    none where no label says whether it is malignant.
    """
    suspicious = predictions.suspicious
    order = np.random.default_rng(seed).permutation(np.flatnonzero(~np.isnan(suspicious)))
    lesions = [predictions.records[i].group for i in order]
    order = order[np.sort(np.unique(lesions, return_index=True)[1])] if lesions else order
    malignant = order[suspicious[order] == 1][:sample // 2]
    benign = order[suspicious[order] == 0][:sample - len(malignant)]
    return np.sort(np.concatenate([malignant, benign])).astype(np.int64)


def working(record: Record, size: int) -> Rgb:
    """The picture, decoded once and shrunk to what serves a network of `size` px, so that a strength means the same
    whatever the camera.

    Raises: InputError if it cannot be read.
    """
    rgb = decode(record.read(), short_side=preprocess.decoding_side(size)).rgb
    return preprocess.clean(rgb, arms=(), short_side=preprocess.working_side(size))


def serve(analyzer: Analyzer, rgb: Rgb, patient: Patient) -> Answer:
    """Through all that serving does: decoding, quality checks, network, gate. As a PNG, which loses nothing."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _ok, png = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    found = analyzer.analyze(png.tobytes(), patient=patient).assessment
    if found is None:
        return Answer(usable=False)
    return Answer(True, not found.in_distribution, found.malignant, _RISKS.index(found.risk),
                  CODES.index(found.diagnoses[0].code))


@dataclass(frozen=True)
class Change:
    """What became of the answers. clean, worse: of the same N pictures. positive: bool, (N,).
    weights: float64, (1 + B, N), a row of ones first. A picture that either side refused counts in no rate."""

    clean: Answers
    worse: Answers
    positive: NDArray[np.bool_]
    weights: Floats = field(repr=False)

    @property
    def both(self) -> NDArray[np.bool_]:
        return self.clean.usable & self.worse.usable

    def aucs(self) -> tuple[Spread, Spread]:
        """Malignant AUC of both sides, on the pictures that both answered."""
        kept = self.both
        return (metrics.auc(self.clean.malignant[kept], self.positive[kept], self.weights[:, kept]),
                metrics.auc(self.worse.malignant[kept], self.positive[kept], self.weights[:, kept]))

    def called(self, at: str, *, positive: bool) -> Spread:
        """Rise of the share that is called malignant, among the malignant or the benign."""
        rise = (self.worse.risk >= CALLS[at]).astype(float) - (self.clean.risk >= CALLS[at])
        return self._mean(rise, self.both & (self.positive == positive))

    def newly_called(self, at: str) -> Spread:
        """Of the benign that were not called, the share that now is."""
        quiet = self.both & ~self.positive & (self.clean.risk < CALLS[at])
        return self._mean(self.worse.risk >= CALLS[at], quiet)

    def flipped(self, what: str) -> Spread:
        """Share whose `risk` or `first` diagnosis is another."""
        return self._mean(getattr(self.clean, what) != getattr(self.worse, what), self.both)

    def shift(self) -> Spread:
        """Mean absolute change of the malignant probability."""
        return self._mean(np.abs(self.worse.malignant - self.clean.malignant), self.both)

    def _mean(self, values: NDArray[np.bool_] | Floats, among: NDArray[np.bool_]) -> Spread:
        return share(values[among], self.weights[:, among])


def share(values: NDArray[np.bool_] | Floats, weights: Floats) -> Spread:
    """Weighted mean in each row of weights; NaN where nothing has weight."""
    total = weights.sum(axis=1)
    return np.asarray(np.where(total > 0, weights @ values.astype(float) / np.maximum(total, 1e-12), np.nan))


def with_ones(weights: NDArray[np.generic]) -> Floats:
    """Resamples under the row that gives the figure itself."""
    return np.vstack([np.ones((1, weights.shape[1])), weights]).astype(np.float64)


def mean(spreads: Iterable[Spread]) -> Spread:
    """Of several figures, resample by resample; the undefined ones left out, NaN where all are."""
    stacked = np.stack(list(spreads))
    known = ~np.isnan(stacked)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, stacked, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def figure(spread: Spread, n: int, positives: int | None = None, *, groups: int | None = None) -> Figure:
    """Value and percentile interval; none where all resamples say the same.

    n: the pictures that it is measured on. groups: of a share of pictures, how many lesions or patients stand behind
    it: if all or none count, Wilson's interval over these stands in. None for what is no share.
    """
    value = float(spread[0]) + 0.0 if n else np.nan  # no -0.0
    low, high = (end + 0.0 for end in metrics.interval(spread[1:], value))
    found = Figure(value, low, high, n, positives)
    return found if groups is None else metrics.settle(found, groups)
