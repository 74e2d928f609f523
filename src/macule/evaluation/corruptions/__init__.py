"""What may happen to a picture before it is judged: 25 kinds at 5 strengths, for measuring and never for training.

The kinds of MedMNIST-C for dermatoscopy (Di Salvo et al. 2024), painted anew, and the shortcuts that skin pictures are
known for. Strength 1 is what one meets every day; at 5 a person would still just judge the lesion.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from macule.errors import UsageError
from macule.evaluation.corruptions import blur, digital, instrument, light, noise, skin
from macule.evaluation.corruptions.kind import Family, Kind, Rgb

__all__ = ["KINDS", "STRENGTHS", "Family", "Kind", "apply", "find"]

STRENGTHS = (1, 2, 3, 4, 5)
#: In the order of their families.
KINDS: tuple[Kind, ...] = (
    *digital.KINDS, *noise.KINDS, *blur.KINDS, *light.KINDS, *instrument.KINDS, *skin.KINDS,
)
_BY_NAME = {kind.name: kind for kind in KINDS}


def find(names: Sequence[str] | None = None) -> tuple[Kind, ...]:
    """The kinds of these names, in the suite's order; None is all.

    Raises: UsageError for an unknown name, or none.
    """
    if names is None:
        return KINDS
    unknown = sorted(set(names) - set(_BY_NAME))
    if unknown or not names:
        raise UsageError(f"the kinds of corruption are {list(names)!r}; some of {', '.join(_BY_NAME)} are needed.")
    return tuple(kind for kind in KINDS if kind.name in names)


def apply(name: str, rgb: Rgb, strength: int, seed: int = 0) -> Rgb:
    """The picture as it might have come.

    rgb: uint8, shape (H, W, 3), sRGB; not written to. strength: 1 to 5.
    Chance comes from the seed, the kind and the picture, and not from the strength: at 5 the same hairs lie where they
    lay at 1, and more of them.

    Returns: uint8, shape (H, W, 3).
    Raises: UsageError for an unknown kind or strength.
    """
    (kind,) = find((name,))
    if strength not in STRENGTHS:
        raise UsageError(f"the strength is {strength!r}; 1 to {STRENGTHS[-1]} is needed.")
    picture = np.ascontiguousarray(rgb)
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), zlib.crc32(picture.tobytes())])
    return kind.paint(picture, strength, rng)
