"""The processes of one run: those that torchrun has started, on GPUs or on processors alone, or the only one."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import PartialState

#: The others wait for the first while it searches for duplicates, decodes and exports; NCCL gives up after 10 minutes.
PATIENCE = timedelta(hours=24)


def present() -> PartialState:
    """The same for everyone in this process, from the first call on."""
    # Unless it is told so, accelerate takes each of several processes without a GPU for the only one.
    return PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)
