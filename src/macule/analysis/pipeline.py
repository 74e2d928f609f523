"""One picture's way through analysis: decode, check, prepare, run, calibrate, explain.

Many pictures go through the same way on several threads. Each network call keeps to one core: for a folder that is
faster than splitting one picture's work over the cores, since decoding and the small layers do not split.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis import advice, lesion, preprocess
from macule.analysis.answer import Reading, assessment
from macule.analysis.arms import Frame
from macule.analysis.batch import cores, in_order
from macule.analysis.bundle import Bundle, load, wanted_name
from macule.analysis.image import Picture, decode
from macule.analysis.lesion import LesionResult, named
from macule.analysis.network import Network, Output
from macule.analysis.patient import Modality, Patient, encode
from macule.analysis.preprocess import Preprocessing
from macule.analysis.quality import assess, familiar
from macule.analysis.result import Assessment, Quality, Result
from macule.errors import BundleInvalid, MaculeError, UsageError

THUMBNAIL_LONG_SIDE = 640

_S = TypeVar("_S", bound=Path | bytes)


class Analyzer:
    """A loaded bundle, ready to judge pictures from any number of threads."""

    def __init__(self, bundle: Bundle, *, threads: int | None = None, views: int | None = None) -> None:
        """threads: cores that one picture's network run may use; None is one.
        views: how many turned and mirrored copies of a picture are averaged, 1, 2, 4 or 8; None is the bundle's own.

        Raises: UsageError if `views` is another number, BundleInvalid if the network does not fit its bundle.
        """
        self._bundle, self._spec = bundle, _with_views(bundle.preprocessing, views)
        self._network = Network(bundle.model, size=bundle.preprocessing.size, threads=threads or 1)

    @property
    def bundle(self) -> Bundle:
        return self._bundle

    @property
    def views(self) -> int:
        """How many copies of a picture are averaged."""
        return self._spec.views

    @property
    def _other_views(self) -> int | None:
        return None if self._spec == self._bundle.preprocessing else self._spec.views

    def analyze(self, source: Path | str | bytes, *, patient: Patient | None = None, name: str | None = None) -> Result:
        """Judge one picture.

        name: what the answer calls it; the path, if there is one, by default.

        Raises: InputError if it cannot be read. A picture too poor to judge is no error: see `Result.quality`.
        """
        return self._look(source, patient or Patient(), name)[0]

    def analyze_lesion(
        self,
        sources: Sequence[Path | str | bytes],
        *,
        patient: Patient | None = None,
        modalities: Sequence[Modality | None] | None = None,
        names: Sequence[str] | None = None,
        workers: int | None = None,
    ) -> LesionResult:
        """One answer to several pictures of one lesion, by the mean of their mean logits.

        modalities: how each picture was taken; None is what `patient` says, for all of them.
        names: what the answer calls each; the path, if there is one, by default. workers: threads; None is one a core.

        A picture that is given twice, byte by byte, counts once; the order does not matter. One that cannot be read or
        judged is left out and named with the reason; if all are, there is no answer. See docs/lesions.md.

        Raises: UsageError without pictures or with more than `lesion.MOST`, InvalidMetadata if one picture is given
        as two modalities, or there are not as many modalities or names as pictures.
        """
        given = lesion.distinct(sources, patient or Patient(), modalities, names)
        looked = in_order(lambda one: self._look(one.source, one.patient, one.name), given, workers=workers or cores())
        return lesion.combine(list(looked), self._bundle, views=self._other_views)

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

    def _look(
        self, source: Path | str | bytes, patient: Patient, name: str | None
    ) -> tuple[Result, Reading | None]:
        """One picture's answer, and what the network made of it if it has one."""
        picture = decode(source, short_side=preprocess.decoding_side(self._bundle.preprocessing.size))
        quality, reading = assess(picture), None
        if quality.usable:
            quality, reading = self._read(picture, patient, quality)
        answer = assessment(reading, self._bundle) if reading else None
        return Result(
            image=name or named(source),
            bundle=self._bundle.identity,
            quality=quality,
            advice=_advise(quality, answer),
            assessment=answer,
            thumbnail=thumbnail(picture),
            views=self._other_views,
        ), reading

    def _read(self, picture: Picture, patient: Patient, quality: Quality) -> tuple[Quality, Reading | None]:
        """What a picture that is good enough shows, unless the gate refuses it: then the quality says so."""
        reading, gate = Reading.of(*self._run(picture.rgb, patient)), self._bundle.gate
        if not reading.finite:
            raise BundleInvalid(f"bundle {self._bundle.id} answered with numbers that are not finite: get it again.")
        if gate.presence is not None:
            check = familiar(gate.strangeness(reading.embedding), passed=not gate.refuses(reading.embedding))
            quality = Quality((*quality.checks, check))
        return quality, reading if quality.usable else None

    def _run(self, rgb: NDArray[np.uint8], patient: Patient) -> tuple[Output, Frame]:
        """The network's answer to each view, and the part of the picture that it was shown."""
        spec = self._spec
        tensor, frame = preprocess.apply_framed(rgb, spec)
        views = preprocess.make_views(tensor, spec.views)
        return self._network.run(views, np.repeat(encode(patient)[None], spec.views, axis=0)), frame


def _with_views(spec: Preprocessing, views: int | None) -> Preprocessing:
    if views is None:
        return spec
    if views not in preprocess.VIEW_COUNTS:
        known = ", ".join(str(count) for count in preprocess.VIEW_COUNTS)
        raise UsageError(f"views is {views!r}; one of {known} is needed, or none for the model's own, {spec.views}.")
    return replace(spec, views=views)


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


_shared: dict[tuple[str, int | None], Analyzer] = {}
_sharing = threading.Lock()


def shared_analyzer(bundle: Bundle | Path | str | None = None, *, views: int | None = None) -> Analyzer:
    """The process's one analyzer of a bundle and a number of views, loaded at its first use.

    Raises: EnvironmentFault if the bundle cannot be used, UsageError if it cannot be asked for so many views.
    """
    key = (bundle.sha256 if isinstance(bundle, Bundle) else wanted_name(bundle), views)
    with _sharing:
        if key not in _shared:
            _shared[key] = Analyzer(bundle if isinstance(bundle, Bundle) else load(bundle), views=views)
        return _shared[key]
