"""A bundle whose convolutions count in whole numbers of eight bits: a third of the size, about twice the speed."""

from macule.training.quantise.integers import METHODS, Settings, in_integers
from macule.training.quantise.run import Run, quantise

__all__ = ["METHODS", "Run", "Settings", "in_integers", "quantise"]
