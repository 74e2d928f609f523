"""Two pictures of one lesion -> what changed between them."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.change import figures
from macule.analysis.change.colours import delta_e
from macule.analysis.change.figures import Figures
from macule.analysis.change.registration import Alignment, Refusal, align, warp
from macule.analysis.change.segment import outline

Mask = NDArray[np.bool_]
Rgb = NDArray[np.uint8]

#: L of CIELAB by which a place must have darkened to count, and the least share of the lesion that such places make up.
DARKER, LEAST_DARK = 10.0, 0.01
#: Pixels kept off both lesions where the skin's colour is read; least share of the picture that must be skin.
CLEAR, LEAST_SKIN = 9, 0.02
#: Every so many-th pixel of the skin is enough for its median.
THINNED = 5


@dataclass(frozen=True)
class Change:
    """earlier, later: each lesion's figures, the earlier in the later's frame and light.

    area_percent: of the earlier area, positive where it grew; None if a lesion is cut off by its picture's edge.
    delta_e: CIEDE2000 between the mean colours. darker: by how much L fell. redder: by how much a rose.
    new_dark: share of the later lesion that darkened by DARKER or more, 0 where it is less than LEAST_DARK.
    same_light: whether enough skin was seen in both to take the light's difference off.
    dark: bool, shape (H, W) of the later picture: where it darkened.
    """

    earlier: Figures
    later: Figures
    area_percent: float | None
    delta_e: float
    darker: float
    redder: float
    new_dark: float
    same_light: bool
    dark: Mask = field(repr=False, compare=False)


@dataclass(frozen=True)
class Comparison:
    """alignment: or why there is none. change: None without an alignment or without both outlines.

    moved: the earlier picture in the later's frame, uint8 (H, W, 3); covered: where it has content.
    outlines: of the earlier lesion, in the later's frame, and of the later; each None where it was not found.
    """

    alignment: Alignment | Refusal
    change: Change | None = None
    moved: Rgb | None = field(default=None, repr=False, compare=False)
    covered: Mask | None = field(default=None, repr=False, compare=False)
    outlines: tuple[Mask | None, Mask | None] = field(default=(None, None), repr=False, compare=False)

    @property
    def aligned(self) -> bool:
        return isinstance(self.alignment, Alignment)


def compare(earlier: Rgb, later: Rgb) -> Comparison:
    """earlier, later: uint8, shape (H, W, 3), sRGB; two pictures of one lesion. Deterministic."""
    lesions = outline(earlier), outline(later)
    found = align(earlier, later, lesions=lesions)
    if isinstance(found, Refusal):
        return Comparison(found, outlines=(None, lesions[1]))
    moved, covered = warp(earlier, found.matrix, later.shape)
    before = None if lesions[0] is None else warp(lesions[0].astype(np.uint8), found.matrix, later.shape)[0] > 0
    outlines = None if before is None or not before.any() else before & covered, lesions[1]
    change = None
    if lesions[0] is not None and outlines[0] is not None and outlines[1] is not None:
        ratio = _growth(lesions[0], outlines[1], found.scale)
        change = _changed((moved, later), (outlines[0], outlines[1]), covered, ratio)
    return Comparison(found, change, moved, covered, outlines)


def _growth(earlier: Mask, later: Mask, scale: float) -> float | None:
    """Later area / earlier area in one scale, each from its own whole picture; None where an edge cuts one off."""
    if any(_touches_edge(mask) for mask in (earlier, later)):
        return None
    return float(later.sum() / (earlier.sum() * scale**2))


def _touches_edge(mask: Mask) -> bool:
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return bool(rim.mean() > 0.01)


def _changed(pictures: tuple[Rgb, Rgb], outlines: tuple[Mask, Mask], covered: Mask, growth: float | None) -> Change:
    both = cv2.dilate((outlines[0] | outlines[1]).astype(np.uint8), np.ones((2 * CLEAR + 1,) * 2, np.uint8)) > 0
    skin = covered & ~both
    same_light = bool(skin.mean() >= LEAST_SKIN)
    moved = relit(pictures[0], pictures[1], skin) if same_light else pictures[0]
    earlier, later = figures.measure(moved, outlines[0]), figures.measure(pictures[1], outlines[1])
    fell = figures.to_lab(moved)[..., 0] - figures.to_lab(pictures[1])[..., 0]
    dark = _cleaned((fell >= DARKER) & outlines[1] & covered)
    share = float(dark.sum() / outlines[1].sum())
    if share < LEAST_DARK:
        dark, share = np.zeros_like(dark), 0.0
    return Change(
        earlier, later, area_percent=None if growth is None else 100 * (growth - 1),
        delta_e=float(delta_e(earlier.lab, later.lab)), darker=earlier.lab[0] - later.lab[0],
        redder=later.lab[1] - earlier.lab[1], new_dark=share, same_light=same_light, dark=dark,
    )


def relit(earlier: Rgb, later: Rgb, skin: Mask) -> Rgb:
    """The earlier picture in the later's light: one factor a channel of linear light, from the skin (von Kries)."""
    # The median of the grey levels, then to linear light: the same colour, and quicker than the other way round.
    gain = _linear(_middle(later, skin)) / np.maximum(_linear(_middle(earlier, skin)), 1e-4)
    table = np.clip(_linear(np.arange(256, dtype=np.float64)[:, None]) * gain, 0, 1)
    back = np.where(table <= 0.0031308, 12.92 * table, 1.055 * table ** (1 / 2.4) - 0.055)
    lookup = np.round(back * 255).astype(np.uint8)
    return np.stack([lookup[earlier[..., channel], channel] for channel in range(3)], axis=-1)


def _middle(rgb: Rgb, part: Mask) -> NDArray[np.float64]:
    return np.asarray(np.median(rgb[part][::THINNED], axis=0), dtype=np.float64)


def _linear(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grey levels, 0 to 255, of sRGB -> shares of light, 0 to 1."""
    shares = levels / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def _cleaned(mask: Mask) -> Mask:
    """Without specks: half a pixel of misalignment at an edge is no change."""
    size = max(round(min(mask.shape) / 100), 1) * 2 + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0, dtype=np.bool_)
