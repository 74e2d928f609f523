"""What the network made of a picture -> what is said of it: the same rules for one picture and for several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from macule.analysis import calibrate, explain
from macule.analysis.arms import Frame
from macule.analysis.bundle import Bundle
from macule.analysis.network import Output
from macule.analysis.result import Answer, Assessment
from macule.taxonomy import Diagnosis


@dataclass(frozen=True)
class Reading:
    """What the network made of one picture. frame: the part of the picture that it was shown.

    logits: float64, shape (K,), and embedding: float32, shape (D,): means over the views.
    cam: float32, shape (views, K, h, w).
    """

    logits: NDArray[np.float64] = field(repr=False)
    embedding: NDArray[np.float32] = field(repr=False)
    cam: NDArray[np.float32] = field(repr=False)
    frame: Frame

    @classmethod
    def of(cls, output: Output, frame: Frame) -> Reading:
        embedding = np.asarray(output.embedding.mean(axis=0), dtype=np.float32)
        return cls(output.logits.astype(np.float64).mean(axis=0), embedding, output.cam, frame)

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.logits).all() and np.isfinite(self.embedding).all())

    def heatmap(self, code: Diagnosis) -> NDArray[np.float32]:
        """Where the evidence for a diagnosis lies in the whole picture: float32, shape (h, w), 0 to 1."""
        return explain.place(explain.heatmap(self.cam, list(Diagnosis).index(code)), self.frame)


def answer(readings: Iterable[Reading], bundle: Bundle) -> Answer:
    """One answer to all readings, at least one, by the mean of their logits.

    It is in distribution only if every reading is: a picture that the model does not know has its part in the mean.
    The sum depends, in its last digits, on the order of the readings: give them in a fixed one.
    """
    found = tuple(readings)
    shares = calibrate.probabilities(np.stack([reading.logits for reading in found]), bundle.calibration)
    known = all(bundle.gate.admits(reading.embedding) for reading in found)
    malignant = calibrate.malignant(shares)
    return Answer(
        diagnoses=calibrate.rank(shares),
        malignant=malignant,
        risk=calibrate.risk(malignant, bundle.thresholds, in_distribution=known),
        cannot_exclude=calibrate.cannot_exclude(shares, bundle.thresholds),
        in_distribution=known,
        plausible=bundle.conformal.plausible(shares) if bundle.conformal else None,
    )


def assessment(reading: Reading, bundle: Bundle) -> Assessment:
    """The answer to one picture, with where its evidence lies."""
    said = answer([reading], bundle)
    first = said.diagnoses[0].code
    return Assessment(
        said.diagnoses, said.malignant, said.risk, said.cannot_exclude, said.in_distribution,
        heatmap=reading.heatmap(first), heatmap_of=first, embedding=reading.embedding, plausible=said.plausible,
    )
