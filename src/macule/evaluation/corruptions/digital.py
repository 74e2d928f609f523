"""What files and messengers do to a picture: compression and lost pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from macule.evaluation.corruptions.kind import MEDMNIST_C, NOMINAL_SIDE, Family, Kind, Rgb

_QUALITY = (60, 35, 20, 13, 9)  # MedMNIST-C: 30, 20, 15, 10, 7; 60 is a messenger's
_BLOCKS = (0.7, 0.5, 0.4, 0.3, 0.22)  # pixels left a side
_SHORT_SIDE = (165, 135, 110, 80, 55)  # of NOMINAL_SIDE; ISIC 2024's crops have about 120 px


def _jpeg(rgb: Rgb, strength: int, _: Generator) -> Rgb:
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY[strength - 1]]
    # OpenCV takes blue first; told otherwise, JPEG would spare the wrong colours.
    _ok, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), quality)
    read = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)


def _pixelate(rgb: Rgb, strength: int, _: Generator) -> Rgb:
    side = NOMINAL_SIDE * _BLOCKS[strength - 1]
    return _enlarged(rgb, side, cv2.INTER_NEAREST_EXACT)


def _low_resolution(rgb: Rgb, strength: int, _: Generator) -> Rgb:
    return _enlarged(rgb, _SHORT_SIDE[strength - 1], cv2.INTER_CUBIC)


def _enlarged(rgb: Rgb, short_side: float, method: int) -> Rgb:
    """Shrunk to so many pixels on the short side, and brought back to its size."""
    height, width = rgb.shape[:2]
    scale = short_side / max(min(height, width), NOMINAL_SIDE)  # of a small picture the same share is left
    small = cv2.resize(rgb, (max(round(width * scale), 1), max(round(height * scale), 1)),
                       interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=method), np.uint8)


KINDS = (
    Kind("jpeg", "saved as a JPEG of low quality", Family.FILE, MEDMNIST_C, _jpeg),
    Kind("pixelate", "coarse square pixels", Family.FILE, MEDMNIST_C, _pixelate),
    Kind("low_resolution", "a small crop of a wide picture, enlarged", Family.FILE,
         "ISIC 2024 (SLICE-3D, Kurtansky et al. 2024)", _low_resolution),
)
