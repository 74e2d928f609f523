"""Does this picture look like those that the network was trained on? A distance in its own embedding space.

The score has two parts (after Mahalanobis, Lee et al. 2018, and virtual-logit residuals, Wang et al. 2022): the
whitened distance within the span of the training pictures' k main directions, and the energy outside that span.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

_ARRAYS = ("mean", "components", "basis", "residual_scale")


@dataclass(frozen=True)
class Gate:
    """mean: shape (D,). components: (D, k), whitening. basis: (D, k), orthonormal. All float64 and finite.
    residual_scale: mean energy of training pictures outside the basis. threshold: the largest score still inside.
    """

    mean: NDArray[np.float64] = field(repr=False)
    components: NDArray[np.float64] = field(repr=False)
    basis: NDArray[np.float64] = field(repr=False)
    residual_scale: float
    threshold: float

    def score(self, embedding: NDArray[np.float32]) -> float:
        """About 2 for a training picture. embedding: float32, shape (D,)."""
        centred = embedding.astype(np.float64) - self.mean
        whitened = centred @ self.components
        inside = centred @ self.basis
        residual = max(float(centred @ centred - inside @ inside), 0.0)
        distance = float(whitened @ whitened) / self.components.shape[1]
        return float(distance + residual / self.residual_scale)

    def admits(self, embedding: NDArray[np.float32]) -> bool:
        # Written so that NaN is outside.
        return bool(self.score(embedding) <= self.threshold)


def load(path: Path, threshold: float) -> Gate:
    """Raises: ValueError or OSError if the file is damaged or its arrays do not fit together."""
    try:
        with np.load(path, allow_pickle=False) as file:
            mean, components, basis, scale = (np.asarray(file[name], dtype=np.float64) for name in _ARRAYS)
    except (BadZipFile, KeyError, EOFError) as error:
        raise ValueError(f"{path.name} is damaged ({error})") from error
    if mean.ndim != 1 or components.ndim != 2 or components.shape != basis.shape or len(mean) != len(basis):
        raise ValueError(f"{path.name}: shapes {mean.shape}, {components.shape} and {basis.shape} do not fit")
    if not all(np.isfinite(array).all() for array in (mean, components, basis, scale)) or scale.size != 1 or scale <= 0:
        raise ValueError(f"{path.name} holds numbers that are not finite, or no positive residual_scale")
    return Gate(mean, components, basis, scale.item(), threshold)
