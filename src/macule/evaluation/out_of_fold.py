"""Figures of a cross-validation, which say how well a recipe does where every picture counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from macule.data import sources
from macule.errors import RunDamaged

METRICS = "metrics.json"
#: Of each set's figures, what is of the run and not of the set.
_ABOUT = ("recipe", "leaky")


def title(dataset: str, modality: str | None = None) -> str:
    """What the figures of one data set are called in a card."""
    return f"{sources.find(dataset).title.split(':')[0]}, out of fold" + (f", {modality}" if modality else "")


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
