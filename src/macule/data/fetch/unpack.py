"""A zip into a folder: nothing outside it, no links, no bomb, and all of it or nothing."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from macule.data.fetch.disk import check_space, disk_fault
from macule.data.fetch.settings import Meter, Progress, Settings
from macule.errors import DownloadFailed

#: Pictures hardly shrink, tables shrink about tenfold: what grows beyond this is no data set.
MOST_GROWTH, SMALL = 100, 50_000_000

#: What macOS and Windows leave in archives beside the publisher's files.
_LITTER = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"})


class Damaged(Exception):
    """The archive breaks off or does not fit its own checksums: got anew, it may be whole."""


def unpack(archive: Path, into: Path, *, name: str, settings: Settings, progress: Progress) -> int:
    """Unpack `archive` as the folder `into`, which is made anew. One folder of that name around everything is taken
    off, so that it does not come twice.

    name: what the folder will be called at last.

    Returns: how many files.

    Raises: Damaged; DownloadFailed for an archive that reaches outside; EnvironmentFault if the disk is full.
    """
    if into.exists():  # an earlier call was cut off in here
        shutil.rmtree(into)
    try:
        with zipfile.ZipFile(archive) as source:
            members = _members(source, archive, name)
            size = sum(member.file_size for member in members.values())
            _check_growth(archive, size)
            check_space(archive.parent, size, f"{archive.name} unpacked takes", settings)
            _extract(source, members, into, progress(f"unpacking {archive.name}", size), settings.chunk)
        if hasattr(os, "sync"):  # the folder gets its name next: a power cut must not find it empty then
            os.sync()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Damaged(f"{archive.name} is no whole zip file ({error})") from error
    except NotImplementedError as error:
        raise DownloadFailed(f"{archive.name} is packed in a way that Python cannot undo ({error}): unpack it with "
                             f"another program as {name}, then check with --verify.") from error
    except OSError as error:
        raise disk_fault(error, archive.name) from error
    return len(members)


def _members(source: zipfile.ZipFile, archive: Path, name: str) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Every file of the archive by its path below the folder, checked before the first is unpacked."""
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in source.infolist():
        path = _safe(member, archive)
        if member.is_dir() or _LITTER & set(path.parts) or path.name.startswith("._"):
            continue
        if path in members:
            raise DownloadFailed(f"{archive.name} holds {path} twice: it is not what the publisher shipped.")
        members[path] = member
    if not members:
        raise DownloadFailed(f"{archive.name} is empty: it is not what the publisher shipped.")
    top = PurePosixPath(name).name
    if all(len(path.parts) > 1 and path.parts[0] == top for path in members):
        return {PurePosixPath(*path.parts[1:]): member for path, member in members.items()}
    return members


def _safe(member: zipfile.ZipInfo, archive: Path) -> PurePosixPath:
    """The member's path. Raises: DownloadFailed if it leads outside, or is anything but a file or folder."""
    path, kind = PurePosixPath(member.filename), stat.S_IFMT(member.external_attr >> 16)
    odd = {"\\", "\x00", ":"} & set(member.orig_filename)
    outside = path.is_absolute() or ".." in path.parts or not path.parts
    if odd or outside or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DownloadFailed(f"{archive.name} holds {member.orig_filename!r}, which is a link or leads out of its "
                             "folder: nothing was unpacked. Tell the publisher, or whoever runs the mirror.")
    if member.flag_bits & 1:
        raise DownloadFailed(f"{archive.name} is locked with a password: it is not what the publisher shipped.")
    return path


def _check_growth(archive: Path, size: int) -> None:
    packed = archive.stat().st_size
    if size > max(SMALL, MOST_GROWTH * packed):
        raise DownloadFailed(f"{archive.name} has {packed} bytes and would unpack to {size}: that is no data set, and "
                             "nothing was unpacked.")


def _extract(source: zipfile.ZipFile, members: dict[PurePosixPath, zipfile.ZipInfo], into: Path, meter: Meter,
             chunk: int) -> None:
    """zipfile ends at the size that a member states, and compares its checksum."""
    done, made = 0, set[Path]()
    for path, member in members.items():
        target = into / path
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        with source.open(member) as packed, target.open("xb") as stream:
            shutil.copyfileobj(packed, stream, chunk)
        done += member.file_size
        meter(done)
