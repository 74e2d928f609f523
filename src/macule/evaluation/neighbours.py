"""The training pictures that a network finds most like a picture: what it may have taken it for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from macule.errors import BundleInvalid

FILE = "index.npz"
_ARRAYS = ("names", "codes", "vectors", "basis", "mean")
_AT_ONCE = 512  # pictures looked up together
_REMEDY = "get the bundle again or repeat `macule refit`."


@dataclass(frozen=True)
class Index:
    """names: `dataset:picture_id` of M training pictures. codes: int, (M,), their class, below 0 without a single one.

    vectors: float16, (M, d), centred embeddings in the basis of their d main directions. basis: (D, d). mean: (D,).
    """

    names: Sequence[str] = field(repr=False)
    codes: NDArray[np.int64] = field(repr=False)
    vectors: NDArray[np.float16] = field(repr=False)
    basis: NDArray[np.float32] = field(repr=False)
    mean: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True)
class Neighbour:
    """likeness: cosine of the two centred embeddings, -1 to 1."""

    name: str
    code: int
    likeness: float


def load(path: Path) -> Index:
    """Raises: BundleInvalid if the file is damaged or its arrays do not fit together."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, NDArray[Any]] = {name: np.asarray(file[name]) for name in _ARRAYS}
    except (OSError, BadZipFile, EOFError, KeyError, ValueError) as error:
        raise BundleInvalid(f"{path} cannot be read ({error}): {_REMEDY}") from error
    count, size = len(arrays["names"]), arrays["vectors"].shape[-1]
    shapes = {"codes": (count,), "vectors": (count, size), "basis": (*arrays["mean"].shape, size)}
    for name, wanted in shapes.items():
        if arrays[name].shape != wanted:
            raise BundleInvalid(f"{path}: {name} has the shape {arrays[name].shape}; {wanted} is needed: {_REMEDY}")
    names, basis = [str(name) for name in arrays["names"]], arrays["basis"].astype(np.float32)
    return Index(names, arrays["codes"].astype(np.int64), arrays["vectors"], basis, arrays["mean"])


def neighbours(embeddings: NDArray[np.float32], index: Index, *, k: int = 5) -> list[list[Neighbour]]:
    """The k training pictures most like each picture, the most like first.

    By the cosine: on the shipped bundle it finds pictures of the same class more often than the Euclidean distance
    (docs/error-analysis.md). embeddings: float32, (N, D).
    """
    vectors = _unit(index.vectors.astype(np.float32))
    found: list[list[Neighbour]] = []
    for start in range(0, len(embeddings), _AT_ONCE):
        asked = _unit((embeddings[start:start + _AT_ONCE] - index.mean) @ index.basis)
        likeness = asked @ vectors.T
        order = np.argsort(-likeness, axis=1, kind="stable")[:, :k]
        found += [[Neighbour(index.names[at], int(index.codes[at]), float(row[at])) for at in best]
                  for row, best in zip(likeness, order, strict=True)]
    return found


def _unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
