"""Example pictures, drawn: no photograph of a person is used.

    Scene -> outline -> layers of chromophores -> light -> artefacts -> camera -> uint8 picture (+ lesion mask)

Skin and lesion are kept as maps of melanin, blood, keratin and so on, and are turned into colour once, by absorption:
that is what makes a thin pigment tan and a thick one black without a palette. Seeded; numpy and OpenCV only.
"""

from macule.examples.drawing import draw, draw_with_mask
from macule.examples.files import write_examples
from macule.examples.presets import Kind, preset
from macule.examples.scene import Scene
from macule.examples.tone import ita, tone_rgb

__all__ = ["Kind", "Scene", "draw", "draw_with_mask", "ita", "preset", "tone_rgb", "write_examples"]
