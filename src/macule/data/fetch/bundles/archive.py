"""The archive that an offer names, on this machine, with the checksum that it must have."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from macule.data.fetch.bundles import packing
from macule.data.fetch.bundles.offers import Offer
from macule.data.fetch.bundles.place import Note, Shelf
from macule.data.fetch.disk import digest
from macule.data.fetch.download import download, forget
from macule.data.fetch.plan import Checksum, Download
from macule.data.fetch.settings import Meter
from macule.errors import DownloadFailed

#: Bytes to reckon with where nobody says how large an archive is.
_ABOUT = 50_000_000


def obtain(offer: Offer, to: Shelf) -> tuple[Path, Note]:
    """Download it, pack a folder, or take the file as it lies there.

    Raises: DownloadFailed if it cannot be got whole, is another one or too large; BundleInvalid for a folder.
    """
    if isinstance(offer.place, str):
        return _downloaded(offer, offer.place, to)
    archive = offer.place
    if archive.is_dir():
        archive = to.work / "packed.zip"
        packing.pack(offer.place, archive)
    size = _limited(archive.stat().st_size, str(offer.place))
    found = digest(archive, {"sha256"}, to.progress(f"checking {offer.place.name}", size))["sha256"]
    if offer.sha256 not in (None, found):
        discard(archive, to)
        raise DownloadFailed(f"{offer.place} has the SHA-256 {found}, where {offer.sha256} is expected: it was damaged "
                             "or is another bundle.")
    return archive, Note(str(offer.place.resolve()), found, size, to.now())


def discard(archive: Path, to: Shelf) -> None:
    """Remove an archive that macule itself put there."""
    if archive.parent == to.work:
        archive.unlink(missing_ok=True)


def _downloaded(offer: Offer, address: str, to: Shelf) -> tuple[Path, Note]:
    at = urlsplit(address)
    # A name for each address: what is left of a broken download is gone on with only from where it came.
    archive = to.work / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}.zip"
    item = Download(at.path.rpartition("/")[2] or "bundle.zip", address, _ABOUT if offer.bytes is None else offer.bytes,
                    offer.bytes, Checksum("sha256", offer.sha256) if offer.sha256 else None)

    def limited(what: str, total: int, unit: str = "bytes", /) -> Meter:
        meter = to.progress(what, total, unit)

        def told(done: int) -> None:
            _limited(done, address, archive)
            meter(done)
        return told

    got = download(item, archive, settings=to.settings, progress=limited)
    plain = at._replace(netloc=at.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return archive, Note(plain, got.sha256, got.bytes, to.now())


def _limited(size: int, what: str, under_way: Path | None = None) -> int:
    """Raises: DownloadFailed for more bytes than a bundle may have; what came of it is removed."""
    if size > packing.MOST_BYTES:
        if under_way is not None:
            forget(under_way)
        raise DownloadFailed(f"{what} has more than {packing.MOST_BYTES} bytes: that is no bundle.")
    return size
