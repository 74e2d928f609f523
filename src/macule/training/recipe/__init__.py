"""A recipe is data: what to train, on what, for how long. Files stand in `recipes/`.

Every setting is checked before anything is read or trained; an unknown key is an error that names it.
"""

from macule.training.recipe.reading import RECIPES, load, names, parse, settings
from macule.training.recipe.sections import (
    Augment,
    Conv,
    Distillation,
    Engine,
    Loss,
    Network,
    Optimiser,
    Patient,
    Phase,
    Sampling,
    Schedule,
    Serving,
    Split,
    Stopping,
    Targets,
)
from macule.training.recipe.whole import Recipe

__all__ = [
    "RECIPES",
    "Augment",
    "Conv",
    "Distillation",
    "Engine",
    "Loss",
    "Network",
    "Optimiser",
    "Patient",
    "Phase",
    "Recipe",
    "Sampling",
    "Schedule",
    "Serving",
    "Split",
    "Stopping",
    "Targets",
    "load",
    "names",
    "parse",
    "settings",
]
