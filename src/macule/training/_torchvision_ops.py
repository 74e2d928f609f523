"""Make `import torchvision` work where torch is a CPU build and torchvision's wheel a CUDA build.

That pair lacks two compiled operators, and `import torchvision` (hence timm) dies with "operator torchvision::nms does
not exist". Their schemas are all that the import needs; nothing in macule calls them.
"""

from __future__ import annotations

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_library: torch.library.Library | None = None  # kept referenced: the schemas vanish with it


def define_missing() -> None:
    """Define `torchvision::nms` and `qnms` once, only when no compiled version can be loaded."""
    global _library
    if _library is not None or _importable():
        return
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        _library.define(name + _SCHEMA)


def _importable() -> bool:
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        return False
    return True
