"""timm's networks taken apart into a stem, stages and a top; one function a family."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

Parts = tuple[nn.Module, list[nn.Module], nn.Module]


def take_apart(network: nn.Module) -> Parts:
    """Stem, stages and top; in a row they answer as the network's own features do. It is used up.

    A network of a family that is not known here is one stage.
    """
    return FAMILIES.get(type(network).__name__, _whole)(network)


def _efficientnet(net: Any) -> Parts:
    return nn.Sequential(net.conv_stem, net.bn1), list(net.blocks), nn.Sequential(net.conv_head, net.bn2)


def _mobilenet(net: Any) -> Parts:
    # Its last convolution stands behind the pooling, where it is a hidden layer: recipes say so with network.hidden.
    return nn.Sequential(net.conv_stem, net.bn1), list(net.blocks), nn.Identity()


def _resnet(net: Any) -> Parts:
    stem = nn.Sequential(net.conv1, net.bn1, net.act1, net.maxpool)
    return stem, [net.layer1, net.layer2, net.layer3, net.layer4], nn.Identity()


def _inception(net: Any) -> Parts:
    stem = nn.Sequential(net.Conv2d_1a_3x3, net.Conv2d_2a_3x3, net.Conv2d_2b_3x3, net.Pool1, net.Conv2d_3b_1x1,
                         net.Conv2d_4a_3x3, net.Pool2)
    stages = ("5b", "5c", "5d"), ("6a", "6b", "6c", "6d", "6e"), ("7a", "7b", "7c")
    blocks = [nn.Sequential(*(getattr(net, f"Mixed_{name}") for name in stage)) for stage in stages]
    return stem, list[nn.Module](blocks), nn.Identity()


def _densenet(net: Any) -> Parts:
    layers = dict(net.features.named_children())
    stem = nn.Sequential(*(layer for name, layer in layers.items()
                           if not name.startswith(("denseblock", "transition", "norm5"))))
    stages: list[nn.Module] = [layers["denseblock1"]]
    stages += [nn.Sequential(layers[f"transition{n - 1}"], layers[f"denseblock{n}"]) for n in (2, 3, 4)]
    return stem, stages, layers["norm5"]


def _vgg(net: Any) -> Parts:
    """Stages end with a pooling, as in the paper's table; there is no stem."""
    stages: list[nn.Module] = []
    layers: list[nn.Module] = []
    for layer in net.features:
        layers.append(layer)
        if isinstance(layer, nn.MaxPool2d):
            stages.append(nn.Sequential(*layers))
            layers = []
    return nn.Identity(), stages, nn.Identity()


def _convnext(net: Any) -> Parts:
    # timm normalises behind the pooling; at every place instead, so that what is pooled is what the map shows.
    return net.stem, list(net.stages), nn.Sequential(net.norm_pre, net.head.norm)


def _vit(net: Any) -> Parts:
    stages, norm = list(net.blocks), net.norm
    net.blocks = nn.Sequential()
    net.norm = net.fc_norm = net.head_drop = net.head = nn.Identity()
    return _Tokens(net), stages, nn.Sequential(norm, _Map(net.num_prefix_tokens))


def _whole(net: Any) -> Parts:
    net.reset_classifier(0)
    return nn.Identity(), [Whole(net)], nn.Identity()


FAMILIES: dict[str, Callable[[Any], Parts]] = {
    "EfficientNet": _efficientnet, "MobileNetV3": _mobilenet, "ResNet": _resnet, "InceptionV3": _inception,
    "DenseNet": _densenet, "VGG": _vgg, "ConvNeXt": _convnext, "VisionTransformer": _vit,
}


class _Tokens(nn.Module):
    """image -> tokens, (N, L, D)."""

    def __init__(self, vit: Any) -> None:
        super().__init__()
        self.vit = vit

    def forward(self, image: Tensor) -> Tensor:
        x = self.vit._pos_embed(self.vit.patch_embed(image))
        out: Tensor = self.vit.norm_pre(self.vit.patch_drop(x))
        return out


class _Map(nn.Module):
    """tokens, (N, L, D) -> (N, D, h, h), without the class token and the like, which have no place."""

    def __init__(self, prefix: int) -> None:
        super().__init__()
        self.prefix = prefix

    def forward(self, tokens: Tensor) -> Tensor:
        places = tokens[:, self.prefix:].transpose(1, 2)
        side = math.isqrt(places.shape[2])
        return places.reshape(places.shape[0], places.shape[1], side, side)


class Whole(nn.Module):
    """A network of a family that is not taken apart: one stage."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.map = _Map(getattr(network, "num_prefix_tokens", 0))

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.network.forward_features(image)
        if features.ndim == 3:
            features = self.map(features)
        elif features.shape[1] != self.network.num_features == features.shape[-1]:
            features = features.permute(0, 3, 1, 2)  # some families keep the channels last
        return features
