"""Local features of a picture: what survives turning, cropping, rescaling and re-colouring.

SIFT (Lowe 2004) of the grey, contrast-equalised picture. A picture's features are kept strongest first, so that the
index may take the first few and the confirmation all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis import image
from macule.data import pictures
from macule.errors import UnreadableImage

SHORT_SIDE = 224
#: Longest side by the shortest. A strip of 16 x 3,000 px, brought to 224 px, would take gigabytes.
LONGEST = 6
KEYPOINTS = 400
# Half of OpenCV's default: skin is poor in contrast.
CONTRAST = 0.02


@dataclass(frozen=True)
class Features:
    """points: float32, shape (n, 2), x and y in pixels of `grey`. descriptors: uint8, shape (n, 128).

    Both strongest first.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


NOTHING = Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))


def grey(picture: Path) -> NDArray[np.uint8]:
    """A picture, its short side 224, contrast-equalised so that colour and exposure do not matter.

    Returns: uint8, shape (H, W).
    Raises: UnreadableImage
    """
    rgb = image.decode(pictures.read(picture), short_side=SHORT_SIDE).rgb
    height, width = rgb.shape[:2]
    if max(height, width) > LONGEST * min(height, width):
        raise UnreadableImage(f"{picture} is {width} x {height} px; pictures thinner than {LONGEST} to 1 are not "
                              "compared.")
    scale = SHORT_SIDE / min(height, width)
    small = cv2.resize(rgb, None, fx=scale, fy=scale,
                       interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)), np.uint8)


def extract(picture: Path) -> Features:
    """Raises: UnreadableImage"""
    return of_grey(grey(picture))


def of_grey(picture: NDArray[np.uint8]) -> Features:
    """picture: uint8, shape (H, W)."""
    sift = cv2.SIFT.create(nfeatures=KEYPOINTS, contrastThreshold=CONTRAST)
    found: tuple[Sequence[cv2.KeyPoint], Any] = sift.detectAndCompute(picture, None)
    keypoints, descriptors = found
    if descriptors is None:  # nothing stands out
        return NOTHING
    # OpenCV's SIFT descriptors are whole numbers from 0 to 255 in float32, so nothing is lost here.
    order = np.argsort([-point.response for point in keypoints], kind="stable")
    points = np.asarray([point.pt for point in keypoints], np.float32)
    return Features(points[order], descriptors[order].astype(np.uint8))


_CELLS = np.arange(128).reshape(4, 4, 8)
#: Where each number of a descriptor goes in the mirrored picture: 4 x 4 cells upside down across the keypoint's own
#: direction, 8 gradient directions turned the other way round.
MIRROR: NDArray[np.intp] = _CELLS[::-1][:, :, (-np.arange(8)) % 8].reshape(-1)


def mirrored(features: Features) -> Features:
    """Features of the picture seen in a mirror (x -> -x), without reading it again."""
    return Features(features.points * np.array([-1, 1], np.float32), features.descriptors[:, MIRROR])


def root(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """RootSIFT: Arandjelovic & Zisserman, CVPR 2012.

    Returns: float32, shape (n, 128), rows of unit length.
    """
    rows = descriptors.astype(np.float32)
    return np.asarray(np.sqrt(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)), np.float32)
