"""What an arm is, and the part of a picture that a cropping arm keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """A part of a picture, in shares of its height and width, so that it fits every size of the same picture."""

    top: float = 0.0
    left: float = 0.0
    bottom: float = 1.0
    right: float = 1.0

    @property
    def is_whole(self) -> bool:
        return (self.top, self.left, self.bottom, self.right) == (0.0, 0.0, 1.0, 1.0)

    def cut(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """At least one pixel, contiguous. rgb: uint8, shape (H, W, 3). Returns: uint8, shape (h, w, 3)."""
        (top, bottom), (left, right) = (
            _span(first, last, side)
            for first, last, side in zip((self.top, self.left), (self.bottom, self.right), rgb.shape[:2], strict=True)
        )
        return np.ascontiguousarray(rgb[top:bottom, left:right])

    def within(self, outer: Frame) -> Frame:
        """This frame, which is in shares of `outer`, in shares of the picture that `outer` is a part of."""
        height, width = outer.bottom - outer.top, outer.right - outer.left
        return Frame(
            outer.top + self.top * height,
            outer.left + self.left * width,
            outer.top + self.bottom * height,
            outer.left + self.right * width,
        )


WHOLE = Frame()


@dataclass(frozen=True)
class Arm:
    """One way to prepare a picture. name: as recipes write it. summary: one line. source: the paper.

    run: uint8, shape (H, W, 3), sRGB -> the same kind of array; deterministic, defined for every picture of at least
    one pixel, and never writing into the picture that it is given. None for an arm that crops.
    frame: for an arm that crops: which part of the picture it keeps.
    """

    name: str
    summary: str
    source: str
    run: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = field(default=None, repr=False)
    frame: Callable[[NDArray[np.uint8]], Frame] | None = field(default=None, repr=False)


def _span(first: float, last: float, side: int) -> tuple[int, int]:
    start = min(round(first * side), side - 1)
    return start, max(round(last * side), start + 1)
