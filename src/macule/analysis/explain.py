"""Where the evidence lies: a class activation map (Zhou et al. 2016) that the exported graph computes itself."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.arms import Frame
from macule.analysis.preprocess import unview

#: Opacity of the heatmap where it is strongest.
OPACITY = 0.6
#: Blank out below this share of the maximum, so that the picture stays visible where nothing was found.
FLOOR = 0.15
#: Most cells a side of a map that was placed in its picture: more than enough for a map that is coarse in itself.
MOST_CELLS = 96


def heatmap(cam: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    """One class's evidence, averaged over the views in the picture's own position.

    cam: float32, shape (views, K, h, w). index: of the class explained.
    Returns: float32, shape (h, w), 0 to 1, maximum 1; all 0 if nothing speaks for the class.
    """
    upright = np.mean([unview(view[index], number) for number, view in enumerate(cam)], axis=0)
    positive: NDArray[np.float32] = np.maximum(upright, 0.0).astype(np.float32)
    peak = positive.max()
    return np.divide(positive, peak, dtype=np.float32) if peak > 0 else positive


def place(heat: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
    """A map of a part of the picture -> a map of the whole picture, with cells of about the same size, 0 outside.

    heat: float32, shape (h, w), 0 to 1, of what `frame` cuts out.
    Returns: float32, shape (H, W), 0 to 1, the same maximum; `heat` itself if the frame is the whole picture.
    """
    if frame.is_whole:
        return heat
    (rows, y), (columns, x) = (
        _cells(count, first, last)
        for count, first, last in zip(
            heat.shape, (frame.top, frame.left), (frame.bottom, frame.right), strict=True
        )
    )
    grid_y, grid_x = np.meshgrid(y, x, indexing="ij")
    placed = cv2.remap(heat, grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = np.where(np.outer(rows, columns), placed, 0)
    peak = inside.max()
    return np.asarray(inside / peak * heat.max() if peak > 0 else inside, dtype=np.float32)


def _cells(count: int, first: float, last: float) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Of a row of cells over the whole picture: which lie in the part from `first` to `last`, and where in its map."""
    side = min(max(round(count / (last - first)), count), MOST_CELLS)
    within = ((np.arange(side) + 0.5) / side - first) / (last - first)
    return (within >= 0) & (within <= 1), (within * count - 0.5).astype(np.float32)


def enlarge(heat: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """float32, shape (height, width), 0 to 1, smoothly interpolated."""
    large = cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(large, 0.0, 1.0), dtype=np.float32)


def overlay(rgb: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture with the heatmap laid over it, in viridis: even steps that colour-blind readers can tell apart.

    rgb: uint8, shape (H, W, 3). heat: float32, shape (h, w), 0 to 1. Returns: uint8, shape (H, W, 3).
    """
    height, width = rgb.shape[:2]
    large = enlarge(heat, width, height)
    levels = np.round(large * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    opacity = OPACITY * np.clip((large - FLOOR) / (1 - FLOOR), 0, 1)[..., None]
    return np.asarray(np.round(rgb * (1 - opacity) + colours * opacity), dtype=np.uint8)


def to_png(rgb: NDArray[np.uint8]) -> bytes:
    """A PNG file's bytes. rgb: uint8, shape (H, W, 3)."""
    return _encode(".png", rgb, [cv2.IMWRITE_PNG_COMPRESSION, 4])


def to_jpeg(rgb: NDArray[np.uint8], quality: int = 88) -> bytes:
    """A JPEG file's bytes. rgb: uint8, shape (H, W, 3)."""
    return _encode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])


def _encode(suffix: str, rgb: NDArray[np.uint8], options: list[int]) -> bytes:
    _, content = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    return content.tobytes()
