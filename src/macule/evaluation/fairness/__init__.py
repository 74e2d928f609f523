"""Whether a bundle serves some people worse than others: every main figure by group, with gaps and their intervals."""

from macule.evaluation.fairness.measuring import measure

__all__ = ["measure"]
