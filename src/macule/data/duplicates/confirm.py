"""Whether two pictures show one photograph, or one lesion seen alike: one transform must lay one over the other.

Two questions, both must be answered yes. Do local features agree on one similarity transform (ratio test of Lowe 2004,
RANSAC)? And, the first picture laid over the second by it, do the details agree (normalised cross-correlation of the
band between fine grain and large blobs)? Skin's features are alike enough to agree by chance, and a ruler engraved in a
dermatoscope agrees with itself on another patient; chance does not make the details of the whole overlap agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.data.duplicates.features import Features, root

LOWE_RATIO = 0.8
RANSAC_PIXELS = 3.0
LEAST_INLIERS = 5
LARGEST_SCALE = 4.0
# Measured over HAM10000, MILK10k, ISIC 2017 and ISIC 2018 (docs/results/leak-audit.md): mirrored candidates, which are
# nearly all chance, correlate below 0.37 in 99 of 100 cases; of those between HAM10000 and MILK10k above these limits,
# which no diagnosis entered, every pair has one diagnosis.
LEAST_CORRELATION = 0.3
LEAST_CORRELATION_OF_FEW = 0.5
MANY_INLIERS = 12
# A ruler's ticks lie within 4 pixels of a line; the features of 2 in 100 true pairs do.
LEAST_SPREAD = 4.0
#: Width of the details that are compared, in pixels of the 224-pixel picture: sharper than lesions, coarser than grain.
FINE, COARSE = 2.0, 16.0
#: Least area in pixels that the two must share.
LEAST_OVERLAP = 800


@dataclass(frozen=True)
class Agreement:
    """inliers: features that agree on the transform. correlation: of the details in the overlap, -1 to 1.
    rotation: degrees, anticlockwise. scale: size in the second picture of what is 1 in the first.
    """

    inliers: int
    correlation: float
    rotation: float
    scale: float
    mirrored: bool


@dataclass(frozen=True)
class Transform:
    """matrix: float64, shape (2, 3), from the first picture's pixels to the second's. inliers: features that agree."""

    matrix: NDArray[np.float64]
    inliers: int


def fit(first: Features, second: Features) -> Transform | None:
    """The similarity transform that most features agree on; None if too few do, or those lie on a line."""
    if min(len(first.points), len(second.points)) < LEAST_INLIERS:
        return None
    here, there = _matches(root(first.descriptors), root(second.descriptors))
    if len(here) < LEAST_INLIERS:
        return None
    matrix, inliers = cv2.estimateAffinePartial2D(first.points[here], second.points[there],
                                                  ransacReprojThreshold=RANSAC_PIXELS, maxIters=1000)
    if matrix is None or int(inliers.sum()) < LEAST_INLIERS:
        return None
    if not 1 / LARGEST_SCALE < _scale(matrix) < LARGEST_SCALE:
        return None
    spread = _spread(second.points[there][inliers.ravel().astype(bool)])
    return Transform(np.asarray(matrix, np.float64), int(inliers.sum())) if spread >= LEAST_SPREAD else None


def agreement(first: NDArray[np.uint8], second: NDArray[np.uint8], transform: Transform, *, flip: bool) -> Agreement:
    """first, second: uint8 grey pictures as `features.grey` makes them."""
    matrix = transform.matrix
    picture = first
    if flip:  # features.mirrored turns x into -x, a mirrored picture turns it into width - 1 - x
        picture = np.ascontiguousarray(first[:, ::-1])
        matrix = matrix @ np.array([[1, 0, 1 - first.shape[1]], [0, 1, 0], [0, 0, 1]], np.float64)
    return Agreement(
        inliers=transform.inliers,
        correlation=correlation(picture, second, matrix),
        rotation=float(np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0]))),
        scale=_scale(matrix),
        mirrored=flip,
    )


def correlation(first: NDArray[np.uint8], second: NDArray[np.uint8], matrix: NDArray[np.float64]) -> float:
    """Normalised cross-correlation of the two pictures' details where they overlap; 0 if they hardly do."""
    height, width = second.shape
    laid = cv2.warpAffine(first, matrix, (width, height), flags=cv2.INTER_LINEAR)
    seen = cv2.warpAffine(np.full_like(first, 255), matrix, (width, height), flags=cv2.INTER_NEAREST)
    inside = cv2.erode(seen, np.ones((7, 7), np.uint8)) > 0
    if int(inside.sum()) < LEAST_OVERLAP:
        return 0.0
    one, other = _details(laid)[inside], _details(second)[inside]
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).mean() / max(float(one.std() * other.std()), 1e-6))


def _details(grey: NDArray[Any]) -> NDArray[np.float32]:
    picture = grey.astype(np.float32)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), FINE) - cv2.GaussianBlur(picture, (0, 0), COARSE), np.float32)


def _matches(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Lowe's ratio test; several features on one are a repeated structure (hair, ruler), so only the best stays."""
    similarity = first @ second.T
    best = similarity.argmax(axis=1)
    two = -np.partition(-similarity, 1, axis=1)[:, :2]
    distance = np.sqrt(np.maximum(2 - 2 * two, 0))
    good = np.flatnonzero(distance[:, 0] < LOWE_RATIO * distance[:, 1])
    good = good[np.argsort(distance[good, 0], kind="stable")]
    _, once = np.unique(best[good], return_index=True)
    return good[once], best[good[once]]


def _scale(matrix: NDArray[Any]) -> float:
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def _spread(points: NDArray[np.float32]) -> float:
    """Standard deviation in pixels across the line that the points lie along."""
    centred = points - points.mean(axis=0)
    return float(np.linalg.svd(centred, compute_uv=False)[-1] / np.sqrt(len(points)))



def accepted(found: Agreement) -> bool:
    """Whether the two pictures show one photograph, or one lesion that lies alike."""
    needed = LEAST_CORRELATION if found.inliers >= MANY_INLIERS else LEAST_CORRELATION_OF_FEW
    return found.correlation >= needed
