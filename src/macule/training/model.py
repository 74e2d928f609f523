"""The network: a pooled linear head on an image backbone, plus what the patient's data add.

The logits are the sum of an image part and a patient part. The image part is linear in the pooled features, so the
class activation map (Zhou et al. 2016) is exact and needs no gradient: it is one more output of the graph.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from macule.analysis.patient import VECTOR_LENGTH
from macule.taxonomy import Diagnosis
from macule.training import weights

PATIENT_HIDDEN = 32


class LesionNet(nn.Module):
    """image: float32, (N, 3, S, S); patient: float32, (N, 13).

    Returns: logits (N, 11), embedding (N, D), cam (N, 11, h, w) with logits = mean(cam) + bias + patient part.
    """

    def __init__(self, backbone: nn.Module, *, dropout: float, frozen_blocks: int) -> None:
        super().__init__()
        self.backbone = backbone
        width = int(backbone.num_features)  # type: ignore[arg-type]
        backbone.classifier = nn.Identity()
        self.head = nn.Linear(width, len(Diagnosis))
        self.patient = nn.Sequential(
            nn.Linear(VECTOR_LENGTH, PATIENT_HIDDEN), nn.ReLU(), nn.Linear(PATIENT_HIDDEN, len(Diagnosis))
        )
        self.dropout = nn.Dropout(dropout)
        self.frozen_blocks = frozen_blocks
        self.requires_grad_(True)
        for module in self._frozen():
            module.requires_grad_(False)

    @classmethod
    def pretrained(cls, backbone: str, *, dropout: float, frozen_blocks: int) -> LesionNet:
        return cls(weights.imagenet(backbone), dropout=dropout, frozen_blocks=frozen_blocks)

    def forward(self, image: Tensor, patient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self._features(image)
        embedding = features.mean(dim=(2, 3))
        logits = self.head(self.dropout(embedding)) + self.patient(patient)
        cam = torch.einsum("nchw,kc->nkhw", features, self.head.weight)
        return logits, embedding, cam

    def train(self, mode: bool = True) -> LesionNet:
        """Frozen stages stay in evaluation mode: their batch statistics are ImageNet's too."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def _features(self, image: Tensor) -> Tensor:
        net: Any = self.backbone
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen_blocks):
            x = net.bn1(net.conv_stem(image))
            for stage in net.blocks[: self.frozen_blocks]:
                x = stage(x)
        for stage in net.blocks[self.frozen_blocks:]:
            x = stage(x)
        out: Tensor = net.bn2(net.conv_head(x))
        return out

    def _frozen(self) -> list[nn.Module]:
        if not self.frozen_blocks:
            return []
        net: Any = self.backbone
        return [net.conv_stem, net.bn1, *net.blocks[: self.frozen_blocks]]
