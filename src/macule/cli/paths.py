"""The paths on a command line -> the files to read, in a fixed order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from macule.analysis.sniff import HEAD, PICTURE_FORMATS, PICTURE_SUFFIXES, sniff
from macule.errors import InputNotFound

#: A file to read, or the error that stands for a path which cannot be walked.
Found = tuple[Path, InputNotFound | None]


def expand(paths: Sequence[Path]) -> list[Found]:
    """Walk the folders among the paths.

    A named file is always taken; in a folder, those that look like a picture by suffix or content, sorted by name,
    without hidden ones. A folder that cannot be read or holds no picture stands as an error: it is not left out.
    """
    return [found for path in paths for found in (_walk(path) if path.is_dir() else [(path, None)])]


def _walk(folder: Path) -> Iterator[Found]:
    unreadable: list[OSError] = []
    count = 0
    for parent, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(parent, name) for name in sorted(names)):
            if _looks_like_a_picture(path):
                count += 1
                yield path, None
    for error in unreadable:
        message = f"{error.filename} cannot be read ({error.strerror}): check its permissions."
        yield Path(error.filename), InputNotFound(message)
    if not count and not unreadable:
        yield folder, InputNotFound(f"{folder} holds no pictures: name another folder.")


def _looks_like_a_picture(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return path.suffix.lower() in PICTURE_SUFFIXES or _starts_like_a_picture(path)


def _starts_like_a_picture(path: Path) -> bool:
    # A named pipe in a folder would block for ever.
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return sniff(file.read(HEAD)) in (*PICTURE_FORMATS, "DICOM")
    except OSError:
        return False
