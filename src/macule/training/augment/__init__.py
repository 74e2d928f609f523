"""What a picture may look like on another day: turned, nearer, in other light, with hair or pen ink on it.

Dermatoscopic pictures have no upright, so any rotation and mirror image is as likely as the picture itself. All
chance comes from the generator that is passed in: a resumed run sees what an unbroken one would have seen.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from macule.training import recipe
from macule.training.augment import colour, degrade, geometry, hair, ink, ruler, vignette
from macule.training.augment.forgetting import forget
from macule.training.augment.mix import Mixing, mixing
from macule.training.augment.ranges import Ranges

__all__ = ["Mixing", "forget", "mixing", "picture"]


def picture(rgb: NDArray[np.uint8], settings: recipe.Augment, *, size: int, rng: Generator) -> NDArray[np.uint8]:
    """One picture as it might have been taken; at strength 0 the plain resized one.

    rgb: uint8, (S, S, 3), sRGB; not written to. Returns: uint8, (size, size, 3), C-contiguous.
    """
    ranges = Ranges.of(settings)
    # In the order in which they come about: what lies on the skin, the instrument's rim, the light, the camera.
    seen = geometry.moved(rgb, ranges, size=size, rng=rng)
    for chance, draw in ((ranges.ink, ink.draw), (ranges.ruler, ruler.draw), (ranges.hair, hair.draw),
                         (ranges.vignette, vignette.draw)):
        if rng.random() < chance:
            draw(seen, rng)
    seen = colour.lit(seen, ranges, rng)
    for chance, worse in ((ranges.blur, degrade.blurred), (ranges.jpeg, degrade.compressed)):
        if rng.random() < chance:
            seen = worse(seen, rng)
    return seen
