"""Where bundles stand: embedded in macule, or fetched into a folder of this user; and which others are known by name.

Only names are looked up here. What a folder holds is checked by `macule.analysis.bundle`.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from macule import bundles
from macule.errors import EnvironmentFault

MANIFEST = "bundle.json"
#: The folder of fetched bundles, if not the usual one.
HOME = "MACULE_BUNDLES_HOME"
#: A folder or an address that holds NAME.zip, which is asked before the index.
MIRROR = "MACULE_BUNDLES"

#: Also a plain name of a folder: nothing hidden, no way up or down.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Known:
    """A bundle of the index. build: the command that makes it. address, version, sha256 and bytes, of its archive: None
    where nothing is published, or nothing was packed."""

    name: str
    summary: str
    licence: str
    build: str
    version: str | None = None
    address: str | None = None
    sha256: str | None = None
    bytes: int | None = None


def embedded() -> Path:
    """The folder of the bundles that ship with macule."""
    return Path(bundles.__file__).parent


def home() -> Path:
    """The folder of fetched bundles; it need not be there yet."""
    if given := os.environ.get(HOME):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "macule" / "bundles"
    # XDG Base Directory 0.8: an empty variable counts as unset, and so does a relative path.
    data = Path(os.environ.get("XDG_DATA_HOME") or "")
    return (data if data.is_absolute() else Path.home() / ".local" / "share") / "macule" / "bundles"


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def find(name: str) -> Path | None:
    """The folder of an embedded bundle, else of a fetched one; None if neither has that name."""
    if not is_name(name):
        return None
    folders = (place / name for place in (embedded(), home()))
    return next((folder for folder in folders if (folder / MANIFEST).is_file()), None)


def names(place: Path) -> list[str]:
    """Of the bundles in `embedded()` or `home()`, in order."""
    return sorted(path.parent.name for path in place.glob(f"*/{MANIFEST}") if is_name(path.parent.name))


def index() -> dict[str, Known]:
    """Name -> what is known of a bundle that is not embedded.

    Raises: EnvironmentFault if the file is damaged.
    """
    path = embedded() / bundles.INDEX
    try:
        return {name: Known(name, **entry) for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, TypeError) as error:
        raise EnvironmentFault(f"{path} cannot be read ({error}): install macule again.") from error


def way_to(known: Known) -> str:
    """How to get a bundle that is not here, as the end of a sentence."""
    fetch = f"`macule bundle fetch {known.name}`"
    if known.address is not None:
        return f"get it with {fetch}"
    return (f"it is published nowhere yet. Build it from the public data sets with `{known.build}`, or set {MIRROR} to "
            f"a folder or https address that holds {known.name}.zip and run {fetch}")
