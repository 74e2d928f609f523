"""Can this picture be judged at all? Seven cheap measurements on a small copy, each against a limit.

Everything but the size is measured on a copy with a short side of 256 px, so that no limit depends on megapixels.
The limits were read off 4,196 pictures of the archives (2,000 of HAM10000, 500 of ISIC 2017, 193 of ISIC 2018, 1,500
clinical and dermoscopic ones of MILK10k, 3 of PAD-UFES-20), called `real` below, of which under 0.1 % are refused; and
off degraded copies of 303 of them.
"""

from __future__ import annotations

from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.image import Picture
from macule.analysis.result import Check, Quality

_P = TypeVar("_P", np.uint8, np.float32)

#: Pixels on the short side; MILK10k's published copies have 224, and the networks read 224 to 260.
MIN_SHORT_SIDE = 224
#: Fine over middle detail. Real: 2 of 19,245 lie below. Blurred by 1 px (Gaussian, at 256) 29 % do, by 1.5 px nearly
#: all (benchmarks/README.md).
MIN_SHARPNESS = 0.28
#: The same ratio the other way. Real: 2.2 at most. Pure sensor noise: 3.4.
MAX_GRAIN = 2.8
#: Grey level that 5 % of the middle exceeds. Real: 62 at least. Darkened to 0.3: 84 % lie below. It is the brightest
#: part's and not the median, so that dark skin, correctly exposed, is not called dark.
MIN_BRIGHTNESS = 60.0
#: Median grey level of the middle. Real: none above 240. Over-exposed 2.2 times: 80 % lie above.
MAX_BRIGHTNESS = 245.0
#: Share of the middle that is burnt out to white. Real: 0.03 at most. Over-exposed 1.6 times: half lie above.
MAX_GLARE = 0.15
#: CIE76 colour difference between the skin and its most different hundredth. Real: 0.03 % lie below.
#: Flat skin with a shadow and noise: 99 % lie below.
MIN_CONTRAST = 5.5

_WORKING_SIDE = 256
_REGION_SIDE = 64
#: Grey level from which the smallest of the three channels counts as burnt out.
_BURNT = 250
#: Variance of rounding to whole grey levels: without it a smooth picture's own rounding looks like fine detail.
_ROUNDING = 1 / 12

#: How unlike a lesion the gate finds the picture: its limit for refusing (macule.analysis.gate).
MAX_STRANGENESS = 1.0

_ADVICE = {
    "size": "Move closer or use a higher resolution: the picture has too few pixels.",
    "sharpness": "Hold still, tap on the spot to focus and take the picture again: it is blurred.",
    "grain": "Take the picture again in brighter light: it is drowned in noise.",
    "darkness": "Take the picture again in brighter, even light: it is too dark.",
    "brightness": "Take the picture again without flash or direct sun: it is too bright.",
    "glare": "Tilt the camera or turn off the flash: a reflection hides part of the skin.",
    "lesion": "Put the spot in the middle and take the picture again: nothing stands out from the skin.",
    "familiar": "This does not look like a close-up of one spot on the skin: take a picture of the spot from nearby.",
}


def assess(picture: Picture, *, min_short_side: float = MIN_SHORT_SIDE) -> Quality:
    """Judge a decoded picture; about 4 ms on one core.

    min_short_side: px. The other limits were read off pictures of 224 px and more, and say less about smaller ones.

    Returns: the checks `size`, `sharpness`, `grain`, `darkness`, `brightness`, `glare` and `lesion`, in this order;
    of a picture that is too small only `size`, since the others mean nothing there.
    """
    size = _at_least("size", min(picture.width, picture.height), min_short_side)
    return Quality((size, *_measure(picture.rgb)) if size.passed else (size,))


def familiar(strangeness: float, *, passed: bool) -> Check:
    """The last check, which needs the network's answer: a bundle's gate looks for a lesion to judge."""
    return Check("familiar", passed, strangeness, MAX_STRANGENESS, _ADVICE["familiar"])


def _measure(rgb: NDArray[np.uint8]) -> tuple[Check, ...]:
    small = _shrink(rgb, _WORKING_SIDE)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    middle, detail = _middle(grey, 6), sharpness(grey)
    return (
        _at_least("sharpness", detail, MIN_SHARPNESS),
        _at_most("grain", detail, MAX_GRAIN),
        _at_least("darkness", np.percentile(middle, 95), MIN_BRIGHTNESS),
        _at_most("brightness", np.median(middle), MAX_BRIGHTNESS),
        _at_most("glare", float(np.mean(_middle(small, 6).min(axis=2) >= _BURNT)), MAX_GLARE),
        _at_least("lesion", contrast(_shrink(small, _REGION_SIDE)), MIN_CONTRAST),
    )


def sharpness(grey: NDArray[np.uint8]) -> float:
    """Detail finer than 1 px over detail of 1 to 4 px (standard deviations): independent of contrast and exposure.

    grey: uint8, shape (H, W), short side 256. Returns: 0 for a picture without any detail.
    """
    values = grey.astype(np.float32)
    near, far = _blur(values, 1.0), _blur(values, 4.0)
    fine = float(_middle(values - near, 8).var()) - _ROUNDING
    middle = float(_middle(near - far, 8).var())
    return float(np.sqrt(max(fine, 0.0) / middle)) if middle > 0 else 0.0


def contrast(rgb: NDArray[np.uint8]) -> float:
    """How far the most different hundredth of the middle disc is from its median colour, in CIE76 units.

    rgb: uint8, shape (H, W, 3), about 64 px: the shrinking has averaged hairs and noise away.
    """
    unit = rgb.astype(np.float32) / np.float32(255)
    lab = _blur(np.asarray(cv2.cvtColor(unit, cv2.COLOR_RGB2LAB), dtype=np.float32), 1.0)
    colours = lab[_disc(*lab.shape[:2])]
    return float(np.percentile(np.linalg.norm(colours - np.median(colours, axis=0), axis=1), 99))


def _disc(height: int, width: int) -> NDArray[np.bool_]:
    """The middle disc: a dermatoscope's black rim is not a lesion."""
    y, x = np.ogrid[:height, :width]
    radius = 0.48 * min(height, width)
    disc: NDArray[np.bool_] = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2 <= max(radius, 1.0) ** 2
    return disc


def _middle(pixels: NDArray[_P], part: int) -> NDArray[_P]:
    """Without one `part`-th of the width and height on each side."""
    height, width = pixels.shape[:2]
    return pixels[height // part : height - height // part, width // part : width - width // part]


def _blur(pixels: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), dtype=np.float32)


def _shrink(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    scale = side / min(height, width)
    if scale >= 1:
        return rgb
    size = (round(width * scale), round(height * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _at_least(name: str, value: float | np.floating[Any], limit: float) -> Check:
    return Check(name, bool(value >= limit), float(value), limit, _ADVICE[name])


def _at_most(name: str, value: float | np.floating[Any], limit: float) -> Check:
    return Check(name, bool(value <= limit), float(value), limit, _ADVICE[name])
