"""Preparation arms: ways to clean a picture before the network reads it, where a recipe says so. None is a default.

    ARMS = clahe, glare, hair, lesion_crop, max_rgb, shades_of_gray; docs/preparation.md says what each does

Each is one small file. They run in the order in which they are named; their lengths follow the picture's short side.
What an arm does is part of every bundle that names it: change an arm that a bundle was trained with only under another
name, else serving would no longer show the network what it learnt from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from macule.analysis.arms import clahe, glare, hair, lesion_crop, max_rgb, shades_of_gray
from macule.analysis.arms.arm import WHOLE, Arm, Frame

__all__ = ["ARMS", "WHOLE", "Arm", "Frame", "apply", "apply_framed", "find"]

ARMS: Mapping[str, Arm] = MappingProxyType(
    {arm.name: arm for arm in (clahe.ARM, glare.ARM, hair.ARM, lesion_crop.ARM, max_rgb.ARM, shades_of_gray.ARM)}
)


def find(names: Sequence[str]) -> tuple[Arm, ...]:
    """The arms of these names, in this order.

    Raises: ValueError naming the one that is unknown or named twice, and the known ones.
    """
    for name in names:
        if name not in ARMS:
            raise ValueError(f"there is no arm {name!r}; known: {', '.join(ARMS)}")
    if len(set(names)) < len(names):
        raise ValueError(f"arms are {', '.join(names)}: name each once")
    return tuple(ARMS[name] for name in names)


def apply(rgb: NDArray[np.uint8], names: Sequence[str]) -> NDArray[np.uint8]:
    """Run arms over a picture, in order.

    rgb: uint8, shape (H, W, 3), sRGB. Returns: uint8, shape (h, w, 3); smaller only where an arm crops.
    Raises: ValueError as `find`.
    """
    return apply_framed(rgb, names)[0]


def apply_framed(rgb: NDArray[np.uint8], names: Sequence[str]) -> tuple[NDArray[np.uint8], Frame]:
    """As `apply`, with the part of the picture that is left."""
    frame = WHOLE
    for arm in find(names):
        if arm.run:
            rgb = arm.run(rgb)
        if arm.frame:
            kept = arm.frame(rgb)
            rgb, frame = kept.cut(rgb), kept.within(frame)
    return rgb, frame
