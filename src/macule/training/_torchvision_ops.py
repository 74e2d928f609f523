"""Make `import torchvision` work where torch is a CPU build and torchvision's wheel a CUDA build.

That pair lacks two compiled operators, and `import torchvision` (hence timm) dies with "operator torchvision::nms does
not exist". Their schemas are all that the import needs; nothing in macule calls them.
"""

from __future__ import annotations

from functools import cache

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache  # keeps the library: the schemas vanish with it
def define_missing() -> torch.library.Library | None:
    """Define `torchvision::nms` and `qnms` once, only when no compiled version can be loaded."""
    if _importable():
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(name + _SCHEMA)  # type: ignore[no-untyped-call]
    return library


def _importable() -> bool:
    try:
        import torchvision  # type: ignore[import-untyped]  # noqa: F401
    except RuntimeError:
        return False
    return True
