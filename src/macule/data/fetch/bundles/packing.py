"""A bundle as one file, and what such a file may hold: the same folder makes the same bytes on every machine."""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from macule.analysis import bundle as bundles
from macule.data.fetch.disk import disk_fault
from macule.errors import DownloadFailed, UsageError

#: Every file that a bundle may have. A bundle is read by name; what has another name is read by nobody.
FILES = frozenset({"baselines.npz", "bundle.json", "card.md", "gate.npz", "index.npz", "model.onnx", "split.csv.gz"})
#: Bytes of an archive, and of what comes out of it. The largest network that was trained here has 250 MB.
MOST_BYTES = 2_000_000_000

#: The first moment that a zip can tell: the day of packing would make other bytes of the same files.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX, _PLAIN_FILE = 3, 0o100644


@dataclass(frozen=True)
class Packed:
    """bundle: what is in the archive. sha256, bytes: of the archive."""

    bundle: bundles.Bundle
    sha256: str
    bytes: int


def pack(folder: Path, out: Path) -> Packed:
    """Write a bundle's files into the zip `out`, which appears complete or not at all. Hidden files stay out.

    Raises: BundleInvalid; UsageError for a file that is no part of a bundle, too many bytes, or an `out` in the folder
    itself; EnvironmentFault if the disk is full.
    """
    bundle = bundles.load(folder)
    if out.absolute().parent.resolve().is_relative_to(bundle.folder.resolve()):
        raise UsageError(f"{out} lies in the bundle's own folder, where it would be no part of the bundle: name a file "
                         "elsewhere.")
    members = _members(bundle.folder)
    partial = out.with_name(out.name + ".partial")
    try:
        # Stored: weights hardly shrink, and what a compressor makes of them changes with its version.
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for path in members:
                archive.writestr(_entry(path.name), path.read_bytes())
        with partial.open("r+b") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
        partial.replace(out)
    except OSError as error:
        raise disk_fault(error, out.name) from error
    finally:
        partial.unlink(missing_ok=True)
    return Packed(bundle, digest, out.stat().st_size)


def check(archive: Path) -> str:
    """Look at an archive's table of contents, before a byte is unpacked.

    Returns: the folder around its files; empty if there is none.
    Raises: DownloadFailed if it can be no bundle.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            members = [(PurePosixPath(entry.filename), entry.file_size) for entry in source.infolist()
                       if not entry.is_dir()]
    except zipfile.BadZipFile as error:
        raise DownloadFailed(f"{archive.name} is no whole zip file ({error}): get it again.") from error
    for path, _ in members:
        if path.name not in FILES or len(path.parts) > 2 or ".." in path.parts or path.is_absolute():
            raise _strange(archive, f"it holds {str(path)!r}, which is no part of a bundle")
    if len({path.name for path, _ in members}) < len(members):
        raise _strange(archive, "it holds a file twice")
    if (size := sum(each for _, each in members)) > MOST_BYTES:
        raise _strange(archive, f"it would unpack to {size / 1e9:,.1f} GB, where {MOST_BYTES / 1e9:.0f} are the most")
    if bundles.MANIFEST not in {path.name for path, _ in members}:
        raise _strange(archive, f"it has no {bundles.MANIFEST}")
    tops = {path.parts[0] if len(path.parts) == 2 else "" for path, _ in members}
    if len(tops) != 1:
        raise _strange(archive, "its files do not lie in one folder")
    return tops.pop()


def _members(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in found:
        if path.name not in FILES or not path.is_file():
            raise UsageError(f"{path} is no part of a bundle: move it out of {folder}, then pack again.")
    if (size := sum(path.stat().st_size for path in found)) > MOST_BYTES:
        raise UsageError(f"{folder} has {size} bytes, where {MOST_BYTES} are the most that a bundle may have.")
    return found


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _NO_TIME)
    entry.create_system, entry.external_attr = _UNIX, _PLAIN_FILE << 16
    return entry


def _strange(archive: Path, why: str) -> DownloadFailed:
    return DownloadFailed(f"{archive.name} is no bundle: {why}. Nothing was unpacked.")
