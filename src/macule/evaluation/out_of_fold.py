"""Figures of a cross-validation, which say how well a recipe does where every picture counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from macule.analysis.bundle import MANIFEST
from macule.data import sources
from macule.errors import RunDamaged, UsageError

METRICS = "metrics.json"
#: Of each set's figures, what is of the run and not of the set.
_ABOUT = ("recipe", "leaky")


def title(dataset: str, modality: str | None = None) -> str:
    """What the figures of one data set are called in a card."""
    return f"{sources.find(dataset).title.split(':')[0]}, out of fold" + (f", {modality}" if modality else "")


def titled(exam: Mapping[str, Any]) -> str:
    """What a card calls an exam's figures: those of folds never without their recipe, as no bundle's own."""
    if "folds" not in exam:
        return str(exam["title"])
    return f"{exam['title']}, recipe {exam['recipe']}" + ("" if exam.get("own", True) else " (not this bundle's)")


def of_bundle(folder: Path, bundle: Path, *, another_recipe: bool = False) -> list[dict[str, Any]]:
    """As `read`, and `own`: whether they are of the recipe that the bundle was made by.

    bundle: its folder. another_recipe: whether they may be of another one.
    Raises: RunDamaged; UsageError for the folds of another recipe, unless another_recipe.
    """
    found = read(folder)
    content = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    why = next((why for each in found if (why := _of_another(each["recipe"], content))), None)
    if why is not None and not another_recipe:
        raise UsageError(f"{folder} holds {why}: give the folds of its own recipe, or say --another-recipe, which the "
                         "card will tell.")
    return [{**each, "own": why is None} for each in found]


def _of_another(name: str, content: Mapping[str, Any]) -> str | None:
    """Why folds of the recipe of this name are not of the bundle's; None if they are. content: of bundle.json."""
    recipe = content.get("provenance", {}).get("recipe", {})
    folds, bundle = f"folds of the recipe {name!r}", f"bundle {content['id']}"
    if recipe.get("name") != name:
        return f"{folds}, but {bundle} was made by {recipe.get('name', 'one that it does not name')!r}"
    if recipe.get("network", {}).get("start"):
        return f"{folds}, but {bundle} goes on from another bundle, which no fold can"
    return None


def read(folder: Path) -> list[dict[str, Any]]:
    """The figures of each data set of `macule train RECIPE --folds N`, for a card.

    folder: work/RECIPE-Nfolds-..., with metrics.json.
    Raises: RunDamaged if it is missing, cannot be read, or does not tell the data sets apart.
    """
    path = folder / METRICS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        folds = len(content["folds"])
        return [{"title": title(each["dataset"], each["modality"]), **{key: content[key] for key in _ABOUT},
                 "folds": folds, **each} for each in content["sets"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunDamaged(f"{path} holds no figures out of fold by data set ({type(error).__name__}: {error}): "
                         "repeat `macule train RECIPE --folds N`, which keeps the folds that are done.") from error
