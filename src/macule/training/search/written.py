"""A recipe as TOML, so that what a search found can be trained, read and kept under version control."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from macule.evaluation.runs import is_section
from macule.training.recipe import Recipe


def as_toml(recipe: Recipe) -> str:
    """What `recipe.load` reads back as an equal recipe; settings at their defaults are written too."""
    return "\n".join(_section(recipe.model_dump(mode="json", exclude_none=True), "")).lstrip("\n") + "\n"


def _section(table: Mapping[str, Any], name: str) -> Iterator[str]:
    """Plain values first, as TOML demands, then the sections below."""
    for key, value in table.items():
        if not is_section(value):
            yield f"{key} = {_value(value)}"
    for key, value in table.items():
        below = f"{name}{key}"
        if isinstance(value, Mapping) and value:
            yield from ("", f"[{below}]", *_section(value, f"{below}."))
        elif is_section(value):
            for each in value:
                yield from ("", f"[[{below}]]", *_section(each, f"{below}."))


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_value(each) for each in value)}]"
    if isinstance(value, Mapping):
        return "{}"
    # JSON's text, numbers and truth values are TOML's.
    return json.dumps(value, ensure_ascii=False)
