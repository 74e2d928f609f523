"""A bundle's baselines, as its `baselines.npz` holds them: tables and weights, read without scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from macule.analysis.patient import MAX_AGE, Modality, Patient, Sex, Site, encode
from macule.errors import BundleInvalid
from macule.evaluation.predictions import CODES, Floats, Predictions

FILE, FORMAT = "baselines.npz", 1
#: The ISIC archive gives the age in steps of five years; the table does too. None is an age that is not known.
AGE_STEP = 5
AGES: tuple[float | None, ...] = (*map(float, range(0, MAX_AGE + 1, AGE_STEP)), None)
SEXES, SITES, MODALITIES = (*Sex, None), (*Site, None), (*Modality, None)
GRID = (len(AGES), len(SEXES), len(SITES), len(MODALITIES))


@dataclass(frozen=True)
class Linear:
    """Multinomial logistic regression. mean, scale: shape (F,). weights: (F, 11). bias: (11,). All float32.

    A class that was not fitted has no weight; `Baselines.priors` says which.
    """

    mean: NDArray[np.float32] = field(repr=False)
    scale: NDArray[np.float32] = field(repr=False)
    weights: NDArray[np.float32] = field(repr=False)
    bias: NDArray[np.float32] = field(repr=False)

    def shares(self, features: NDArray[np.float32], fitted: NDArray[np.bool_]) -> Floats:
        """features: shape (N, F). fitted: bool, (11,). Returns: float64, (N, 11), each row sums to 1."""
        logits = ((features - self.mean) / self.scale @ self.weights + self.bias).astype(np.float64)
        logits[:, ~fitted] = -np.inf
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Baselines:
    """priors: float64, (11,), each class's share of the `pictures` that they were fitted on.

    metadata: float16, (26, 3, 8, 3, 11): probabilities for every patient that there can be; axes as in GRID.
    """

    pictures: int
    priors: Floats
    metadata: NDArray[np.float16] = field(repr=False)
    colours: Linear = field(repr=False)
    probe: Linear = field(repr=False)

    def write(self, path: Path) -> None:
        arrays = {f"{name}_{part}": getattr(getattr(self, name), part)
                  for name in ("colours", "probe") for part in ("mean", "scale", "weights", "bias")}
        np.savez_compressed(path, format=FORMAT, pictures=self.pictures, priors=self.priors, metadata=self.metadata,
                            **arrays)

    def answers(self, predictions: Predictions) -> dict[str, Floats]:
        """What each says of the pictures that the model answered. Values: float64, shape (N, 11)."""
        count, fitted = len(predictions.records), self.priors > 0
        of_patient = [self.metadata[cell(record.patient)] for record in predictions.records]
        return {
            "majority": np.tile(self.priors, (count, 1)),
            "metadata": np.asarray(of_patient, dtype=np.float64).reshape(-1, len(CODES)),
            "colours": self.colours.shares(predictions.colours, fitted),
            "probe": self.probe.shares(predictions.embeddings, fitted),
        }


def cell(patient: Patient) -> tuple[int, int, int, int]:
    """Where a patient stands in the table: the age is rounded to five years, the rest is taken as it is."""
    age = len(AGES) - 1 if patient.age is None else int(patient.age / AGE_STEP + 0.5)
    return age, SEXES.index(patient.sex), SITES.index(patient.site), MODALITIES.index(patient.modality)


def grid() -> NDArray[np.float32]:
    """The network's view of every patient in the table. Returns: float32, shape (1872, 13), in the order of GRID."""
    return np.stack([encode(Patient(age=age, sex=sex, site=site, modality=modality))
                     for age in AGES for sex in SEXES for site in SITES for modality in MODALITIES])


def load(path: Path) -> Baselines:
    """Raises: BundleInvalid if the file is damaged or its arrays do not fit together."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
        return _build(arrays)
    except (OSError, BadZipFile, EOFError, KeyError, ValueError) as error:
        raise BundleInvalid(f"{path} cannot be read ({error}): get the bundle again or repeat its training.") from error


def _build(arrays: Mapping[str, NDArray[Any]]) -> Baselines:
    if int(arrays["format"]) != FORMAT:
        raise ValueError(f"format {arrays['format']}; {FORMAT} is needed")
    linear = {name: Linear(*(arrays[f"{name}_{part}"] for part in ("mean", "scale", "weights", "bias")))
              for name in ("colours", "probe")}
    found = Baselines(int(arrays["pictures"]), arrays["priors"], arrays["metadata"], **linear)
    shapes: list[tuple[NDArray[Any], tuple[int, ...]]] = [(found.priors, (len(CODES),)),
                                                          (found.metadata, (*GRID, len(CODES)))]
    for each in linear.values():
        shapes += [(each.scale, each.mean.shape), (each.weights, (*each.mean.shape, len(CODES))),
                   (each.bias, (len(CODES),))]
    for array, wanted in shapes:
        if array.shape != wanted:
            raise ValueError(f"an array has the shape {array.shape}; {wanted} is needed")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("it holds numbers that are not finite")
    return found
