"""The lesion's outline, fine enough to measure: the rough place of `arms.lesion`, then a threshold of its own.

What counts is how much the colour differs from the skin round about, whose own slope of light is taken off first. The
cut between skin and lesion is Otsu's (1979, IEEE Transactions on Systems, Man, and Cybernetics 9:62), on the lesion and
a margin round it. Hair is filled in before. benchmarks/change.py holds it against drawn outlines and dermatologists'.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.arms import hair, lesion
from macule.analysis.arms.shape import disc

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Pixels on the short side of the copy that is looked at.
SIDE = 256
#: Shares of the short side: kept off the rough lesion where skin is looked for; looked at beyond it for the border.
CLEAR, MARGIN = 0.04, 0.10
#: Of Otsu's threshold: the faint border belongs to the lesion too. Set on 150 masks of ISIC 2017.
FACTOR = 0.55
#: Shares of the short side: gaps closed, threads cut, roughness of the outline evened out.
CLOSED, CUT, SMOOTH = 0.02, 0.012, 0.008
#: Grey levels of L below which what is joined to a corner is the dark surround of a dermatoscope.
RIM_LIGHTNESS = 25.0
#: Every so many-th pixel of the skin is enough to fit its colour.
THINNED = 7
#: Parts beside the largest count if they are at least this share of it.
COMPANION = 0.2


def outline(rgb: NDArray[np.uint8]) -> Mask | None:
    """rgb: uint8, shape (H, W, 3), sRGB. Returns: bool, shape (H, W); None if no lesion is found with confidence."""
    rough = lesion.mask(rgb)
    if rough is None:
        return None
    lab = _lab(hair.remove(_small(rgb)))
    height, width = lab.shape[:2]
    rough = cv2.resize(rough.astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR) > 0
    found = _cut(lab, np.asarray(rough, np.bool_))
    if found is None:
        return None
    whole = cv2.resize(found.astype(np.float32), rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole > 0.5, dtype=np.bool_)


def _small(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = SIDE / min(rgb.shape[:2])
    size = max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))


def _lab(rgb: NDArray[np.uint8]) -> F32:
    lab = cv2.cvtColor(cv2.medianBlur(rgb, 5).astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), 1.5), dtype=np.float32)


def _cut(lab: F32, rough: Mask) -> Mask | None:
    seen = seen_part(lab[..., 0])
    skin = seen & ~_grown(rough, CLEAR * SIDE)
    if skin.sum() < 0.02 * skin.size:  # the lesion fills the picture: what is furthest from it is the best there is
        skin = seen & ~rough
    if not skin.any():
        return None
    offset = np.linalg.norm(lab - skin_surface(lab, skin), axis=2)
    looked_at = seen & _grown(rough, MARGIN * SIDE)
    levels = np.clip(offset * 4, 0, 255).astype(np.uint8)
    otsu, _ = cv2.threshold(levels[looked_at][:, None], 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return _whole(np.asarray((levels > FACTOR * otsu) & looked_at, np.bool_), rough)


def seen_part(lightness: F32) -> Mask:
    """What is not the dark surround of a dermatoscope's field. lightness: L of Lab, shape (H, W)."""
    _, labels = cv2.connectedComponents((lightness < RIM_LIGHTNESS).astype(np.uint8), connectivity=4)
    corners = {int(labels[row, column]) for row in (0, -1) for column in (0, -1)} - {0}
    return ~_grown(np.isin(labels, list(corners)), 0.03 * min(lightness.shape))


def skin_surface(lab: F32, skin: Mask) -> F32:
    """Least squares: a bowl through the skin's colour, twice, the second time without its outliers.

    Returns: float32, of lab's shape.
    """
    y, x = np.mgrid[-1 : 1 : lab.shape[0] * 1j, -1 : 1 : lab.shape[1] * 1j].astype(np.float32)
    design = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    for _ in range(2):
        rows, colours = design[skin][::THINNED], lab[skin][::THINNED]
        ridge = np.diag([1e-6, *[0.01 * len(rows)] * 5])
        surface = design @ np.linalg.solve(rows.T @ rows + ridge, rows.T @ colours).astype(np.float32)
        away = np.linalg.norm(lab - surface, axis=2)
        skin = skin & (away <= 2.5 * np.median(away[skin]) + 1.0)
    return surface


def _whole(found: Mask, rough: Mask) -> Mask | None:
    """The parts that overlap the rough lesion, without gaps, threads and holes."""
    closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, disc(CLOSED * SIDE))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, disc(CUT * SIDE))
    count, labels = cv2.connectedComponents(opened, connectivity=8)
    overlap = np.bincount(labels[rough], minlength=count)
    overlap[0] = 0
    if not overlap.any():
        return None
    kept = np.asarray((overlap >= COMPANION * overlap.max())[labels] & (opened > 0), np.uint8)
    contours, _ = cv2.findContours(kept, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(kept), contours, -1, (1,), cv2.FILLED)
    return np.asarray(cv2.GaussianBlur(filled.astype(np.float32), (0, 0), SMOOTH * SIDE) > 0.5, np.bool_)


def _grown(mask: Mask, radius: float) -> Mask:
    """By a distance: a wide disc to dilate with takes far longer."""
    if not mask.any():
        return mask
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) <= radius, dtype=np.bool_)
