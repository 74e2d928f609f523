"""Several runs as one bundle: an ensemble of their answers, or one network with the mean of their weights."""

from macule.training.combine.ensemble import Ensemble
from macule.training.combine.run import HOW, combine
from macule.training.combine.soup import average

__all__ = ["HOW", "Ensemble", "average", "combine"]
