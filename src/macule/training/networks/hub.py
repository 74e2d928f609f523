"""timm's hub: what is in its cache, and whether it can be reached, found out without waiting for its client."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

from macule.errors import DownloadFailed

TIMEOUT = 5.0  # seconds; the hub's own client tries for 45 s before it gives up
FILES = ("model.safetensors", "pytorch_model.bin")


def repository(name: str, known: str | None) -> str:
    """known: where timm says the weights are. Raises: DownloadFailed if it says nothing."""
    if not known:
        raise DownloadFailed(f"timm's hub has no weights for {name}: set network.pretrained to 'no', or take another "
                             "network.backbone.")
    return known


def cached(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for name in FILES:
        found = try_to_load_from_cache(repository, name)
        if isinstance(found, str):
            return Path(found)
    return None


def reach(repository: str) -> None:
    """One short request, before timm's client starts on its many. Raises: DownloadFailed."""
    from huggingface_hub import constants

    advice = "connect, or put them into the cache, or set network.pretrained to 'no'"
    if constants.HF_HUB_OFFLINE:
        raise DownloadFailed(f"the weights {repository} are not cached and HF_HUB_OFFLINE is set: {advice}.")
    request = urllib.request.Request(f"{constants.ENDPOINT}/{repository}", method="HEAD")  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT).close()  # noqa: S310  # nosec B310
    except urllib.error.HTTPError:
        return  # it answers; what it says is timm's to judge
    except (OSError, ValueError) as error:
        raise DownloadFailed(f"the weights {repository} are not cached and {constants.ENDPOINT} cannot be reached "
                             f"({error}): {advice}.") from error
