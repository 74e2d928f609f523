"""What a picture shows: every parameter that the drawing has, in one frozen record."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from macule.errors import UsageError

# Fields that are not a strength between 0 and 1: their allowed range.
RANGES: dict[str, tuple[float, float]] = {
    "tone": (1, 6),
    "radius": (0.0, 0.6),
    "elongation": (1.0, 3.0),
    "pigment": (0.0, 4.0),
    "redness": (0.0, 3.0),
    "blur": (0.0, 30.0),
    "exposure": (0.02, 4.0),
    "noise": (0.0, 0.2),
    "jpeg": (0, 100),
}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One drawn picture. Unless a comment says otherwise a field is a strength, 0 = absent, 1 = as strong as is seen.

    Raises: UsageError, when a value lies outside its range.
    """

    # Skin
    tone: int = 3  # Fitzpatrick I-VI as 1-6
    modality: Literal["dermoscopic", "clinical"] = "dermoscopic"  # clinical: a phone's picture, from further away
    texture: float = 0.5  # furrows, mottling, pores
    freckles: float = 0.0

    # Outline of the lesion
    radius: float = 0.3  # mean radius in units of the picture's short side; 0: no lesion
    elongation: float = 1.2  # long axis / short axis
    irregularity: float = 0.2  # of the border
    asymmetry: float = 0.1  # the darkest part away from the centre
    softness: float = 0.5  # 0: stuck-on edge, 1: fades into the skin

    # Its colours
    pigment: float = 1.2  # optical density of the melanin, green channel
    redness: float = 0.2  # optical density of the blood, green channel
    variegation: float = 0.3

    # Its structures
    network: float = 0.0  # pigment network
    globules: float = 0.0
    streaks: float = 0.0
    veil: float = 0.0  # blue-white veil
    nests: float = 0.0  # blue-grey ovoid nests
    vessels: float = 0.0  # arborising vessels
    milia: float = 0.0
    openings: float = 0.0  # comedo-like
    lacunae: float = 0.0
    white_patch: float = 0.0  # central, scar-like
    scale: float = 0.0  # white-yellow flakes, rosettes around follicles
    crust: float = 0.0

    # What lies on it
    hair: float = 0.0
    ruler: float = 0.0
    ink: float = 0.0  # surgical pen
    bubbles: float = 0.0  # of the contact gel

    # The camera
    vignette: float = 0.0  # above 0.5 the black rim of the dermatoscope shows
    glare: float = 0.0
    blur: float = 0.0  # standard deviation, px at 600 x 450
    exposure: float = 1.0  # factor in linear light
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)  # gain of R, G, B in linear light
    noise: float = 0.007  # of the sensor, standard deviation at mid grey
    jpeg: int = 0  # quality of an earlier compression; 0: none

    def __post_init__(self) -> None:
        if self.modality not in ("dermoscopic", "clinical"):
            raise UsageError(f"modality is {self.modality!r}; use 'dermoscopic' or 'clinical'.")
        for field in fields(self):
            if field.name not in ("modality", "cast"):
                self._check(field.name, getattr(self, field.name))
        if len(self.cast) != 3:
            raise UsageError(f"cast is {self.cast}; give three gains, R, G and B.")
        for gain in self.cast:
            self._check("cast", gain, (0.1, 4.0))

    @staticmethod
    def _check(name: str, value: float, bounds: tuple[float, float] | None = None) -> None:
        low, high = bounds or RANGES.get(name, (0.0, 1.0))
        if not low <= value <= high:  # NaN fails too
            raise UsageError(f"{name} is {value}; give a value from {low:g} to {high:g}.")

    @property
    def has_lesion(self) -> bool:
        return self.radius > 0

    @property
    def clinical(self) -> bool:
        return self.modality == "clinical"
