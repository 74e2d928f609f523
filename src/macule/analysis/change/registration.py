"""Laying an earlier picture of a lesion over a later one, or saying why that cannot be done.

Features (SIFT: Lowe 2004, IJCV 60:91; square-rooted: Arandjelovic & Zisserman 2012, CVPR) are matched both ways and a
turn, a scale and a shift are fitted to them (RANSAC: Fischler & Bolles 1981, CACM 24:381). Then the grey levels have
the last word (ECC: Evangelidis & Psarakis 2008, IEEE TPAMI 30:1858). A lesion grows and skin does not, so the scale
comes from features on the skin wherever there are enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
P = TypeVar("P", np.uint8, np.float32)

#: Pixels on the short side of the copies that are compared.
SIDE = 320
FEATURES = 1200
#: Lowe's ratio: a match must be this much nearer than the next best.
RATIO = 0.82
#: Pixels at SIDE by which a match may miss the fitted place.
TOLERANCE = 3.0
#: Fewer matches agreeing than this are chance; see benchmarks/change.py for pairs of different lesions.
LEAST_INLIERS = 8
#: Two pictures of one spot with one instrument differ by less than this in scale.
LARGEST_SCALE = 2.5
#: Share of the later picture that the earlier one must cover.
LEAST_OVERLAP = 0.35
#: Matches on the skin from which they alone decide the scale.
ENOUGH_SKIN = 12
#: The correlation of the two pictures' fine structure below which a fit is not believed.
LEAST_CORRELATION = 0.1


class Refusal(StrEnum):
    """Why two pictures were not laid over each other."""

    NO_FEATURES = "no_features"
    FEW_MATCHES = "few_matches"
    IMPLAUSIBLE_SCALE = "implausible_scale"
    LITTLE_OVERLAP = "little_overlap"
    NOT_ALIKE = "not_alike"


@dataclass(frozen=True)
class Alignment:
    """Where each point of the earlier picture lies in the later one.

    matrix: float64, shape (2, 3), pixels of the earlier picture -> pixels of the later one; turn, scale and shift only.
    scale: later / earlier. turn_degrees: clockwise on the screen. inliers: matches that agree. on_skin: those of them
    outside of the lesions. correlation: of the pictures' fine structure where they overlap, -1 to 1.
    """

    matrix: F64
    scale: float
    turn_degrees: float
    inliers: int
    on_skin: int
    correlation: float
    overlap: float


@dataclass(frozen=True)
class Fit:
    """As Alignment, between the copies of SIDE."""

    matrix: F64
    inliers: int
    on_skin: int
    correlation: float


@dataclass(frozen=True)
class Points:
    """xy: float32, shape (n, 2), px at SIDE. words: float32, shape (n, 128)."""

    xy: F32
    words: F32


def align(
    earlier: NDArray[np.uint8], later: NDArray[np.uint8], *, lesions: tuple[Mask | None, Mask | None] = (None, None)
) -> Alignment | Refusal:
    """earlier, later: uint8, shape (H, W, 3), sRGB, of any sizes. lesions: their masks, where they are known."""
    small = _small(earlier), _small(later)
    points = tuple(features(each) for each in small)
    found = _matches(*points)
    if found is None:
        return Refusal.NO_FEATURES
    source, target = points[0].xy[found[:, 0]], points[1].xy[found[:, 1]]
    fit = _fit(source, target, _on_skin(source, target, small, lesions))
    if isinstance(fit, Refusal):
        return fit
    matrix, inliers, on_skin = fit
    matrix, correlation = refined(*small, matrix)
    return _judged(Fit(matrix, inliers, on_skin, correlation), earlier.shape, later.shape)


def _small(rgb: NDArray[np.uint8]) -> F32:
    """A grey copy whose light is evened out and whose fine structure has one strength everywhere; about -3 to 3."""
    scale = SIDE / min(rgb.shape[:2])
    size = max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1)
    grey = cv2.cvtColor(
        cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), cv2.COLOR_RGB2GRAY
    )
    return flattened(np.log1p(grey.astype(np.float32)))


def flattened(grey: F32) -> F32:
    """Less the local mean, over the local spread. Factors of the light become shifts of the logarithm and vanish."""
    sigma = min(grey.shape) / 16
    detail = grey - cv2.GaussianBlur(grey, (0, 0), sigma)
    spread = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), sigma))
    return np.asarray(detail / (spread + 0.01), dtype=np.float32)


def features(flat: F32) -> Points:
    sift = cv2.SIFT_create(nfeatures=FEATURES, contrastThreshold=0.02, edgeThreshold=12)  # type: ignore[attr-defined]
    keys, words = sift.detectAndCompute(np.clip(flat * 40 + 128, 0, 255).astype(np.uint8), None)
    if words is None:
        return Points(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    words = np.sqrt(words / (words.sum(axis=1, keepdims=True) + 1e-6))
    return Points(np.array([key.pt for key in keys], np.float32), words.astype(np.float32))


def _matches(one: Points, other: Points) -> NDArray[np.intp] | None:
    """Pairs of rows that are each other's nearest by a margin. Returns: shape (n, 2), None for too few features."""
    if min(len(one.xy), len(other.xy)) < LEAST_INLIERS:
        return None
    likeness = one.words @ other.words.T  # the words have length 1
    forth, back = likeness.argmax(axis=1), likeness.argmax(axis=0)
    rows = np.arange(len(one.xy))
    nearest = likeness[rows, forth].copy()
    likeness[rows, forth] = -1.0
    near, next_near = (np.sqrt(np.maximum(2 - 2 * like, 0)) for like in (nearest, likeness.max(axis=1)))
    good = (back[forth] == rows) & (near < RATIO * next_near)
    return np.stack([rows[good], forth[good]], axis=1)


def _on_skin(source: F32, target: F32, small: tuple[F32, F32], lesions: tuple[Mask | None, Mask | None]) -> Mask:
    """Which matches lie on skin in both pictures; none if a lesion is not known."""
    kept = np.ones(len(source), np.bool_)
    for points, flat, lesion in zip((source, target), small, lesions, strict=True):
        if lesion is None:
            return np.zeros(len(source), np.bool_)
        height, width = flat.shape
        wide = cv2.resize(lesion.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        x, y = np.clip(points.round().astype(int), 0, [width - 1, height - 1]).T
        kept &= wide[y, x] == 0
    return kept


def _fit(source: F32, target: F32, skin: Mask) -> tuple[F64, int, int] | Refusal:
    if len(source) < LEAST_INLIERS:
        return Refusal.FEW_MATCHES
    matrix, agreeing = _ransac(source, target)
    if matrix is None or agreeing.sum() < LEAST_INLIERS:
        return Refusal.FEW_MATCHES
    both = agreeing & skin
    if both.sum() >= ENOUGH_SKIN:
        by_skin, agreeing_skin = _ransac(source[both], target[both])
        if by_skin is not None and agreeing_skin.sum() >= ENOUGH_SKIN:
            matrix = by_skin
    return matrix, int(agreeing.sum()), int(both.sum())


def _ransac(source: F32, target: F32) -> tuple[F64 | None, Mask]:
    matrix, inliers = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=TOLERANCE, maxIters=5000, confidence=0.999
    )
    if matrix is None:
        # The stubs say that there is always one.
        return None, np.zeros(len(source), np.bool_)  # type: ignore[unreachable]
    return np.asarray(matrix, dtype=np.float64), np.asarray(np.asarray(inliers).ravel() > 0, dtype=np.bool_)


def refined(earlier: F32, later: F32, matrix: F64) -> tuple[F64, float]:
    """The similarity near `matrix` at which the fine structures agree best, and how well they do."""
    before = _correlation(earlier, later, matrix)
    one, other = _halved(earlier), _halved(later)  # a quarter of the time, for a tenth of a pixel
    start = cv2.invertAffineTransform(matrix).astype(np.float32)
    start[:, 2] /= 2
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-4)
    try:
        _, found = cv2.findTransformECC(other, one, start, cv2.MOTION_AFFINE, criteria, None, 5)  # type: ignore[call-overload]
    except cv2.error:  # it did not converge
        return matrix, before
    closer = cv2.invertAffineTransform(found.astype(np.float64))
    closer[:, 2] *= 2
    closer = nearest_similarity(closer, later.shape)
    after = _correlation(earlier, later, closer)
    return (closer, after) if after > before else (matrix, before)


def _halved(flat: F32) -> F32:
    size = max(flat.shape[1] // 2, 1), max(flat.shape[0] // 2, 1)
    return np.asarray(cv2.resize(flat, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def nearest_similarity(matrix: F64, shape: tuple[int, ...]) -> F64:
    """The turn, scale and shift that move the middle of the later picture as `matrix` does."""
    a, b = (matrix[0, 0] + matrix[1, 1]) / 2, (matrix[1, 0] - matrix[0, 1]) / 2
    linear = np.array([[a, -b], [b, a]])
    middle = np.array([shape[1] / 2, shape[0] / 2])
    source = np.linalg.solve(matrix[:, :2], middle - matrix[:, 2])
    return np.hstack([linear, (middle - linear @ source)[:, None]])


def _correlation(earlier: F32, later: F32, matrix: F64) -> float:
    moved, seen = warp(earlier, matrix, later.shape)
    if seen.sum() < 100:
        return 0.0
    one, other = (cv2.GaussianBlur(each, (0, 0), 1.5)[seen] for each in (moved, later))
    return float(np.corrcoef(one, other)[0, 1])


def warp(picture: NDArray[P], matrix: F64, shape: tuple[int, ...]) -> tuple[NDArray[P], Mask]:
    """The picture in the later one's frame, and where it has content. shape: of the later picture."""
    size = shape[1], shape[0]
    linear = cv2.INTER_AREA if abs(np.linalg.det(matrix[:, :2])) < 0.25 else cv2.INTER_LINEAR
    seen = cv2.warpAffine(np.ones(picture.shape[:2], np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    moved = cv2.warpAffine(picture, matrix, size, flags=linear, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=picture.dtype), np.asarray(seen > 0, dtype=np.bool_)


def _judged(fit: Fit, earlier: tuple[int, ...], later: tuple[int, ...]) -> Alignment | Refusal:
    """At the pictures' own sizes, if it can be true."""
    matrix = fit.matrix
    from_small, to_small = min(later[:2]) / SIDE, SIDE / min(earlier[:2])
    whole = np.hstack([matrix[:, :2] * from_small * to_small, matrix[:, 2:] * from_small])
    scale = math.hypot(whole[0, 0], whole[1, 0])
    if not 1 / LARGEST_SCALE <= scale * min(earlier[:2]) / min(later[:2]) <= LARGEST_SCALE:
        return Refusal.IMPLAUSIBLE_SCALE
    seen = cv2.warpAffine(np.ones(earlier[:2], np.uint8), whole, (later[1], later[0]), flags=cv2.INTER_NEAREST)
    overlap = float(seen.mean())
    if overlap < LEAST_OVERLAP:
        return Refusal.LITTLE_OVERLAP
    if fit.correlation < LEAST_CORRELATION:
        return Refusal.NOT_ALIKE
    turn = math.degrees(math.atan2(whole[1, 0], whole[0, 0]))
    return Alignment(whole, scale, turn, fit.inliers, fit.on_skin, fit.correlation, overlap)
