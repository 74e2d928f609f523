"""A recipe's augmentation with its strength multiplied in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from macule.training import recipe


@dataclass(frozen=True)
class Ranges:
    """flip: chance of each mirror image. turn: largest angle, radians. zoom: share of the side that is shown.

    shift, stretch, brightness, contrast, cast, saturation: largest change, as a share. blur to vignette: chances.
    """

    flip: float
    turn: float
    zoom: tuple[float, float]
    shift: float
    stretch: float
    brightness: float
    contrast: float
    cast: float
    saturation: float
    blur: float
    jpeg: float
    hair: float
    ruler: float
    ink: float
    vignette: float

    @classmethod
    def of(cls, settings: recipe.Augment) -> Ranges:
        strength = settings.strength
        part = min(1.0, strength)  # of the way from upright only to any turn; beyond that there is nothing

        def share(value: float) -> float:
            return min(1.0, value * strength)

        return cls(
            flip=0.5 * part * settings.flips,
            turn=math.pi * part * settings.turns,
            # A power, not a product: twice a quarter of the side and three times that are still above 0.
            zoom=(settings.zoom[0] ** strength, settings.zoom[1] ** strength),
            shift=share(settings.shift),
            stretch=settings.stretch * strength,
            brightness=share(settings.brightness),
            contrast=share(settings.contrast),
            cast=share(settings.cast),
            saturation=share(settings.saturation),
            blur=share(settings.blur),
            jpeg=share(settings.jpeg),
            hair=share(settings.hair),
            ruler=share(settings.ruler),
            ink=share(settings.ink),
            vignette=share(settings.vignette),
        )

    @property
    def still(self) -> bool:
        """Whether the picture stays where it is."""
        return self.zoom == (1.0, 1.0) and not any((self.flip, self.turn, self.shift, self.stretch))

    @property
    def plain(self) -> bool:
        """Whether the colours stay as they are."""
        return not any((self.brightness, self.contrast, self.cast, self.saturation))
