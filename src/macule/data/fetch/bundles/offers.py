"""What `macule bundle fetch` was asked for: which archive or folder, where, and how it is known to be the right one."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from macule.analysis import shelf
from macule.errors import BundleNotFound, UsageError

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Offer:
    """place: an address, or an archive or folder on this machine. name: what the bundle must call itself; None if that
    is not known before. sha256, bytes: of the archive; None where nobody stated them."""

    place: str | Path
    name: str | None = None
    sha256: str | None = None
    bytes: int | None = None


def find(wanted: str, *, mirror: str | None = None, sha256: str | None = None) -> Offer:
    """wanted: an address, a name, or an archive or folder. A name of the index goes before a file, and that before the
    mirror's other names.

    Raises: UsageError; BundleNotFound, saying how to get it.
    """
    given = _checked(sha256)
    if _is_address(wanted):
        return _safe(Offer(wanted, sha256=given))
    if wanted in shelf.names(shelf.embedded()):
        raise UsageError(f"{wanted} is embedded in macule: there is nothing to fetch.")
    if wanted in shelf.index() or (mirror and shelf.is_name(wanted) and not Path(wanted).exists()):
        return _by_name(wanted, mirror, given)
    if not Path(wanted).exists():
        known = ", ".join(sorted(shelf.index()))
        raise BundleNotFound(f"{wanted!r} is no file or folder here, no address, and no bundle that macule knows by "
                             f"name ({known}): set {shelf.MIRROR} if a mirror has it.")
    return Offer(Path(wanted), sha256=given)


def _by_name(name: str, mirror: str | None, given: str | None) -> Offer:
    known = shelf.index().get(name)
    stated, size = (known.sha256, known.bytes) if known else (None, None)
    if given and stated and given != stated:
        raise UsageError(f"--sha256 is {given}, but the index says that {name} has {stated}: leave one out.")
    if mirror:
        return _safe(Offer(_in_mirror(name, mirror), name, given or stated, size))
    if known is None or known.address is None:
        told = shelf.way_to(known) if known else "no mirror is set"
        raise BundleNotFound(f"the bundle {name!r} cannot be fetched: {told}.")
    return _safe(Offer(known.address, name, given or stated, size))


def _in_mirror(name: str, mirror: str) -> str | Path:
    if _is_address(mirror):
        at = urlsplit(mirror)
        return at._replace(path=posixpath.join(at.path or "/", f"{name}.zip")).geturl()
    for place in (Path(mirror) / f"{name}.zip", Path(mirror) / name):
        if place.exists():
            return place
    raise BundleNotFound(f"the mirror {mirror} (--mirror, or {shelf.MIRROR}) has no {name}.zip and no folder {name}.")


def _is_address(text: str) -> bool:
    return urlsplit(text).scheme in ("http", "https")


def _safe(offer: Offer) -> Offer:
    """Raises: UsageError for an address whose answer anybody on the way could have changed."""
    if isinstance(offer.place, str) and urlsplit(offer.place).scheme == "http" and offer.sha256 is None:
        raise UsageError(f"{offer.place} is not https, so that anyone on the way could alter it: give --sha256, as "
                         "whoever packed it tells you.")
    return offer


def _checked(sha256: str | None) -> str | None:
    found = None if sha256 is None else sha256.strip().lower().removeprefix("sha256:")
    if found is not None and not _SHA256.fullmatch(found):
        raise UsageError(f"--sha256 is {sha256!r}; 64 hexadecimal digits are needed.")
    return found
