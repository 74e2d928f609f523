"""What is compared on frozen embeddings: each family of last layers along its path of weight decay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import heads_fit
import numpy as np
from heads_embeddings import Floats, Linear, Part
from heads_fit import Basis, Generalised, Material, Setting
from heads_scoring import FOLDS, Exam

from macule.training import fit as fits
from macule.training import labels, sampling
from macule.training.recipe import Loss, Sampling, Targets

#: Weight decay, in the scale of `Basis`: from a free fit to one that hardly moves.
PATH = (1e-3, 1e-2, 1e-1)
MIDDLE = PATH[1]
#: Towards the present layer a stronger pull is of use too.
TETHERED = (1e-2, 1e-1, 1.0)
POWER = Setting(exponent=0.5, tau=0.5)
PRESENT = "present head"


@dataclass(frozen=True)
class Arm:
    """logits: of the calibration part, (N, K), from what was not fitted to those lesions. layer: None if crossed."""

    family: str
    name: str
    logits: Floats
    layer: Linear | None


@dataclass(frozen=True)
class Bench:
    """What every arm is fitted to and answers. held: the calibration part. views: of the bundle."""

    present: Linear
    train: Part
    held: Part
    exam: Exam
    views: int
    basis: Basis

    @property
    def material(self) -> Material:
        return Material(self.train.records, self.train.mean(self.views)[None],
                        labels.rows(self.train.records, Targets.DIAGNOSIS))

    @property
    def held_material(self) -> Material:
        return Material(self.held.records, self.held.mean(self.views)[None], self.exam.allowed)

    def answered(self, layer: Linear, *, nobody: bool = False) -> Floats:
        about = np.zeros_like(self.held.patients) if nobody else self.held.patients
        return layer.logits(self.held.mean(self.views), about)

    def fitted(self, family: str, name: str, setting: Setting, material: Material | None = None) -> Arm:
        layer = heads_fit.fit(material or self.material, self.present, self.basis, setting)
        return Arm(family, name, self.answered(layer), layer)


def present(bench: Bench) -> Iterator[Arm]:
    """The layer as it is, and with another share of the drawn prior taken off (0.5 is, of the recipes)."""
    yield Arm("as trained", PRESENT, bench.answered(bench.present), bench.present)
    drawn = sampling.drawn(bench.material.allowed, Sampling(exponent=0.5))
    for share in (0.0, 0.25, 0.75, 1.0):
        shift = fits.offsets(drawn, adjustment=share - 0.5).astype(np.float32)
        layer = replace(bench.present, bias=bench.present.bias + shift)
        yield Arm("as trained", f"logit adjustment {share:g} in place of 0.5", bench.answered(layer), layer)


def losses(bench: Bench) -> Iterator[Arm]:
    """Fitted anew from 0 to the training part, each along the path of weight decay."""
    for l2 in PATH:
        yield bench.fitted("fitted anew", f"logistic regression, natural, decay {l2:g}", Setting(l2=l2))
        yield bench.fitted("fitted anew", f"weights n^-0.5, adjusted by 0.5, decay {l2:g}", replace(POWER, l2=l2))
    base = replace(POWER, l2=MIDDLE)
    kinds: Mapping[str, Setting] = {
        "natural, adjusted by 0.5": Setting(l2=MIDDLE, tau=0.5),
        "natural, adjusted by 1": Setting(l2=MIDDLE, tau=1.0),
        "balanced weights": Setting(l2=MIDDLE, exponent=1.0),
        "balanced softmax, tau 0.5": Setting(loss=Loss(kind="logit_adjusted", tau=0.5), l2=MIDDLE),
        "balanced softmax, tau 1": Setting(loss=Loss(kind="logit_adjusted", tau=1.0), l2=MIDDLE),
        "focal, gamma 2, n^-0.5, adjusted by 0.5": replace(base, loss=Loss(kind="focal")),
        "smoothing 0.1, n^-0.5, adjusted by 0.5": replace(base, loss=Loss(smoothing=0.1)),
    }
    for name, setting in kinds.items():
        yield bench.fitted("fitted anew", f"{name}, decay {MIDDLE:g}", setting)


def tethered(bench: Bench) -> Iterator[Arm]:
    """Gone on from the present layer, whose change decays."""
    for l2 in TETHERED:
        yield bench.fitted("gone on", f"from the present head, n^-0.5, adjusted by 0.5, decay {l2:g}",
                           replace(POWER, l2=l2, tether=True, patient="kept"))


def patients(bench: Bench) -> Iterator[Arm]:
    yield Arm("patient", "present head, nothing known of the patient", bench.answered(bench.present, nobody=True),
              bench.present)
    best = replace(POWER, l2=MIDDLE)
    for name, kind in (("without the patient's data", "none"), ("the patient part as trained", "kept")):
        yield bench.fitted("patient", f"fitted anew {name}, decay {best.l2:g}", replace(best, patient=kind))


def noisy(bench: Bench) -> Iterator[Arm]:
    """Naevi without histology count less, or losses that forgive wrong labels."""
    base = replace(POWER, l2=MIDDLE)
    for weight in (0.3, 0.0):
        yield bench.fitted("noisy labels", f"naevi without histology weigh {weight:g}", replace(base, unproven=weight))
    for name, loss in (("symmetric cross-entropy", Loss(kind="symmetric")),
                       ("generalised cross-entropy, q 0.7", Generalised())):
        yield bench.fitted("noisy labels", name, replace(base, loss=loss))


def honest(bench: Bench) -> Iterator[Arm]:
    """Fitted to pictures that the network was not trained on: the other folds of the calibration part.

    Beside it as many training pictures, so that what differs is whether the network had learnt them.
    """
    for l2 in TETHERED:
        setting = replace(POWER, l2=l2, tether=True, patient="kept")
        yield _crossed(bench, f"calibration part, other folds, tethered, decay {l2:g}", setting, "held")
    setting = replace(POWER, l2=MIDDLE)
    for source, name in (("held", "calibration part, other folds"), ("few", "as many training pictures"),
                         ("both", "training part and other folds")):
        yield _crossed(bench, f"{name}, from 0, decay {setting.l2:g}", setting, source)


def _crossed(bench: Bench, name: str, setting: Setting, source: str) -> Arm:
    logits = np.zeros((len(bench.held.records), heads_fit.CLASSES))
    for fold in range(FOLDS):
        held = bench.exam.folds == fold
        layer = heads_fit.fit(_of(bench, source, ~held), bench.present, bench.basis, setting)
        logits[held] = bench.answered(layer)[held]
    return Arm("embeddings", name, logits, None)


def _of(bench: Bench, source: str, others: heads_fit.Bools) -> Material:
    if source == "held":
        return bench.held_material.only(others)
    if source == "few":
        chosen = np.zeros(len(bench.train.records), bool)
        chosen[np.random.default_rng(0).permutation(len(chosen))[:int(others.sum())]] = True
        return bench.material.only(chosen)
    seen, held = bench.material, bench.held_material.only(others)
    return Material([*seen.records, *held.records], np.concatenate([seen.embedding, held.embedding], axis=1),
                    np.concatenate([seen.allowed, held.allowed]))


def training_views(bench: Bench) -> Iterator[Arm]:
    """One view of each training picture, four as four pictures, or their mean; where four are kept."""
    if len(bench.train.views) < 4:
        return
    setting = replace(POWER, l2=MIDDLE)
    for name, rows in (("their mean", bench.train.mean(4)[None]), ("one view of each", bench.train.views[:1]),
                       ("four views of each", bench.train.views[:4])):
        yield bench.fitted("training views", name, setting, replace(bench.material, embedding=rows))


def serving_views(bench: Bench) -> Iterator[Arm]:
    """The present head with 1, 2, 4 and 8 views; where eight are kept."""
    if len(bench.held.views) < 8:
        return
    for count in (bench.views, *(each for each in (1, 2, 4, 8) if each != bench.views)):
        yield Arm("views", f"{count} views", bench.present.logits(bench.held.mean(count), bench.held.patients), None)
