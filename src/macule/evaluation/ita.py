"""Skin tone as the picture shows it: the individual typology angle of the skin round the lesion. A proxy, no label.

Light and camera move it as much as skin does: on MILK10k's dermoscopic pictures it does not follow the labelled tone at
all (docs/results/fairness.md). So a report shows it beside a measure of how well it follows the labels, where there are
any, and never under the name of skin tone.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.arms import hair

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Pixels on the short side of the copy that is looked at; a strip's long side is at most LONGEST times as much.
SIDE, LONGEST = 64, 4
#: Share of the short side, from each edge, whose median colour is taken for the skin until it is known better.
RIM = 0.25
#: L* below which nothing counts as skin, and below which what is joined to a corner is a dermatoscope's surround if it
#: is no more colourful than GREY: the darkest skin is as dark, but brown.
DARKEST, SURROUND, GREY = 10.0, 25.0, 8.0
#: Grey level of the weakest channel from which a spot is glare or paper.
WHITE = 240
#: CIE76 units from the rim's colour that are still skin, at least; and the share of Otsu's threshold, which by itself
#: leaves the lesion's faint border among the skin (both as in macule.analysis.arms.lesion).
LIKE, FACTOR = 7.0, 0.75
#: Share of the picture that has to be skin.
LEAST = 0.05


def estimate(rgb: NDArray[np.uint8]) -> float:
    """Individual typology angle, degrees: arctan((L* - 50) / b*), of the skin's median colour in CIELAB, D65.

    Chardon, Cretois & Hourseau 1991, International Journal of Cosmetic Science 13:191. Left out: the dark surround and
    what is darker or whiter than skin, hair, what is blue (b* <= 0: ink, stickers, gel), and what differs from the
    colour near the edges: the lesion. The finder of `macule.analysis.arms.lesion` tells it hardly better and
    takes three times as long (docs/results/fairness.md).

    rgb: uint8, shape (H, W, 3), sRGB. Returns: -90 (darkest) to 90; NaN where too little can be skin.
    """
    small = _small(rgb)
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), np.float32)
    skin = _like_the_rim(lab, _candidates(small, lab))
    if skin.mean() < LEAST:
        return float("nan")
    lightness, yellow = np.median(lab[..., 0][skin]), np.median(lab[..., 2][skin])
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def _small(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = SIDE / min(rgb.shape[:2])
    height, width = (min(max(round(side * scale), 1), LONGEST * SIDE) for side in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _candidates(small: NDArray[np.uint8], lab: F32) -> Mask:
    """What is neither too dark, too white, blue, hair nor a dermatoscope's surround."""
    seen = (lab[..., 0] > DARKEST) & (small.min(axis=2) < WHITE) & (lab[..., 2] > 0)
    return np.asarray(seen & ~_surround(lab) & ~hair.mask(small))


def _surround(lab: F32) -> Mask:
    """The dark field round a dermatoscope's picture, with its blurred edge."""
    black = (lab[..., 0] < SURROUND) & (np.hypot(lab[..., 1], lab[..., 2]) < GREY)
    _, labels = cv2.connectedComponents(black.astype(np.uint8), connectivity=4)
    corners = {int(labels[row, column]) for row in (0, -1) for column in (0, -1)} - {0}
    dark = np.isin(labels, list(corners)).astype(np.uint8)
    return np.asarray(cv2.dilate(dark, np.ones((7, 7), np.uint8)) > 0)


def _like_the_rim(lab: F32, candidates: Mask) -> Mask:
    """The candidates whose colour is near the rim's median, parted from the others by Otsu's threshold (1979)."""
    edge = round(RIM * SIDE)
    rim = candidates.copy()
    rim[edge:-edge, edge:-edge] = False
    if rim.mean() < LEAST:
        return np.zeros_like(rim)
    difference = np.linalg.norm(lab - np.median(lab[rim], axis=0), axis=2)
    levels = np.clip(difference * 4, 0, 255).astype(np.uint8)
    otsu, _ = cv2.threshold(levels[candidates][:, None], 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return np.asarray(candidates & (levels <= max(FACTOR * otsu, 4 * LIKE)))
