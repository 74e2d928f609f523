"""From TOML files and `--set` options to checked recipes; every complaint names the setting, its value and the need."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from macule.errors import UsageError
from macule.training.recipe.sections import Section
from macule.training.recipe.whole import Recipe

RECIPES = Path(__file__).parents[1] / "recipes"


def names() -> list[str]:
    """The recipes that come with macule."""
    return sorted(file.stem for file in RECIPES.glob("*.toml"))


def load(name_or_path: str) -> Recipe:
    """A recipe by its name in `recipes/`, or from a TOML file.

    Raises: UsageError naming the key that is unknown, missing or of the wrong kind, or the place that is not TOML.
    """
    path = Path(name_or_path) if name_or_path.endswith(".toml") else RECIPES / f"{name_or_path}.toml"
    if not path.is_file():
        raise UsageError(f"there is no recipe {name_or_path!r}; known: {', '.join(names())}; or give the path of a "
                         ".toml file.")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} is not TOML: {error}.") from error
    return parse(table, where=path.name)


def parse(table: Mapping[str, Any], *, where: str) -> Recipe:
    """Raises: UsageError naming every setting that is wrong, its value and what is needed."""
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise UsageError(f"{where}: {'; '.join(_sentences(error))}.") from error


def settings(written: Sequence[str]) -> dict[str, Any]:
    """`--set` options: `engine.batch=8`, `network.backbone=lite0`, `phases.0.size=96`; values as TOML writes them.

    Raises: UsageError for one without a name or a value.
    """
    found: dict[str, Any] = {}
    for each in written:
        name, equals, value = each.partition("=")
        if not (name.strip() and equals):
            raise UsageError(f"--set is {each!r}; NAME=VALUE is needed, such as engine.batch=8.")
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    if text == "null":  # which TOML cannot write: it takes an optional setting back
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a word needs no quotes


def replaced(table: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The table with settings put in by dotted name. Raises: UsageError for a place that holds no settings."""
    for name, value in changes.items():
        _put(table, name, value)
    return table


def _put(table: Any, name: str, value: Any) -> None:
    *path, last = name.split(".")
    place = table
    for step in path:
        place = _into(place, step, name)
    if isinstance(place, list):
        place[_index(place, last, name)] = value
    else:
        place[last] = value


def _into(place: Any, step: str, name: str) -> Any:
    inner = place[_index(place, step, name)] if isinstance(place, list) else place.setdefault(step, {})
    if not isinstance(inner, dict | list):
        raise UsageError(f"the setting {name!r} goes into {step!r}, which is {inner!r} and holds no settings.")
    return inner


def _index(place: list[Any], step: str, name: str) -> int:
    if not (step.isdigit() and int(step) < len(place)):
        raise UsageError(f"the setting {name!r} asks for number {step!r} of {len(place)}: they are counted from 0.")
    return int(step)


def _sentences(error: ValidationError) -> list[str]:
    found = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            found.append(f"unknown key {place}{_known(fault['loc'])}")
        elif fault["type"] == "missing":
            found.append(f"missing key {place}")
        else:
            reason = fault["msg"].removeprefix("Value error, ")
            if fault["type"] == "tuple_type":
                reason = 'a list is needed, such as ["one", "other"]'
            shown = "" if isinstance(fault["input"], dict) else f" is {fault['input']!r}"
            found.append(f"{place}{shown}: {reason[0].lower()}{reason[1:]}" if place else reason)
    return found


def _known(place: tuple[int | str, ...]) -> str:
    """The keys that are known where an unknown one stood."""
    section: Any = Recipe
    for step in place[:-1]:
        if isinstance(step, str) and step in section.model_fields:
            inner = section.model_fields[step].annotation
            candidates = [inner, *getattr(inner, "__args__", ())]
            section = next((each for each in candidates if isinstance(each, type) and issubclass(each, Section)),
                           section)
    return f"; known: {', '.join(sorted(section.model_fields))}"
