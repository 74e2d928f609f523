"""What bundles there are, for people and programs: embedded, fetched, or known by name and not here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from macule.analysis import bundle as bundles
from macule.analysis import shelf
from macule.analysis.shelf import Known
from macule.errors import BundleInvalid

Where = Literal["embedded", "fetched", "not here"]


@dataclass(frozen=True)
class Holding:
    """One bundle. What is not known is None.

    bytes: on the disk; of the archive, where the bundle is not here. network: the kinds of network in it. px: a side of
    its input. speed: as its bundle.json has it. get: how to get it, where it is not here. fault: why it cannot be used.
    """

    name: str
    where: Where
    summary: str | None = None
    folder: Path | None = None
    bytes: int | None = None
    network: str | None = None
    px: int | None = None
    views: int | None = None
    speed: Mapping[str, Any] | None = None
    licence: str | None = None
    created: str | None = None
    sha256: str | None = None
    get: str | None = None
    fault: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"folder": None if self.folder is None else str(self.folder)}


def holdings() -> list[Holding]:
    """Embedded ones first, then fetched ones, then what the index has beyond them."""
    known = shelf.index()
    here = [_here(place / name, where, known.get(name)) for place, where in _places() for name in shelf.names(place)]
    found = {each.name for each in here}
    return [*here, *(_absent(each) for name, each in known.items() if name not in found)]


def files(folder: Path) -> list[Path]:
    """A bundle's own; what the system or an editor hides beside them does not count."""
    return [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]


def size(folder: Path) -> int:
    """Bytes of a bundle's files."""
    return sum(path.stat().st_size for path in files(folder))


def network(content: Mapping[str, Any]) -> str | None:
    """The kinds of network in a bundle by its bundle.json: `lite1`, `lite1 int8`, `3 x lite1`, or `lite1 + lite2`."""
    provenance = content.get("provenance", {})
    recipe = provenance.get("recipe", {})
    # Of a combined bundle only `start` names every member; the first bundles had no `start` and a flat recipe.
    names = (provenance.get("start", {}).get("backbone"), recipe.get("network", {}).get("backbone"),
             recipe.get("backbone"))
    name = next((each for each in names if isinstance(each, str)), None)
    if name is None:
        return None
    parts = [kind if count == 1 else f"{count} x {kind}" for kind, count in Counter(name.split(" + ")).items()]
    return " + ".join(parts) + (" int8" if "quantised" in provenance else "")


def _places() -> tuple[tuple[Path, Where], ...]:
    return (shelf.embedded(), "embedded"), (shelf.home(), "fetched")


def _here(folder: Path, where: Where, known: Known | None) -> Holding:
    summary = known.summary if known else None
    try:
        found = bundles.load(folder)
        content = json.loads((folder / bundles.MANIFEST).read_text(encoding="utf-8"))
    except BundleInvalid as error:
        return Holding(folder.name, where, summary, folder, size(folder), fault=str(error))
    speed = found.metrics.get("speed")
    return Holding(folder.name, where, summary, folder, size(folder), network(content), found.preprocessing.size,
                   found.preprocessing.views, speed if isinstance(speed, dict) else None, found.licence,
                   found.created, found.sha256)


def _absent(known: Known) -> Holding:
    return Holding(known.name, "not here", known.summary, bytes=known.bytes, licence=known.licence,
                   get=shelf.way_to(known))
