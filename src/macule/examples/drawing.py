"""Scene -> picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from macule.errors import UsageError
from macule.examples.artefacts import add_artefacts
from macule.examples.camera import photograph
from macule.examples.layers import Layers, colour, lit
from macule.examples.noise import Frame
from macule.examples.outline import Outline, outline
from macule.examples.pigment import add_pigment
from macule.examples.scene import Scene
from macule.examples.skin import add_skin
from macule.examples.surface import add_surface
from macule.examples.vascular import add_vascular

SMALLEST, LARGEST = 32, 4096


def draw(scene: Scene, *, size: tuple[int, int] = (600, 450), seed: int) -> NDArray[np.uint8]:
    """The picture of a scene; the same scene, size and seed give the same array.

    size: width, height in px. Returns: uint8, shape (H, W, 3), sRGB.
    Raises: UsageError, for a size outside 32-4096 px or a negative seed.
    """
    return draw_with_mask(scene, size=size, seed=seed)[0]


def draw_with_mask(
    scene: Scene, *, size: tuple[int, int] = (600, 450), seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """As `draw`, with the lesion's true mask. Returns: uint8 (H, W, 3) sRGB; bool (H, W), empty without a lesion."""
    frame = _frame(size, seed)
    lesion = outline(frame, scene)
    layers = _layers(frame, lesion, scene)
    relief, shine = (0.17, 0.12) if scene.clinical else (0.085, 0.045)  # gel fills the furrows
    rgb = lit(colour(layers, scene.tone), layers, relief=relief, shine=shine)
    return photograph(add_artefacts(rgb, frame, scene), frame, scene), lesion.mask


def _frame(size: tuple[int, int], seed: int) -> Frame:
    width, height = size
    if not SMALLEST <= min(size) <= max(size) <= LARGEST:
        raise UsageError(f"size is {width} x {height} px; give {SMALLEST} to {LARGEST} px a side.")
    if seed < 0:
        raise UsageError(f"seed is {seed}; give 0 or more.")
    return Frame(height, width, seed)


def _layers(frame: Frame, lesion: Outline, scene: Scene) -> Layers:
    layers = Layers(frame)
    add_skin(layers, scene)
    if scene.has_lesion:
        add_pigment(layers, lesion, scene)
        add_vascular(layers, lesion, scene)
        add_surface(layers, lesion, scene)
    return layers
