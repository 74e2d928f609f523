"""The network: an image backbone, layers of our own, a pooled head, and what the patient's data add.

The class activation map is one more output of the graph: `cam` is the derivative of a class by the pooled features,
times the features at each place. Without a hidden layer the logits are linear in the pooled features and the map is
exact (Zhou et al. 2016): logits = mean(cam) + bias + patient part. With one it is Grad-CAM (Selvaraju et al. 2017), in
closed form, before that method drops the negative places.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from macule.analysis import bundle as bundles
from macule.errors import UsageError
from macule.taxonomy import Diagnosis
from macule.training.networks import folding, fusion, onward, pretrained
from macule.training.networks.backbones import Backbone, layers_of
from macule.training.networks.heads import Attention, Head, convolutions
from macule.training.networks.pretrained import Start
from macule.training.recipe import Network, Targets

CLASSES = {Targets.DIAGNOSIS: len(Diagnosis), Targets.MALIGNANT: 2}
#: Of a vision transformer: many-dimensional, but no weights that decay (Dosovitskiy et al. 2021).
STILL_NAMES = ("pos_embed", "cls_token", "reg_token")


def build(settings: Network, *, targets: Targets) -> LesionNet:
    """The network that a recipe asks for; random parts are drawn from torch's global generator.

    Raises: UsageError for settings that fit no network; MissingExtra or DownloadFailed if weights are required and
    cannot be had.
    """
    goes_on = settings.start is not None and settings.pretrained != "no"
    network, start = pretrained.load(settings.backbone, "no" if goes_on else settings.pretrained, settings.options)
    backbone = Backbone(network, name=settings.backbone, cut=settings.cut)
    if settings.norms == "folded":
        folding.fold(backbone, name=settings.backbone)
    made = LesionNet(backbone, settings, classes=CLASSES[targets], start=start)
    if goes_on:
        bundle = bundles.load(settings.start)
        onward.take_over(made, bundle)
        onward.as_learnt(made.head.classes, bundle)
        made.start = replace(start, weights=f"bundle {bundle.id} {bundle.sha256[:12]}", pretrained=True, note="",
                             mean=bundle.preprocessing.mean, std=bundle.preprocessing.std)
    return made


class LesionNet(nn.Module):
    """image: float32, (N, 3, S, S); patient: float32, (N, 13).

    Returns: logits (N, C), embedding (N, D), cam (N, C, h, w). C is 11, the classes of the taxonomy, or 2: benign and
    malignant (indeterminate too). start: the weights that training starts from.
    """

    def __init__(self, backbone: Backbone, settings: Network, *, classes: int, start: Start) -> None:
        super().__init__()
        self.start = start
        self.backbone = backbone
        self.attention = Attention(backbone.channels, settings.attention) if settings.attention else nn.Identity()
        self.convs, channels = convolutions(backbone.channels, settings.convs)
        self.gate = fusion.MetaBlock(channels) if settings.fusion == "metablock" else None
        self.about = fusion.coded() if settings.fusion == "concat" else None
        self.patient = fusion.added(classes) if settings.fusion == "add" else None
        self.head = Head(channels, classes, hidden=settings.hidden, activation=settings.activation,
                         dropout=settings.dropout, about=fusion.HIDDEN if self.about else 0)
        self._frozen: list[nn.Module] = []

    def forward(self, image: Tensor, patient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.convs(self.attention(self.backbone(image)))
        if self.gate is not None:
            features = self.gate(features, patient)
        embedding = features.mean(dim=(2, 3))
        logits, derivative = self.head(embedding, self.about(patient) if self.about is not None else None)
        if self.patient is not None:
            logits = logits + self.patient(patient)
        places = "nchw,kc->nkhw" if derivative.ndim == 2 else "nchw,nkc->nkhw"
        return logits, embedding, torch.einsum(places, features.detach(), derivative.detach())

    def set_trainable(self, rule: str) -> bool:
        """Choose what learns: `Phase.trainable`. What does not learn runs without gradient and in evaluation mode.

        Returns: False where the weights are random, so that the rule would freeze noise: all learns then.
        Raises: UsageError if the backbone has fewer stages than the rule names.
        """
        frozen = self.backbone.frozen_by(rule)
        refused = bool(frozen) and not self.start.pretrained
        self._freeze([] if refused else frozen)
        return not refused

    def train(self, mode: bool = True) -> LesionNet:
        """Frozen parts stay in evaluation mode: their batch statistics are the pretrained ones too."""
        super().train(mode)
        for module in self._frozen:
            module.training = False
        return self

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """What learns. body: weights of the backbone; head: of all else; still_body, still_head: theirs that do not
        decay (norms, biases, positions)."""
        groups: dict[str, list[nn.Parameter]] = {"body": [], "head": [], "still_body": [], "still_head": []}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                still = parameter.ndim < 2 or name.endswith(STILL_NAMES)
                part = "body" if name.startswith("backbone.") else "head"
                groups[f"still_{part}" if still else part].append(parameter)
        return groups

    def check(self, size: int) -> None:
        """Raises: UsageError if the backbone cannot read pictures of that many pixels a side."""
        before, device = self.training, next(self.parameters()).device
        try:
            with torch.no_grad():
                height = self.eval().backbone(torch.zeros(1, 3, size, size, device=device)).shape[2]
        except (RuntimeError, AssertionError) as error:
            raise UsageError(f"a size of {size} px does not fit {self.start.backbone}: {error}.") from error
        finally:
            self.train(before)
        if not height:
            raise UsageError(f"a size of {size} px is too small for {self.start.backbone}.")

    @torch.no_grad()
    def shifted(self, offsets: NDArray[np.float64]) -> LesionNet:
        """A copy whose logits have these numbers, shape (C,), added to them; the graph stays as it is."""
        network = copy.deepcopy(self)
        network.head.classes.bias.add_(torch.as_tensor(offsets, dtype=torch.float32))
        return network

    def _freeze(self, frozen: list[nn.Module]) -> None:
        self.requires_grad_(True)
        for layer in frozen:
            for parameter in layer.parameters(recurse=False):
                parameter.requires_grad_(False)
        ids = {id(layer) for layer in frozen}
        still = [_within(part, ids) for part in self.backbone.parts]
        self.backbone.still = (still.index(False) if False in still else len(still)) if frozen else 0
        whole = [module for module in self.backbone.modules() if any(layers_of(module)) and _within(module, ids)]
        self._frozen = list({id(inner): inner for module in whole for inner in module.modules()}.values())
        self.train(self.training)


def _within(module: nn.Module, ids: set[int]) -> bool:
    """Whether all layers of a module are among those."""
    return all(id(layer) in ids for layer in layers_of(module))
