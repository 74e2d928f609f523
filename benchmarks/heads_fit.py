"""A last layer fitted anew to kept embeddings: loss, prior, class weights, the patient's data, noisy labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from heads_embeddings import Linear, Singles
from numpy.typing import NDArray
from torch import Tensor, nn

from macule.analysis import patient as patients
from macule.data.record import Record
from macule.data.vocabulary import Confirmation
from macule.taxonomy import Diagnosis
from macule.training import fit as fits
from macule.training import labels
from macule.training.augment.forgetting import forget
from macule.training.losses import Objective
from macule.training.recipe import Loss, Targets

#: Of the recipe `lite`: whoever asks seldom knows all.
FIELD, ALL = 0.3, 0.3
#: Of the embedding, by spread: they hold what a class can be told by, at a fifth of the time.
DIRECTIONS = 256
STEPS, PATIENT_L2 = 60, 1e-4
CLASSES = len(Diagnosis)
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Generalised:
    """Generalised cross-entropy, (1 - p^q) / q, for noisy labels (Zhang & Sabuncu 2018)."""

    q: float = 0.7


@dataclass(frozen=True)
class Setting:
    """l2: weight decay of the standardised features' weights. tether: towards the present layer, not towards 0.

    exponent: class weights n ** -exponent. tau: taken off the logits after fitting, of the prior that is left (Menon et
    al. 2021); of balanced softmax (`logit_adjusted`) nothing is left. unproven: weight of naevi without histology.
    patient: `refit`, `kept` as it was trained, or `none`.
    """

    loss: Loss | Generalised = field(default_factory=Loss)
    l2: float = 1e-3
    tether: bool = False
    exponent: float = 0.0
    tau: float = 0.0
    unproven: float = 1.0
    patient: str = "refit"


@dataclass(frozen=True)
class Material:
    """What is fitted to. embedding: float32, (V, N, D); each of the V counts as a picture. allowed: bool, (N, K)."""

    records: Sequence[Record]
    embedding: Singles
    allowed: Bools

    def only(self, chosen: Bools) -> Material:
        return Material([record for record, kept in zip(self.records, chosen, strict=True) if kept],
                        self.embedding[:, chosen], self.allowed[chosen])


def unproven(records: Sequence[Record]) -> Bools:
    """Naevi that no histology proves."""
    return np.array([record.labels == {Diagnosis.NV} and record.confirmation is not Confirmation.HISTOPATHOLOGY
                     for record in records])


def weights(material: Material, setting: Setting) -> NDArray[np.float64]:
    """Of each picture; mean 1."""
    counts = labels.counts(material.allowed)
    with np.errstate(divide="ignore"):
        by_class = np.where(counts > 0, counts ** -setting.exponent, 0.0)
    found = (material.allowed * by_class).sum(axis=1) / material.allowed.sum(axis=1)
    found = found * np.where(unproven(material.records), setting.unproven, 1.0)
    return np.asarray(found / found.mean())


def known_of(records: Sequence[Record], seed: int) -> Singles:
    """The patients' data with fields hidden at random: float32, (N, 13)."""
    rng = np.random.default_rng(seed)
    return np.stack([patients.encode(forget(record.patient, field=FIELD, everything=ALL, rng=rng))
                     for record in records])


@dataclass(frozen=True)
class Basis:
    """The main directions of the embeddings that are fitted to. mean: (D,). directions: (D, M), of the scale of the
    first direction's spread, so that weight decay means the same whatever the network."""

    mean: Singles
    directions: Singles

    @classmethod
    def of(cls, embedding: Singles, count: int = DIRECTIONS) -> Basis:
        mean = embedding.mean(axis=0)
        centred = embedding - mean
        spread, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(centred))
        return cls(mean, np.asarray(vectors[:, ::-1][:, :count] / np.sqrt(spread[-1]), np.float32))

    def rows(self, embedding: Singles) -> Singles:
        return np.asarray((embedding - self.mean) @ self.directions, np.float32)


def fit(material: Material, present: Linear, basis: Basis, setting: Setting, *, seed: int = 0) -> Linear:
    """The layer that a setting asks for. Deterministic: L-BFGS over all pictures at once.

    With `tether` the layer goes on from the present one and its change decays, else it starts at 0.
    """
    views = material.embedding
    rows = torch.from_numpy(np.concatenate([basis.rows(view) for view in views]))
    layer = _Layer(present, basis, setting)
    about = torch.from_numpy(known_of(material.records, seed)).repeat(len(views), 1)
    before = present.picture(np.concatenate(list(views))) if setting.tether else np.zeros((len(rows), CLASSES))
    start, objective = torch.from_numpy(before).float(), _objective(material, setting)
    allowed = torch.from_numpy(material.allowed).repeat(len(views), 1)
    share = torch.from_numpy(weights(material, setting)).float().repeat(len(views))
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=STEPS, history_size=10, tolerance_grad=1e-5,
                                  tolerance_change=1e-7, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimiser.zero_grad()
        loss: Tensor = (objective(start + layer(rows, about), allowed) * share).mean() + layer.penalty()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(step)  # type: ignore[no-untyped-call]
    return _adjusted(layer.linear(), material, setting)


def _drawn(material: Material, setting: Setting) -> NDArray[np.float64]:
    """How much each class weighs: the prior that is left."""
    shares = material.allowed / material.allowed.sum(axis=1, keepdims=True)
    return np.asarray((shares * weights(material, setting)[:, None]).sum(axis=0))


def _objective(material: Material, setting: Setting) -> Objective:
    drawn = _drawn(material, setting)
    if isinstance(setting.loss, Generalised):
        return _GeneralisedObjective(setting.loss.q, drawn)
    return Objective(setting.loss, counts=drawn, targets=Targets.DIAGNOSIS)


class _GeneralisedObjective(Objective):
    def __init__(self, q: float, counts: NDArray[np.float64]) -> None:
        super().__init__(Loss(), counts=counts, targets=Targets.DIAGNOSIS)
        self.q = q

    def _of(self, inside: Tensor) -> Tensor:
        return -torch.expm1(self.q * inside) / self.q


class _Layer(nn.Module):
    """Rows of a basis -> logits, or what is added to the present ones; beside the patient part."""

    def __init__(self, present: Linear, basis: Basis, setting: Setting) -> None:
        super().__init__()
        self.present, self.basis, self.setting = present, basis, setting
        self.weight = nn.Parameter(torch.zeros(CLASSES, basis.directions.shape[1]))
        self.bias = nn.Parameter(torch.zeros(CLASSES))
        layers = None if setting.patient == "none" else present.patient
        self.about = nn.ParameterList([nn.Parameter(torch.from_numpy(each.copy()), setting.patient == "refit")
                                       for each in layers or ()])

    def forward(self, rows: Tensor, about: Tensor) -> Tensor:
        logits = rows @ self.weight.T + self.bias
        if not len(self.about):
            return logits
        inner, shift, outer, last = self.about
        return logits + torch.relu(about @ inner.T + shift) @ outer.T + last

    def penalty(self) -> Tensor:
        about = sum((each.square().sum() for each in self.about if each.ndim == 2), torch.zeros(()))
        return self.setting.l2 / 2 * self.weight.square().sum() + PATIENT_L2 / 2 * about

    def linear(self) -> Linear:
        weight = self.weight.detach().numpy() @ self.basis.directions.T
        bias = self.bias.detach().numpy() - weight @ self.basis.mean
        if self.setting.tether:
            weight, bias = weight + self.present.weight, bias + self.present.bias
        layers = [each.detach().numpy().copy() for each in self.about]
        return Linear(weight, bias, (layers[0], layers[1], layers[2], layers[3]) if layers else None)


def _adjusted(layer: Linear, material: Material, setting: Setting) -> Linear:
    """Without a share of the prior that the weights have left."""
    shift = fits.offsets(_drawn(material, setting), adjustment=setting.tau)
    return Linear(layer.weight, (layer.bias + shift).astype(np.float32), layer.patient)
