"""Networks: a backbone of timm, what stands between it and the classes, and how the patient's data come in."""

from macule.training.networks.lesion_net import LesionNet, build
from macule.training.networks.pretrained import Start
from macule.training.networks.spread import Spread, spread

__all__ = ["LesionNet", "Spread", "Start", "build", "spread"]
