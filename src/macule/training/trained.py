"""A trained network as a file: its weights and the recipe that says how to build it again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from macule.errors import CheckpointDamaged, InputNotFound
from macule.training import networks, recipe, state
from macule.training.networks import LesionNet, Start
from macule.training.recipe import Recipe

FILE = "network.pt"


@dataclass(frozen=True)
class Trained:
    """network: in evaluation mode."""

    network: LesionNet
    recipe: Recipe


def save(folder: Path, network: LesionNet, made_by: Recipe) -> None:
    """Raises: OutOfSpace."""
    parts = {"network": network.state_dict(), "recipe": made_by.model_dump(mode="json", exclude_none=True),
             "start": asdict(network.start)}
    partial = (folder / FILE).with_suffix(".partial")
    state.write(partial, parts)
    partial.replace(folder / FILE)


def load(folder: Path) -> Trained:
    """The network of a run folder, as it was kept.

    Raises: InputNotFound; CheckpointDamaged; UsageError if the recipe is of another version.
    """
    path = _path(folder)
    parts = state.read(path)
    try:
        made_by = recipe.parse(parts["recipe"], where=str(path))
        scratch = made_by.network.model_copy(update={"pretrained": "no"})
        network = networks.build(scratch, targets=made_by.targets)
        network.load_state_dict(parts["network"])
        network.start = _start(parts["start"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointDamaged(f"{path} does not hold the network that it names ({error}): repeat the run, or take "
                                "the macule that made it.") from error
    return Trained(network.eval(), made_by)


def fingerprint(folder: Path) -> str:
    """SHA-256 of the file. Raises: InputNotFound."""
    return hashlib.sha256(_path(folder).read_bytes()).hexdigest()


def _path(folder: Path) -> Path:
    path = folder if folder.suffix == ".pt" else folder / FILE
    if not path.is_file():
        raise InputNotFound(f"there is no {FILE} in {folder}: give the folder of a run that has ended (macule runs).")
    return path


def _start(written: dict[str, Any]) -> Start:
    return Start(**{**written, "mean": tuple(written["mean"]), "std": tuple(written["std"])})
