"""The files of a zip archive that somebody sent: read in memory one at a time, and bounded in every direction.

What makes the archive itself hostile is refused as a whole; what is wrong with one member is that member's outcome.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import BinaryIO

from macule.errors import ImageTooLarge, InputError, UnreadableImage, UnsupportedImage

PICTURES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".heic", ".heif", ".tif", ".tiff", ".bmp"})
TABLE = ".csv"
ARCHIVES = frozenset({".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz"})
_CHUNK = 256 * 1024
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class Limits:
    """members: in one archive. member, total: bytes unpacked. ratio: unpacked over packed, of members over 1 MB.

    Pictures are packed already: a member of which a thousandth was sent is no picture.
    """

    members: int = 2000
    member: int = 25_000_000
    total: int = 4_000_000_000
    ratio: float = 200.0


@dataclass(frozen=True)
class Member:
    """name: without folders that lead out of the archive. content: None where `fault` says why there is none."""

    name: str
    content: bytes | None = field(default=None, repr=False)
    fault: InputError | None = None


def members(archive: BinaryIO, limits: Limits) -> Iterator[Member]:
    """Every file but hidden ones, in the order of the archive.

    Raises: UnreadableImage for what is no zip, ImageTooLarge for one that is a bomb: then nothing of it is to be kept.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            found = [info for info in opened.infolist() if not info.is_dir() and not hidden(info.filename)]
            _bounded(found, limits)
            left = limits.total
            for info in found:
                member = _member(opened, info, limits, left)
                left -= len(member.content or b"")
                yield member
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise UnreadableImage(f"the archive cannot be read ({error}): pack it again as a plain zip.") from error


def kind(name: str) -> str:
    """`picture`, `table`, `archive` or `other`, by the name's end."""
    suffix = PurePosixPath(name).suffix.lower()
    return ("picture" if suffix in PICTURES else "table" if suffix == TABLE else
            "archive" if suffix in ARCHIVES else "other")


def hidden(name: str) -> bool:
    """What systems leave in archives and folders without being asked."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return not parts or parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts) or (
        parts[-1].lower() in ("thumbs.db", "desktop.ini"))


def plain(name: str) -> str:
    """A path that cannot lead anywhere: forward slashes, neither drive nor `..`, printable, at most 200 characters."""
    unrooted = PureWindowsPath(name).as_posix().partition(":")[2] if ":" in name[:3] else name.replace("\\", "/")
    parts = [part for part in unrooted.split("/") if part not in ("", ".", "..")]
    shown = "".join(letter if letter.isprintable() else "_" for letter in "/".join(parts))
    return shown[-200:] or "unnamed"


def _bounded(found: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(found) > limits.members:
        raise ImageTooLarge(f"the archive holds {len(found)} files; at most {limits.members} are read: split it.")
    total = sum(info.file_size for info in found)
    if total > limits.total:
        raise ImageTooLarge(f"the archive unpacks to {total / 1e9:.1f} GB; at most {limits.total / 1e9:.1f} GB are "
                            "read: split it.")
    # Two members at one place in the file: how a bomb of overlapping members is made.
    places = [info.header_offset for info in found]
    if len(set(places)) != len(places):
        raise UnreadableImage("the archive names one member twice: pack it again.")


def _member(opened: zipfile.ZipFile, info: zipfile.ZipInfo, limits: Limits, left: int) -> Member:
    name = plain(info.filename)
    if info.flag_bits & _ENCRYPTED:
        return Member(name, fault=UnreadableImage(f"{name} is locked with a password: send it without one."))
    if kind(name) == "archive":
        return Member(name, fault=UnsupportedImage(f"{name} is an archive within the archive: unpack it first."))
    if info.file_size > limits.member:
        return Member(name, fault=_too_large(name, limits.member))
    if info.file_size > 1_000_000 and info.file_size > limits.ratio * max(1, info.compress_size):
        return Member(name, fault=ImageTooLarge(f"{name} unpacks to over {limits.ratio:.0f} times what was sent: it is "
                                                "no picture."))
    try:
        return _read(opened, info, name, min(limits.member, left))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        if left <= 0:
            raise
        return Member(name, fault=UnreadableImage(f"{name} is damaged in the archive ({error}): pack it again."))


def _read(opened: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, most: int) -> Member:
    """What the archive's own list says of sizes may be a lie, so what comes out is counted."""
    buffer = io.BytesIO()
    with opened.open(info) as stream:
        while chunk := stream.read(_CHUNK):
            if buffer.tell() + len(chunk) > most:
                return Member(name, fault=_too_large(name, most))
            buffer.write(chunk)
    return Member(name, buffer.getvalue())


def _too_large(name: str, most: int) -> ImageTooLarge:
    return ImageTooLarge(f"{name} is over {most / 1e6:.0f} MB: send a smaller picture.")
