"""A recipe is data: what to train, on what, for how long. Files stand in `recipes/`."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from macule.errors import UsageError

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Stage:
    """A stretch of training at one resolution. samples: pictures drawn, with repetition. size: pixels a side."""

    samples: int
    size: int


@dataclass(frozen=True)
class Recipe:
    """name: also the bundle's id. backbone: lite0, lite1 or lite2. serve_size: pixels a side at prediction.

    frozen_blocks: the stem and this many first stages keep their ImageNet weights.
    sampling_exponent: a picture is drawn with weight (class count) ** -exponent; 0 natural, 1 balanced.
    logit_adjustment: this share of the log of the drawn class shares is taken off the logits after training
    (Menon et al. 2021): 0 leaves the drawn mixture as the prior, 1 makes all classes equally likely beforehand.
    field_dropout: chance that a known field of the patient is hidden, each by itself; all_dropout: that all are.
    """

    name: str
    backbone: str
    datasets: tuple[str, ...]
    stages: tuple[Stage, ...]
    serve_size: int
    views: int
    batch: int
    learning_rate: float
    head_learning_rate: float
    weight_decay: float
    warmup_share: float
    label_smoothing: float
    dropout: float
    ema_decay: float
    frozen_blocks: int
    sampling_exponent: float
    logit_adjustment: float
    field_dropout: float
    all_dropout: float
    seed: int

    @property
    def samples(self) -> int:
        return sum(stage.samples for stage in self.stages)


def load(name_or_path: str) -> Recipe:
    """A recipe by its name in `recipes/`, or from a TOML file.

    Raises: UsageError naming the key that is unknown, missing or of the wrong type, or the place that is not TOML.
    """
    path = Path(name_or_path) if name_or_path.endswith(".toml") else RECIPES / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in RECIPES.glob("*.toml")))
        raise UsageError(f"there is no recipe {name_or_path!r}; known: {known}; or give the path of a .toml file.")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path.name} is not TOML: {error}.") from error
    return parse(table, where=str(path.name))


def parse(table: dict[str, Any], *, where: str) -> Recipe:
    stages = tuple(Stage(**_checked(Stage, stage, f"{where}: stages")) for stage in table.pop("stages", []))
    values = _checked(Recipe, table | {"stages": stages, "datasets": tuple(table.get("datasets", ()))}, where)
    return Recipe(**values)


def _checked(kind: type, table: dict[str, Any], where: str) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    if unknown := set(table) - names:
        raise UsageError(f"{where}: unknown key(s) {', '.join(sorted(unknown))}; known: {', '.join(sorted(names))}.")
    if absent := names - set(table):
        raise UsageError(f"{where}: missing key(s) {', '.join(sorted(absent))}.")
    for name, hint in get_type_hints(kind).items():
        wanted = (int, float) if hint is float else hint
        if hint in (int, float, str) and (not isinstance(table[name], wanted) or isinstance(table[name], bool)):
            raise UsageError(f"{where}: {name} is {table[name]!r}; {hint.__name__} is needed.")
    return table
