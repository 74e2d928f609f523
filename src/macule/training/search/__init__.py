"""Search of a recipe's settings with Optuna: in one process, in several, or on many machines that share a database."""

from macule.training.search.run import Found, Wanted, search
from macule.training.search.space import Space, parse
from macule.training.search.study import PRUNERS, SAMPLERS, Outcome

__all__ = ["PRUNERS", "SAMPLERS", "Found", "Outcome", "Space", "Wanted", "parse", "search"]
