"""Pictures sorted into benign/ and malignant/, below train/, val/ and test/ if a split is given: system B's layout."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from macule.analysis.batch import cores, in_order
from macule.analysis.sniff import HEAD, sniff
from macule.data import pictures
from macule.data.manifest import Manifest, Row
from macule.errors import DatasetError, MaculeError, UsageError

#: Says which export a folder holds, so that another one is never mixed into it.
MARKER = "macule-export.json"
#: The ending of a picture that has none, by what it is.
ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "BMP": ".bmp"}

#: Told how many more rows are done.
Tick = Callable[[int], None]


class Link(StrEnum):
    """How a picture gets into the folder. A member of an HDF5 or npz file is always written out."""

    COPY = "copy"
    HARD = "hard"
    SYMLINK = "symlink"


@dataclass(frozen=True)
class Exported:
    """folders: folder -> pictures in it. already: how many of them were there before. left_out: why -> rows."""

    folders: dict[str, int]
    already: int
    left_out: dict[str, int]


def export(manifest: Manifest, to: Path, *, parts: Mapping[str, str] | None = None, link: Link = Link.COPY,
           workers: int | None = None, tick: Tick | None = None) -> Exported:
    """Sort a manifest's pictures into folders. Nothing is overwritten, and a second run adds only what is missing.

    parts: `dataset:id` -> train, val or test; a row that stands in none is left out. None: no such folders.

    Raises: UsageError if `to` holds anything but this very export; DatasetError if a picture is missing or was
        altered; UnreadableImage.
    """
    _claim(to, manifest, parts)
    left_out: Counter[str] = Counter()
    folders: Counter[str] = Counter()
    already = 0
    names: set[str] = set()

    def kept() -> Iterator[tuple[Row, Path]]:
        for row in manifest.each():
            if reason := _why_not(row, parts):
                left_out[reason] += 1
                if tick is not None:
                    tick(1)
                continue
            folder = to / _folder(row, parts)
            yield row, folder / _unused(_stem(row), folder, names)

    for (_, target), fresh in in_order(lambda item: _place(manifest, *item, link), kept(), workers=workers or cores()):
        if isinstance(fresh, MaculeError):
            raise fresh
        folders[target.parent.relative_to(to).as_posix()] += 1
        already += not fresh
        if tick is not None:
            tick(1)
    return Exported(dict(sorted(folders.items())), already, dict(left_out.most_common()))


def _why_not(row: Row, parts: Mapping[str, str] | None) -> str | None:
    if row.reason is not None:
        return "set aside, with a reason"
    if row.malignant is None:
        return "not known whether malignant"
    if row.picture is None:
        return "no picture here"
    if parts is not None and f"{row.dataset}:{row.picture_id}" not in parts:
        return "in no part of the split"
    return None


def _folder(row: Row, parts: Mapping[str, str] | None) -> Path:
    kind = "malignant" if row.malignant else "benign"
    return Path(kind) if parts is None else Path(parts[f"{row.dataset}:{row.picture_id}"], kind)


def _stem(row: Row) -> str:
    """DATASET__ID; whatever may not stand in a name of a file is written as %XX."""
    return f"{row.dataset}__{quote(row.picture_id, safe=' ')}"


def _unused(stem: str, folder: Path, names: set[str]) -> str:
    """Two ids may differ in their capitals only, which not every file system tells apart."""
    number, name = 1, stem
    while (key := f"{folder}/{name}".casefold()) in names:
        number += 1
        name = f"{stem}~{number}"
    names.add(key)
    return name


def _place(manifest: Manifest, row: Row, stem: Path, link: Link) -> bool:
    """Returns: whether the picture was not there yet."""
    if row.dataset not in manifest.roots:
        raise DatasetError(f"the manifest names no folder of {row.dataset}: make it anew where the pictures are.")
    source = manifest.roots[row.dataset] / str(row.picture)
    content = pictures.read(source)
    if hashlib.sha256(content).hexdigest() != row.sha256:
        raise DatasetError(f"{row.dataset} {row.picture_id} is not the picture that the manifest was made with: "
                           "make it anew, or clean it with macule data clean.")
    target = stem.with_name(stem.name + _ending(source, content))
    if target.exists():
        if hashlib.sha256(target.read_bytes()).hexdigest() != row.sha256:
            raise UsageError(f"{target} is there and is another picture: nothing is overwritten; move it away.")
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    _bring(source, content, target, link if pictures.container(source) is None else Link.COPY)
    return True


def _bring(source: Path, content: bytes, target: Path, link: Link) -> None:
    if link is Link.COPY:
        # Under another name first: after a power cut no torn picture bears the right one.
        partial = target.with_name(f".{target.name}.partial")
        partial.write_bytes(content)
        partial.replace(target)
    elif link is Link.SYMLINK:
        target.symlink_to(source)
    else:
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
                raise
            raise UsageError(f"{target} cannot be a hard link to {source} ({error.strerror}): use --link copy or "
                             "symlink.") from error


def _ending(source: Path, content: bytes) -> str:
    if source.suffix.lower() in pictures.SUFFIXES:
        return source.suffix.lower()
    if (kind := sniff(content[:HEAD])) not in ENDINGS:
        known = ", ".join(ENDINGS)
        raise DatasetError(f"{source} is {kind or 'no picture'}; one of {known} is expected: get the set again.")
    return ENDINGS[kind]


def _claim(to: Path, manifest: Manifest, parts: Mapping[str, str] | None) -> None:
    """Mark a new folder, or recognise the one of an earlier run.

    Raises: UsageError for any other: a picture in two parts of two splits would leak.
    """
    split = hashlib.sha256(json.dumps(sorted(parts.items())).encode()).hexdigest() if parts is not None else None
    wanted = {"manifest": manifest.hash, "split": split}
    marker = to / MARKER
    try:
        if marker.is_file():
            if json.loads(marker.read_text(encoding="utf-8")) != wanted:
                raise UsageError(f"{to} holds the export of another manifest or split: name another folder.")
            return
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise UsageError(f"{to} exists and is not an empty folder: nothing is mixed in, name another.")
        to.mkdir(parents=True, exist_ok=True)
        marker.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{to} cannot be used ({error}): name another folder.") from error
