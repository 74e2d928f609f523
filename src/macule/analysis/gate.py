"""Does this picture look like those that the network was trained on? Two questions to its own embedding.

Distance (after Mahalanobis, Lee et al. 2018, and virtual-logit residuals, Wang et al. 2022): the whitened distance
within the span of the training pictures' k main directions, plus the energy outside that span: far ones are flagged.

Presence: linear classifiers that were shown training pictures and pictures without a lesion (outlier exposure,
Hendrycks et al. 2019). They have two limits, read off real lesions alone: flagged, and refused without a diagnosis.
Bundles made before macule had them have the distance only, and refuse nothing. docs/out-of-distribution.md has figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

_ARRAYS = ("mean", "components", "basis", "residual_scale")
_PRESENCE = ("presence_weights", "presence_offsets")


@dataclass(frozen=True)
class Presence:
    """Whether there is a lesion to judge. weights: shape (D, m), offsets: (m,), of m classifiers; float64 and finite.

    Each is scaled so that its limits are the same: above 0 a picture is flagged, above 1 it is refused.
    """

    weights: NDArray[np.float64] = field(repr=False)
    offsets: NDArray[np.float64] = field(repr=False)

    def strangeness(self, embedding: NDArray[np.float32]) -> float:
        """The most that any of the classifiers finds; NaN if one cannot say. embedding: float32, shape (D,)."""
        return float(np.max(embedding.astype(np.float64) @ self.weights + self.offsets))


@dataclass(frozen=True)
class Gate:
    """mean: shape (D,). components: (D, k), whitening. basis: (D, k), orthonormal. All float64 and finite.
    residual_scale: mean energy of training pictures outside the basis. threshold: the largest score still inside.
    presence: None in bundles that know distances only.
    """

    mean: NDArray[np.float64] = field(repr=False)
    components: NDArray[np.float64] = field(repr=False)
    basis: NDArray[np.float64] = field(repr=False)
    residual_scale: float
    threshold: float
    presence: Presence | None = None

    def score(self, embedding: NDArray[np.float32]) -> float:
        """About 2 for a training picture. embedding: float32, shape (D,)."""
        centred = embedding.astype(np.float64) - self.mean
        whitened = centred @ self.components
        inside = centred @ self.basis
        residual = max(float(centred @ centred - inside @ inside), 0.0)
        distance = float(whitened @ whitened) / self.components.shape[1]
        return float(distance + residual / self.residual_scale)

    def strangeness(self, embedding: NDArray[np.float32]) -> float:
        """One number to rank pictures by: above 1 refused, above 0 flagged; of distance where that is all there is."""
        if self.presence is None:
            return self.score(embedding) / self.threshold - 1
        return self.presence.strangeness(embedding)

    def admits(self, embedding: NDArray[np.float32]) -> bool:
        """Whether the picture is of the kind that was trained on."""
        # Written so that NaN is outside.
        near = bool(self.score(embedding) <= self.threshold)
        return near and (self.presence is None or bool(self.presence.strangeness(embedding) <= 0))

    def refuses(self, embedding: NDArray[np.float32]) -> bool:
        """Whether the picture is so unlike a lesion that it gets no diagnosis."""
        return self.presence is not None and not self.presence.strangeness(embedding) <= 1  # so that NaN is refused


def load(path: Path, threshold: float) -> Gate:
    """Raises: ValueError or OSError if the file is damaged or its arrays do not fit together."""
    try:
        with np.load(path, allow_pickle=False) as file:
            mean, components, basis, scale = (np.asarray(file[name], dtype=np.float64) for name in _ARRAYS)
            presence = _presence([np.asarray(file[name], dtype=np.float64) for name in _PRESENCE if name in file])
    except (BadZipFile, KeyError, EOFError) as error:
        raise ValueError(f"{path.name} is damaged ({error})") from error
    if mean.ndim != 1 or components.ndim != 2 or components.shape != basis.shape or len(mean) != len(basis):
        raise ValueError(f"{path.name}: shapes {mean.shape}, {components.shape} and {basis.shape} do not fit")
    if not all(np.isfinite(array).all() for array in (mean, components, basis, scale)) or scale.size != 1 or scale <= 0:
        raise ValueError(f"{path.name} holds numbers that are not finite, or no positive residual_scale")
    if presence is not None and len(presence.weights) != len(mean):
        raise ValueError(f"{path.name}: {len(presence.weights)} weights of presence for embeddings of {len(mean)}")
    return Gate(mean, components, basis, scale.item(), threshold, presence)


def save(gate: Gate, path: Path) -> None:
    """Write what `load` reads; the threshold stands in bundle.json."""
    # Half precision for the directions would do; single keeps the score equal to 1e-4 and the file small enough.
    arrays = {name: getattr(gate, name).astype(np.float32) for name in ("mean", "components", "basis")}
    if gate.presence is not None:
        arrays |= dict(zip(_PRESENCE, (gate.presence.weights, gate.presence.offsets), strict=True))
    np.savez_compressed(path, **arrays, residual_scale=np.float64(gate.residual_scale))


def _presence(arrays: list[NDArray[np.float64]]) -> Presence | None:
    """Raises: ValueError."""
    if not arrays:
        return None
    if len(arrays) != len(_PRESENCE) or arrays[0].ndim != 2 or arrays[1].shape != arrays[0].shape[1:]:
        raise ValueError(f"the arrays {', '.join(_PRESENCE)} do not fit together")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"{', '.join(_PRESENCE)} hold numbers that are not finite")
    return Presence(*arrays)
