"""One picture's way through analysis: decode, check, prepare, run, calibrate, explain.

Many pictures go through the same way on several threads. Each network call keeps to one core: for a folder that is
faster than splitting one picture's work over the cores, since decoding and the small layers do not split.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis import advice, calibrate, explain, preprocess
from macule.analysis.arms import Frame
from macule.analysis.batch import cores, in_order
from macule.analysis.bundle import Bundle, load, wanted_name
from macule.analysis.image import Picture, decode
from macule.analysis.network import Network, Output
from macule.analysis.patient import Patient, encode
from macule.analysis.quality import assess, familiar
from macule.analysis.result import Assessment, Quality, Result
from macule.errors import BundleInvalid, MaculeError
from macule.taxonomy import Diagnosis

THUMBNAIL_LONG_SIDE = 640
UNNAMED = "picture"

_S = TypeVar("_S", bound=Path | bytes)


class Analyzer:
    """A loaded bundle, ready to judge pictures from any number of threads."""

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        """threads: cores that one picture's network run may use; None is one.

        Raises: BundleInvalid if the network does not fit its bundle.
        """
        self._bundle = bundle
        self._network = Network(bundle.model, size=bundle.preprocessing.size, threads=threads or 1)

    @property
    def bundle(self) -> Bundle:
        return self._bundle

    def analyze(self, source: Path | str | bytes, *, patient: Patient | None = None, name: str | None = None) -> Result:
        """Judge one picture.

        name: what the answer calls it; the path, if there is one, by default.

        Raises: InputError if it cannot be read. A picture too poor to judge is no error: see `Result.quality`.
        """
        picture = decode(source, short_side=preprocess.decoding_side(self._bundle.preprocessing.size))
        quality, answer = assess(picture), None
        if quality.usable:
            quality, answer = self._judge(picture, patient or Patient(), quality)
        return Result(
            image=name or (UNNAMED if isinstance(source, bytes) else str(source)),
            bundle=self._bundle.identity,
            quality=quality,
            advice=_advise(quality, answer),
            assessment=answer,
            thumbnail=thumbnail(picture),
        )

    def analyze_many(
        self, sources: Iterable[_S], *, patient: Patient | None = None, workers: int | None = None
    ) -> Iterator[tuple[_S, Result | MaculeError]]:
        """Judge many pictures, overlapping decoding and network runs; answers come in the order of `sources`.

        sources: read lazily, at most `2 * workers` ahead of the answers taken, so memory does not grow with the folder.
        workers: threads; None is one a core.

        Yields: (source, its Result, or the error that only this source had).
        Raises: EnvironmentFault, which every source would have.
        """
        yield from in_order(lambda source: self.analyze(source, patient=patient), sources, workers=workers or cores())

    def embedding(self, source: Path | str | bytes) -> NDArray[np.float32]:
        """What the network makes of a picture, however poor or strange: for what is fitted to its embeddings.

        Returns: float32, shape (D,), the mean over the views, without anything known of the patient.
        Raises: InputError if it cannot be read.
        """
        picture = decode(source, short_side=preprocess.decoding_side(self._bundle.preprocessing.size))
        return np.asarray(self._run(picture.rgb, Patient())[0].embedding.mean(axis=0), dtype=np.float32)

    def _judge(self, picture: Picture, patient: Patient, quality: Quality) -> tuple[Quality, Assessment | None]:
        """The answer to a picture that is good enough, unless the gate refuses it: then the quality says so."""
        output, frame = self._run(picture.rgb, patient)
        shares = calibrate.probabilities(output.logits, self._bundle.temperature)
        embedding, gate = output.embedding.mean(axis=0), self._bundle.gate
        if not (np.isfinite(shares).all() and np.isfinite(embedding).all()):
            raise BundleInvalid(f"bundle {self._bundle.id} answered with numbers that are not finite: get it again.")
        if gate.presence is not None:
            check = familiar(gate.strangeness(embedding), passed=not gate.refuses(embedding))
            quality = Quality((*quality.checks, check))
        return quality, self._assess(shares, output.cam, frame, embedding) if quality.usable else None

    def _assess(self, shares: NDArray[np.float64], cam: NDArray[np.float32], frame: Frame,
                embedding: NDArray[np.float32]) -> Assessment:
        diagnoses = calibrate.rank(shares)
        known = self._bundle.gate.admits(embedding)
        malignant = calibrate.malignant(shares)
        first = diagnoses[0].code
        return Assessment(
            diagnoses=diagnoses,
            malignant=malignant,
            risk=calibrate.risk(malignant, self._bundle.thresholds, in_distribution=known),
            cannot_exclude=calibrate.cannot_exclude(shares, self._bundle.thresholds),
            in_distribution=known,
            heatmap=explain.place(explain.heatmap(cam, list(Diagnosis).index(first)), frame),
            heatmap_of=first,
            embedding=embedding,
            plausible=self._bundle.conformal.plausible(shares) if self._bundle.conformal else None,
        )

    def _run(self, rgb: NDArray[np.uint8], patient: Patient) -> tuple[Output, Frame]:
        """The network's answer to each view, and the part of the picture that it was shown."""
        spec = self._bundle.preprocessing
        tensor, frame = preprocess.apply_framed(rgb, spec)
        views = preprocess.make_views(tensor, spec.views)
        return self._network.run(views, np.repeat(encode(patient)[None], spec.views, axis=0)), frame


def thumbnail(picture: Picture, long_side: int = THUMBNAIL_LONG_SIDE) -> NDArray[np.uint8]:
    """uint8, shape (H, W, 3), at most `long_side` px either way; a smaller picture is returned as it is."""
    height, width = picture.rgb.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return picture.rgb
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(cv2.resize(picture.rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _advise(quality: Quality, answer: Assessment | None) -> str:
    if answer is None:
        return advice.for_refusal(quality)
    return advice.for_answer(
        risk=answer.risk, cannot_exclude=answer.cannot_exclude, in_distribution=answer.in_distribution
    )


_shared: dict[str, Analyzer] = {}
_sharing = threading.Lock()


def shared_analyzer(bundle: Bundle | Path | str | None = None) -> Analyzer:
    """The process's one analyzer of a bundle, loaded at its first use.

    Raises: EnvironmentFault if the bundle cannot be used.
    """
    key = bundle.sha256 if isinstance(bundle, Bundle) else wanted_name(bundle)
    with _sharing:
        if key not in _shared:
            _shared[key] = Analyzer(bundle if isinstance(bundle, Bundle) else load(bundle))
        return _shared[key]
