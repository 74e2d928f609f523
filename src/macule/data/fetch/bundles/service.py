"""A bundle from an address, an archive or a folder into the folder of fetched bundles: all of it, checked, or nothing.

Everything under way lies in one hidden folder there. A bundle gets its name by a single rename, after its archive's
SHA-256, its files and its network were checked; an older one of that name stays until then.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from macule.analysis import bundle as bundles
from macule.analysis import shelf
from macule.analysis.bundle import Bundle
from macule.analysis.network import Network
from macule.data import swap
from macule.data.fetch import lock, unpack
from macule.data.fetch.bundles import archive as archives
from macule.data.fetch.bundles import packing
from macule.data.fetch.bundles.offers import Offer
from macule.data.fetch.bundles.place import Note, Shelf
from macule.data.fetch.disk import disk_fault
from macule.errors import BundleInvalid, BundleNotFound, DownloadFailed, UsageError


@dataclass(frozen=True)
class Fetched:
    """anew: whether anything was got; it is here already if the archive that was asked for is the one it came from."""

    bundle: Bundle
    note: Note
    anew: bool


def fetch(offer: Offer, to: Shelf) -> Fetched:
    """Get a bundle; called again after a broken download, it goes on.

    Raises: DownloadFailed if it cannot be got whole, or is not what was asked for; EnvironmentFault for the disk, or a
    second fetch at the same time. A bundle of that name that was here before stays then.
    """
    if (here := _here(offer, to)) is not None:
        return here
    try:
        with lock.hold(to.lock, to.home):
            _recover(to)
            archive, note = archives.obtain(offer, to)
            bundle = _unpacked(archive, offer, to)
            note.write(bundle.folder)
            folder = _put(bundle, to)
            archives.discard(archive, to)
    except OSError as error:
        raise disk_fault(error, str(offer.place)) from error
    return Fetched(bundles.load(folder), note, anew=True)


def remove(name: str, to: Shelf) -> Path:
    """Remove a fetched bundle. Returns: the folder that it had.

    Raises: UsageError for an embedded one; BundleNotFound; EnvironmentFault.
    """
    folder = to.home / name
    if name not in shelf.names(to.home):
        if name in shelf.names(shelf.embedded()):
            raise UsageError(f"{name} is embedded in macule and cannot be removed; only fetched bundles can.")
        known = ", ".join(shelf.names(to.home)) or "none"
        raise BundleNotFound(f"no bundle {name!r} was fetched into {to.home}; there is: {known}.")
    try:
        with lock.hold(to.lock, to.home):
            _recover(to)
            folder.replace(_fresh(to.work / "gone"))
            shutil.rmtree(to.work / "gone")
    except OSError as error:
        raise disk_fault(error, str(folder)) from error
    return folder


def _here(offer: Offer, to: Shelf) -> Fetched | None:
    """What is here already, if it came from an archive with the very checksum that is asked for, and is sound."""
    names = shelf.names(to.home) if offer.name is None else [offer.name]
    for name in names:
        note = Note.read(to.home / name)
        if note is not None and note.sha256 == offer.sha256:
            with suppress(BundleInvalid):
                return Fetched(bundles.load(to.home / name), note, anew=False)
    return None


def _recover(to: Shelf) -> None:
    """After a call that was cut off while it changed one bundle for another: the old one is put back."""
    for name in shelf.names(to.work / "old"):
        swap.recover(to.home / name, old=to.work / "old" / name)
    for left in ("old", "gone", "new"):
        shutil.rmtree(to.work / left, ignore_errors=True)


def _unpacked(archive: Path, offer: Offer, to: Shelf) -> Bundle:
    """The archive's bundle in the hidden folder, checked as it will be used."""
    try:
        top = packing.check(archive)
        unpack.unpack(archive, to.work / "new", name=top or "bundle", settings=to.settings, progress=to.progress)
        bundle = bundles.load(to.work / "new")
        Network(bundle.model, size=bundle.preprocessing.size)
        _check_name(bundle, offer)
    except (unpack.Damaged, BundleInvalid, DownloadFailed) as error:
        archives.discard(archive, to)
        shutil.rmtree(to.work / "new", ignore_errors=True)
        raise DownloadFailed(f"{offer.place} holds no bundle that can be used, and nothing was put in place: {error}"
                             ) from error
    return bundle


def _check_name(bundle: Bundle, offer: Offer) -> None:
    """Raises: DownloadFailed if it is not the bundle that was asked for, or its name would be hidden by another."""
    wrong = None
    if offer.name is not None and bundle.id != offer.name:
        wrong = f"where {offer.name!r} was asked for"
    elif not shelf.is_name(bundle.id):
        wrong = "which is no plain name"
    elif bundle.id in shelf.names(shelf.embedded()):
        wrong = "as one does that is embedded in macule: unpack it yourself and name its folder where you use it"
    if wrong is not None:
        raise DownloadFailed(f"it calls itself {bundle.id!r}, {wrong}.")


def _put(bundle: Bundle, to: Shelf) -> Path:
    target = to.home / bundle.id
    swap.put(bundle.folder, target, old=to.work / "old" / bundle.id)
    shutil.rmtree(to.work / "old", ignore_errors=True)
    return target


def _fresh(path: Path) -> Path:
    """A path for something to be moved to."""
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
