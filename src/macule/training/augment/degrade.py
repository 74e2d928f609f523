"""What a camera and a file do to a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

SIGMA = (0.5, 1.5)  # px
QUALITY = (40, 90)


def blurred(rgb: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Out of focus."""
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), rng.uniform(*SIGMA)), np.uint8)


def compressed(rgb: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Saved as a JPEG and read again."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*QUALITY))]
    # OpenCV takes blue first; told otherwise, JPEG would spare the wrong colours.
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), quality)
    read = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)
