"""Everyday photographs that come with scikit-image and scikit-learn: read from the packages, never copied."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from macule.errors import MissingExtra
from macule.evaluation.not_lesions.canvas import Rgb

_PLACES = (("skimage", Path("data")), ("sklearn", Path("datasets") / "images"))
#: Single frames of colour or grey, large enough to be judged. Charts and tiny drawings among them are left out.
_NAMES = ("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "china.jpg", "coffee.png", "coins.png",
          "flower.jpg", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png",
          "motorcycle_left.png", "page.png", "retina.jpg", "rocket.jpg", "text.png")
_LEAST = 0.55  # of each side that a crop shows
_SHORT_SIDE = 256


def available() -> bool:
    return bool(_paths())


def photo(rng: np.random.Generator) -> Rgb:
    """A photograph, whole or as a crop of more than half of it each way, mirrored at times.

    Raises: MissingExtra.
    """
    paths = _paths()
    if not paths:
        raise MissingExtra("no sample photographs here: pip install scikit-image scikit-learn.")
    rgb = _read(paths[rng.integers(len(paths))])
    height, width = rgb.shape[:2]
    share = rng.uniform(_LEAST, 1) if rng.random() < 0.7 else 1.0
    top, left = (int(rng.uniform(0, 1 - share) * side) for side in (height, width))
    part = rgb[top:top + int(share * height), left:left + int(share * width)]
    part = part[:, ::-1] if rng.random() < 0.5 else part
    scale = max(_SHORT_SIDE / min(part.shape[:2]), min(1.0, 512 / min(part.shape[:2])))
    return np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def whole() -> dict[str, Rgb]:
    """Every photograph as it is shipped, by name."""
    return {path.name: _read(path) for path in _paths()}


@cache
def _paths() -> tuple[Path, ...]:
    folders = [Path(spec.origin).parent / inside for package, inside in _PLACES
               for spec in [find_spec(package)] if spec and spec.origin]
    return tuple(path for name in _NAMES for path in (folder / name for folder in folders) if path.is_file())


def _read(path: Path) -> Rgb:
    with Image.open(path) as image:  # OpenCV writes warnings about one file's colour profile
        return np.asarray(image.convert("RGB"), np.uint8)
