"""When to stop and when to slow down: how the figures of the pictures that are only looked at have gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from macule.training.recipe import Recipe

_HIGHER_IS_BETTER = frozenset({"balanced_accuracy", "auc"})


@dataclass
class Judge:
    """best: the figure of early stopping, reached at best_step, `since` looks ago.

    lowest: validation loss, `flat` looks ago. rate: what the plateau has left of the learning rate, as a share.
    """

    best: float | None = None
    best_step: int = -1
    since: int = 0
    lowest: float | None = None
    flat: int = 0
    rate: float = 1.0

    def see(self, recipe: Recipe, found: Mapping[str, float | None], step: int) -> bool:
        """Whether this is the best so far."""
        self._flatten(recipe, found["loss"])
        value = found[recipe.stopping.figure]
        sign = 1.0 if recipe.stopping.figure in _HIGHER_IS_BETTER else -1.0
        if value is not None and (self.best is None or sign * value > sign * self.best):
            self.best, self.best_step, self.since = value, step, 0
            return True
        self.since += 1
        return False

    def _flatten(self, recipe: Recipe, loss: float | None) -> None:
        if loss is not None and (self.lowest is None or loss < self.lowest):
            self.lowest, self.flat = loss, 0
            return
        self.flat += 1
        if recipe.schedule.kind == "plateau" and self.flat >= _looks(recipe, recipe.schedule.patience):
            self.rate, self.flat = self.rate * recipe.schedule.factor, 0

    def tired(self, recipe: Recipe) -> bool:
        patience = recipe.stopping.patience
        return patience is not None and self.since >= _looks(recipe, patience)


def _looks(recipe: Recipe, epochs: int) -> int:
    """How many looks at the validation part so many epochs hold."""
    return max(1, round(epochs / recipe.engine.validate_every))
