"""The pictures behind an error analysis: each with its heatmap, and what it was nearest to, as one small JPEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.explain import overlay, to_jpeg
from macule.analysis.image import decode
from macule.analysis.pipeline import Analyzer, shared_analyzer, thumbnail
from macule.data.record import Record
from macule.errors import EnvironmentFault, MaculeError
from macule.evaluation.exam import Exam

#: Pixels. A card is a square: the picture and its heatmap side by side, small ones in two rows of three under them.
HALF, GAP = 240, 6
WHOLE = 2 * HALF + GAP
SMALL = (WHOLE - 2 * GAP) // 3, (HALF - GAP) // 2
#: What is round a picture of another shape: a quiet grey.
GROUND = 236
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Pictures:
    """Reads from the user's disk what a page shows. records: by `dataset:picture_id`.

    with_patient: whether the network is told age, sex, site and modality, as it was in the exam.
    """

    analyzer: Analyzer
    records: Mapping[str, Record] = field(repr=False)
    with_patient: bool = True

    @classmethod
    def of(cls, exam: Exam, training: Sequence[Record] = ()) -> Self:
        """training: records among which the nearest training pictures are sought; without them their ids are shown."""
        known = [*training, *exam.predictions.pictures]
        named = {f"{record.dataset}:{record.picture_id}": record for record in known}
        return cls(shared_analyzer(exam.bundle, views=exam.views), named, exam.with_patient)

    def card(self, name: str, nearest: Sequence[str] = ()) -> bytes | None:
        """A JPEG of the picture, with its heatmap beside it and the nearest pictures that can be read under it.

        Returns: None if the picture cannot be read or was refused.
        """
        record = self.records.get(name)
        if record is None:
            return None
        try:
            result = self.analyzer.analyze(record.read(), patient=record.patient if self.with_patient else None)
        except EnvironmentFault:
            raise
        except MaculeError:
            return None
        if result.assessment is None or result.thumbnail is None:
            return None
        heated = overlay(result.thumbnail, result.assessment.heatmap)
        return to_jpeg(_card(result.thumbnail, heated, [self._small(each) for each in nearest]), quality=82)

    def _small(self, name: str) -> Pixels | None:
        record = self.records.get(name)
        try:
            return None if record is None else thumbnail(decode(record.read(), short_side=SMALL[1]), 2 * SMALL[0])
        except MaculeError:
            return None


def _card(picture: Pixels, heated: Pixels, nearest: Sequence[Pixels | None]) -> Pixels:
    """uint8, shape (WHOLE, WHOLE, 3). Without a nearest picture the two stand over each other."""
    if all(each is None for each in nearest):
        return _stack([_fit(each, WHOLE, HALF) for each in (picture, heated)])
    small = [_fit(each, *SMALL) for each in (*nearest, *[None] * 6)][:6]
    return _stack([_row([_fit(picture, HALF, HALF), _fit(heated, HALF, HALF)]),
                   _stack([_row(small[:3]), _row(small[3:])])])


def _row(tiles: Sequence[Pixels]) -> Pixels:
    between = np.full((tiles[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([part for tile in tiles for part in (between, tile)][1:], axis=1)


def _stack(rows: Sequence[Pixels]) -> Pixels:
    between = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (between, row)][1:])


def _fit(picture: Pixels | None, width: int, height: int) -> Pixels:
    """The whole picture, as large as it goes; an empty tile where there is none."""
    tile = np.full((height, width, 3), GROUND, np.uint8)
    if picture is None:
        return tile
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = max(1, min(width, round(picture.shape[1] * scale))), max(1, min(height, round(picture.shape[0] * scale)))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    tile[top:top + size[1], left:left + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return tile
