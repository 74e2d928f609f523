"""Skin without a lesion, as `macule.examples` draws it."""

from __future__ import annotations

import numpy as np

from macule.evaluation.not_lesions.canvas import HEIGHT, WIDTH, Rgb
from macule.examples import Scene, draw


def plain(rng: np.random.Generator) -> Rgb:
    """Every tone, from near and from further away, with or without hair and freckles."""
    scene = Scene(
        radius=0.0, tone=int(rng.integers(1, 7)), modality="clinical" if rng.random() < 0.5 else "dermoscopic",
        texture=rng.uniform(0.2, 0.9), freckles=rng.uniform(0.3, 1) if rng.random() < 0.4 else 0.0,
        hair=rng.uniform(0.1, 0.8) if rng.random() < 0.4 else 0.0,
    )
    return draw(scene, size=(WIDTH, HEIGHT), seed=int(rng.integers(2**31)))
