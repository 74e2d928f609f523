"""Where a run happened: the versions of what it ran on, and the machine, without a name that tells whose it is."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess  # git, by its whole path, without a shell  # nosec B404
from importlib import metadata, util
from pathlib import Path
from typing import Any

import macule
from macule.analysis.batch import cores

PACKAGES = {"torch": "torch", "torchvision": "torchvision", "timm": "timm", "accelerate": "accelerate",
            "numpy": "numpy", "opencv": "opencv-python-headless", "onnxruntime": "onnxruntime"}


def versions() -> dict[str, str | None]:
    """None for a package that is not installed, and for the commit where the source is no checkout."""
    return {"macule": macule.__version__, "python": platform.python_version(),
            **{name: _version(package) for name, package in PACKAGES.items()},
            "commit": commit(Path(macule.__file__).parents[2])}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def commit(source: Path) -> str | None:
    """The checkout's commit, `-dirty` after it if tracked files were changed since; None without git or a checkout."""
    git = shutil.which("git")
    if git is None or not (source / ".git").exists():
        return None
    command = [git, "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (no shell)  # nosec B603
    return done.stdout.strip() or None


def machine() -> dict[str, Any]:
    """cpu, cores (that this process may use), memory in GB, accelerator (None without one) and os."""
    return {"cpu": _cpu(), "cores": cores(), "memory_gb": _memory(), "accelerator": _accelerator(), "os": _os()}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _accelerator() -> str | None:
    if util.find_spec("torch") is None:
        return None
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))
    return "Apple GPU (mps)" if torch.backends.mps.is_available() else None


def _os() -> str:
    try:
        distribution = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        distribution = ""
    # The kernel's release is left out: hosts put their names into it.
    return f"{platform.system()} ({distribution})" if distribution else f"{platform.system()} {platform.release()}"
