"""From the feature map to the classes, with a map of the evidence that needs no automatic gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from macule.errors import UsageError
from macule.training.recipe import Conv

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


class Attention(nn.Module):
    """Self-attention over the places of a feature map, added to it (Vaswani et al. 2017; Wang et al. 2018).

    features: float32, (N, D, h, w). Returns: the same shape. Places carry no code: padding has marked the borders.
    """

    def __init__(self, channels: int, heads: int) -> None:
        """Raises: UsageError if the heads do not share the channels evenly."""
        if channels % heads:
            raise UsageError(f"network.attention is {heads}; its heads must divide the {channels} channels evenly.")
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.mix = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        # Starts as the identity, so that the backbone's features come through unharmed.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Tensor) -> Tensor:
        n, d, h, w = features.shape
        places = self.norm(features.flatten(2).transpose(1, 2))
        query, key, value = self.mix(places).reshape(n, h * w, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        added: Tensor = self.out(seen.transpose(1, 2).reshape(n, h * w, d))
        return features + added.transpose(1, 2).reshape(n, d, h, w)


def convolutions(channels: int, layers: Sequence[Conv]) -> tuple[nn.Module, int]:
    """Convolution, batch norm and ReLU, one after the other, sides kept. Returns: them, and how many channels leave."""
    made: list[nn.Module] = []
    for layer in layers:
        convolution = nn.Conv2d(channels, layer.channels, layer.kernel, padding="same", bias=False)
        made.append(nn.Sequential(convolution, nn.BatchNorm2d(layer.channels), nn.ReLU()))
        channels = layer.channels
    return nn.Sequential(*made), channels


class Head(nn.Module):
    """Dropout, a hidden layer or none, and the classes.

    embedding: pooled features, (N, D). about: what is appended before the hidden layer, (N, A), or None.
    Returns: logits (N, C), and their derivative by the embedding: (C, D) without a hidden layer, else (N, C, D).
    """

    def __init__(self, channels: int, classes: int, *, hidden: int, activation: str, dropout: float,
                 about: int = 0) -> None:
        super().__init__()
        self.channels = channels
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(channels + about, hidden) if hidden else None
        self.activation = ACTIVATIONS[activation]()
        self.classes = nn.Linear(hidden or channels, classes)

    def forward(self, embedding: Tensor, about: Tensor | None) -> tuple[Tensor, Tensor]:
        x = self.dropout(embedding)
        if self.hidden is None:
            return self.classes(x), self.classes.weight
        active = self.activation(self.hidden(x if about is None else torch.cat([x, about], dim=1)))
        slope = 1 - active.square() if isinstance(self.activation, nn.Tanh) else (active > 0).to(active.dtype)
        derivative = (self.classes.weight * slope.unsqueeze(1)) @ self.hidden.weight[:, :self.channels]
        return self.classes(active), derivative
