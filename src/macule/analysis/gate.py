"""Does this picture look like those that the network was trained on? Two questions to its own embedding.

Distance (after Mahalanobis, Lee et al. 2018, and virtual-logit residuals, Wang et al. 2022): the whitened distance
within the span of the training pictures' k main directions, plus the energy outside that span: far ones are flagged.

Presence: classifiers that were shown training pictures and pictures without a lesion (outlier exposure, Hendrycks et
al. 2019), linear ones and one with a hidden layer. They have two limits, read off real lesions alone: flagged, and
refused without a diagnosis. Bundles made before macule had them have the distance only, and refuse nothing; older ones
have no hidden layer. docs/out-of-distribution.md has figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

_ARRAYS = ("mean", "components", "basis", "residual_scale")
_PRESENCE = ("presence_weights", "presence_offsets")
_HIDDEN = ("hidden_weights", "hidden_offsets", "hidden_out", "hidden_bias")


@dataclass(frozen=True)
class Hidden:
    """A classifier with a hidden layer. weights: (D, h). offsets, out: (h,). bias: (). Finite.

    Several small ones whose answers are averaged are one of these, side by side.
    """

    weights: NDArray[np.float32] = field(repr=False)
    offsets: NDArray[np.float64] = field(repr=False)
    out: NDArray[np.float64] = field(repr=False)
    bias: float

    def odds(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """embeddings: shape (..., D). Returns: shape (...), scaled as `Presence` says."""
        raised = np.maximum(embeddings @ self.weights + self.offsets, 0)
        return np.asarray(raised @ self.out + self.bias, np.float64)


@dataclass(frozen=True)
class Presence:
    """Whether there is a lesion to judge. weights: shape (D, m), offsets: (m,), of m linear classifiers; float64 and
    finite. hidden: one more, None in older bundles.

    Each is scaled so that its limits are the same: above 0 a picture is flagged, above 1 it is refused.
    """

    weights: NDArray[np.float64] = field(repr=False)
    offsets: NDArray[np.float64] = field(repr=False)
    hidden: Hidden | None = field(default=None, repr=False)

    def strangeness(self, embedding: NDArray[np.float32]) -> float:
        """The most that any of the classifiers finds; NaN if one cannot say. embedding: float32, shape (D,)."""
        found = embedding.astype(np.float64) @ self.weights + self.offsets
        return float(np.max(found if self.hidden is None else np.append(found, self.hidden.odds(embedding))))


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
            presence = _presence(*([np.asarray(file[name]) for name in names if name in file]
                                   for names in (_PRESENCE, _HIDDEN)))
    except (BadZipFile, KeyError, EOFError) as error:
        raise ValueError(f"{path.name} is damaged ({error})") from error
    if mean.ndim != 1 or components.ndim != 2 or components.shape != basis.shape or len(mean) != len(basis):
        raise ValueError(f"{path.name}: shapes {mean.shape}, {components.shape} and {basis.shape} do not fit")
    if not all(np.isfinite(array).all() for array in (mean, components, basis, scale)) or scale.size != 1 or scale <= 0:
        raise ValueError(f"{path.name} holds numbers that are not finite, or no positive residual_scale")
    for length in () if presence is None else _lengths(presence):
        if length != len(mean):
            raise ValueError(f"{path.name}: {length} weights of presence for embeddings of {len(mean)}")
    return Gate(mean, components, basis, scale.item(), threshold, presence)


def save(gate: Gate, path: Path) -> None:
    """Write what `load` reads; the threshold stands in bundle.json."""
    # Half precision for the directions would do; single keeps the score equal to 1e-4 and the file small enough.
    arrays = {name: getattr(gate, name).astype(np.float32) for name in ("mean", "components", "basis")}
    if gate.presence is not None:
        arrays |= dict(zip(_PRESENCE, (gate.presence.weights, gate.presence.offsets), strict=True))
        hidden = gate.presence.hidden
        if hidden is not None:
            arrays |= dict(zip(_HIDDEN, (hidden.weights.astype(np.float32), hidden.offsets, hidden.out,
                                         np.float64(hidden.bias)), strict=True))
    np.savez_compressed(path, **arrays, residual_scale=np.float64(gate.residual_scale))


def _presence(linear: list[NDArray[np.float64]], hidden: list[NDArray[np.float64]]) -> Presence | None:
    """Raises: ValueError."""
    if not linear and not hidden:
        return None
    _need_sound(_PRESENCE, linear, 2)
    judges = Presence(linear[0].astype(np.float64), linear[1].astype(np.float64))
    if not hidden:
        return judges
    _need_sound(_HIDDEN, hidden, 4)
    weights, offsets, out, bias = hidden
    if out.shape != offsets.shape or bias.size != 1:
        raise ValueError(f"the arrays {', '.join(_HIDDEN)} do not fit together")
    layer = Hidden(weights.astype(np.float32), offsets.astype(np.float64), out.astype(np.float64), bias.item())
    return replace(judges, hidden=layer)


def _need_sound(names: tuple[str, ...], arrays: list[NDArray[np.float64]], count: int) -> None:
    """Raises: ValueError unless all are there, finite, and the second has a number for each column of the first."""
    if len(arrays) != count or arrays[0].ndim != 2 or arrays[1].shape != arrays[0].shape[1:]:
        raise ValueError(f"the arrays {', '.join(names)} do not fit together")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"{', '.join(names)} hold numbers that are not finite")


def _lengths(presence: Presence) -> tuple[int, ...]:
    return len(presence.weights), *(() if presence.hidden is None else (len(presence.hidden.weights),))
