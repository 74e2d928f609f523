"""The sections of a recipe: what can be set, in which units, within which limits, after which paper."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from macule.analysis import arms


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


class Targets(StrEnum):
    """What the network tells apart: the taxonomy's eleven classes, or benign from malignant (indeterminate too)."""

    DIAGNOSIS = "diagnosis"
    MALIGNANT = "malignant"


class Split(Section):
    """Shares of the pictures. by: what is never parted (see macule.data.schemes); `picture` leaks and is marked so.

    keep: share of the lesions that are used at all, the same ones whatever `by` and the other shares say.
    search: whether near duplicates are looked for, where no links are given.
    """

    train: float = Field(default=0.78, gt=0, lt=1)
    calibration: float = Field(default=0.10, gt=0, lt=1)
    test: float = Field(default=0.12, gt=0, lt=1)
    by: Literal["patient", "lesion", "picture"] = "patient"
    seed: int = 20261121
    keep: float = Field(default=1.0, gt=0, le=1)
    search: bool = True

    @model_validator(mode="after")
    def _whole(self) -> Split:
        if abs(self.train + self.calibration + self.test - 1) > 1e-6:
            raise ValueError(f"train, calibration and test sum to {self.train + self.calibration + self.test:g}, not 1")
        return self


class Conv(Section):
    """One layer of a head: convolution, batch norm, ReLU. kernel: pixels a side."""

    channels: int = Field(gt=0)
    kernel: int = Field(default=3, gt=0)


class Network(Section):
    """backbone: lite0, lite1, lite2 or a name of timm.

    pretrained: `prefer` starts from ImageNet's weights where they can be had and says loudly where they cannot;
    `require` ends the run without them; `no` starts from scratch.
    cut: the last stage that is kept, counted from 1; None keeps all. attention: heads of a self-attention layer over
    the feature map's places; 0 is none. convs: layers between the backbone and pooling. hidden: units of the layer
    between pooling and the classes; 0 is none. fusion: how the patient's data come in: not at all; `add` to the
    logits; `concat` to the pooled features (needs `hidden`); `metablock` gates the channels (Pacheco & Krohling 2021).
    options: further arguments of timm.create_model.
    norms: `batch`, or `folded` into the backbone's convolutions: steps take a third less time on a CPU, and weights
    that are already fit for skin do not need them. start: a bundle, by name or folder, whose network is gone on from;
    its lesions stay in the parts in which they were, so that nothing that it learnt from is ever scored on.
    """

    backbone: str
    pretrained: Literal["prefer", "require", "no"] = "prefer"
    cut: int | None = Field(default=None, gt=0)
    attention: int = Field(default=0, ge=0)
    convs: tuple[Conv, ...] = ()
    hidden: int = Field(default=0, ge=0)
    activation: Literal["relu", "tanh"] = "relu"
    dropout: float = Field(default=0.2, ge=0, lt=1)
    fusion: Literal["none", "add", "concat", "metablock"] = "add"
    options: Mapping[str, float | int | bool | str] = Field(default_factory=dict)
    norms: Literal["batch", "folded"] = "batch"
    start: str | None = None

    @model_validator(mode="after")
    def _goes_on_folded(self) -> Network:
        if self.start is not None and self.norms != "folded":
            raise ValueError("start names a bundle, whose batch norms are folded: set network.norms to 'folded'")
        return self

    @model_validator(mode="after")
    def _concatenation_needs_a_hidden_layer(self) -> Network:
        if self.fusion == "concat" and not self.hidden:
            raise ValueError("fusion is 'concat', which needs a hidden layer: set network.hidden to its units")
        return self


class Phase(Section):
    """A stretch of training. size: pixels a side. Its length: `samples` drawn, or `epochs` over the training pictures.

    trainable: `all`; `head` (all that is not the backbone); `last:N`, the head and the backbone's last N layers (leaf
    modules, as Keras counts); `after:N`, all but the stem and the first N stages. What does not learn also keeps its
    batch statistics. learning_rate: of the pretrained weights; head_learning_rate: of the new ones, None the same.
    """

    size: int = Field(ge=16, le=2048)
    samples: int = Field(default=0, ge=0)
    epochs: float = Field(default=0, ge=0)
    trainable: str = Field("all", pattern=r"^(all|head|last:[1-9]\d*|after:\d+)$")
    learning_rate: float = Field(gt=0)
    head_learning_rate: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_length(self) -> Phase:
        if (self.samples > 0) == (self.epochs > 0):
            raise ValueError(f"samples is {self.samples} and epochs {self.epochs:g}; give one of the two, above 0")
        return self


class Optimiser(Section):
    """weight_decay: not on biases and norms. clip: largest norm of the gradient; 0 leaves it."""

    kind: Literal["adam", "adamw", "sgd"] = "adamw"
    weight_decay: float = Field(default=0.02, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    clip: float = Field(default=5.0, ge=0)


class Schedule(Section):
    """The rate over each phase, as a share of the phase's learning_rate.

    span: `run` takes the warm-up and the curve over the whole run instead, through phases of different length and size.
    constant; cosine: down to `floor`; one_cycle: cosine up for `warmup` (0.3 is usual), then
    down, with the momentum the other way round; plateau: times `factor`
    whenever the validation loss has not fallen for `patience` epochs. warmup: linear, share of the phase's steps.
    """

    kind: Literal["constant", "cosine", "one_cycle", "plateau"] = "cosine"
    span: Literal["phase", "run"] = "phase"
    warmup: float = Field(default=0.05, ge=0, lt=1)
    floor: float = Field(default=0.0, ge=0, lt=1)
    factor: float = Field(default=0.1, gt=0, lt=1)
    patience: int = Field(default=3, ge=1)


class Loss(Section):
    """cross_entropy; focal (Lin et al. 2017; gamma); class_balanced (Cui et al. 2019; beta); logit_adjusted (Menon et
    al. 2021; tau); symmetric, for noisy labels (Wang et al. 2019; alpha, rce).

    class_weights: `none`, `inverse` (to how often a class is drawn), or code -> weight (`malignant` and `benign` too).
    All take lumped labels: the probability of a set of classes is the sum of theirs.
    """

    kind: Literal["cross_entropy", "focal", "class_balanced", "logit_adjusted", "symmetric"] = "cross_entropy"
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    class_weights: Literal["none", "inverse"] | Mapping[str, float] = "none"
    gamma: float = Field(default=2.0, ge=0)
    beta: float = Field(default=0.999, ge=0, lt=1)
    tau: float = Field(default=1.0, ge=0)
    alpha: float = Field(default=0.1, gt=0)
    rce: float = Field(default=1.0, ge=0)


class Sampling(Section):
    """Which pictures are drawn, every epoch.

    power: with weight (class count) ** -exponent; 0 natural, 1 balanced. target: all once, and those of a class with
    fewer than `target` as often as it takes to reach it. curriculum: easy pictures first; the share of the pictures
    admitted grows from `start` to all over the first `until` of the run; a picture is easy if its loss was low when it
    was last drawn.
    groups: an attribute whose groups come up in the same shares in every class (reweighing, Kamiran & Calders 2012);
    pictures that do not state it are a group; `ita` reads it off the picture. group_power: 0 each group's share of all
    pictures, 1 all groups alike. group_most: no picture is drawn more than so many times as often as it would be.
    """

    kind: Literal["power", "target"] = "power"
    exponent: float = Field(default=0.0, ge=0, le=1)
    target: int = Field(default=2000, gt=0)
    curriculum: bool = False
    start: float = Field(default=0.5, gt=0, le=1)
    until: float = Field(default=0.5, gt=0, le=1)
    groups: Literal["skin_tone", "ita", "sex", "age", "site", "modality", "centre"] | None = None
    group_power: float = Field(default=0.0, ge=0, le=1)
    group_most: float = Field(default=10.0, ge=1)


class Augment(Section):
    """strength: of all below, 0 none, 1 as written, 2 twice as much (of `zoom`, the power). flips, turns: whether.

    zoom: the least and largest share of the side that is shown. shift, stretch, brightness, contrast, cast, saturation:
    largest change, as a share. blur, jpeg, hair, ruler, ink, vignette: the chance of each. mixup, cutmix: alpha of the
    Beta distribution that mixes two pictures; 0 never.
    """

    strength: float = Field(default=1.0, ge=0, le=3)
    flips: bool = True
    turns: bool = True
    zoom: tuple[float, float] = (0.75, 1.15)
    shift: float = Field(default=0.08, ge=0, lt=1)
    stretch: float = Field(default=0.15, ge=0, lt=1)
    brightness: float = Field(default=0.15, ge=0, lt=1)
    contrast: float = Field(default=0.20, ge=0, lt=1)
    cast: float = Field(default=0.06, ge=0, lt=1)
    saturation: float = Field(default=0.25, ge=0, le=1)
    blur: float = Field(default=0.1, ge=0, le=1)
    jpeg: float = Field(default=0.1, ge=0, le=1)
    hair: float = Field(default=0.0, ge=0, le=1)
    ruler: float = Field(default=0.0, ge=0, le=1)
    ink: float = Field(default=0.0, ge=0, le=1)
    vignette: float = Field(default=0.0, ge=0, le=1)
    mixup: float = Field(default=0.0, ge=0)
    cutmix: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _zoom_in_order(self) -> Augment:
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"zoom is {self.zoom}; two numbers above 0 are needed, the smaller first")
        return self


class Patient(Section):
    """field_dropout: chance that a known field of the patient is hidden, each by itself; all_dropout: that all are."""

    field_dropout: float = Field(default=0.3, ge=0, le=1)
    all_dropout: float = Field(default=0.3, ge=0, le=1)


class Stopping(Section):
    """patience: epochs without a better validation figure before the phase ends; None never. The best is kept."""

    patience: int | None = Field(default=None, ge=1)
    figure: Literal["loss", "balanced_accuracy", "auc"] = "loss"


class Engine(Section):
    """batch: pictures a step, over all processes. accumulate: parts in which they go through the network, which then
    needs less memory; their gradients are summed. ema: decay of the average of
    the weights that is kept; 0 keeps the weights themselves. validate_every: epochs between two looks at the
    validation part; 0 never looks. precision: of the network's arithmetic."""

    batch: int = Field(default=32, gt=0)
    accumulate: int = Field(default=1, gt=0)
    ema: float = Field(default=0.995, ge=0, lt=1)
    validate_every: float = Field(default=1.0, ge=0)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = True


class Serving(Section):
    """How the bundle sees a picture. arms: preparation of the picture, in order (see macule.analysis.arms), in training
    and serving alike.

    logit_adjustment: this share of the log of the drawn class shares is taken off the logits after training
    (Menon et al. 2021): 0 leaves the drawn mixture as the prior, 1 makes all classes equally likely beforehand.
    """

    size: int = Field(ge=16, le=2048)
    views: Literal[1, 2, 4, 8] = 1
    arms: tuple[str, ...] = ()
    logit_adjustment: float = Field(default=0.0, ge=0, le=1)

    @field_validator("arms")
    @classmethod
    def _known_arms(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        arms.find(names)
        return names


class Distillation(Section):
    """teachers: run folders, whose mean answer is learnt beside the labels. weight: of that part of the loss.

    temperature: that softens both answers (Hinton et al. 2015).
    """

    teachers: tuple[str, ...] = Field(min_length=1)
    weight: float = Field(default=0.7, ge=0, le=1)
    temperature: float = Field(default=2.0, gt=0)
