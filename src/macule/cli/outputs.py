"""Files that a verb is asked to write, looked at before its work and not after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from macule.errors import UsageError


def check_all(outs: Mapping[str, Path | None], *, inputs: Iterable[Path | None] = (), root: Path | None = None) -> None:
    """outs: option -> the file that it names. root: the data set that is read; none of its files is overwritten.

    Raises: UsageError if an output cannot be written where it is said, is one of the inputs, a file that is there
    already below the root, or what another option writes.
    """
    given = {option: out for option, out in outs.items() if out is not None}
    read = tuple(path for path in inputs if path is not None)
    before: dict[str, Path] = {}
    for option, out in given.items():
        check(option, out, inputs=read)
        if root is not None and _belongs(out, root):
            raise UsageError(f"{option} {out} is a file of the data set in {root}, or lies among them: name another "
                             "file, or remove that one first if it is your own.")
        for other, path in before.items():
            if _same(out, path):
                raise UsageError(f"{option} {out} is what {other} writes, too: name another file.")
        before[option] = out


def check(option: str, out: Path | None, *, inputs: Iterable[Path] = ()) -> None:
    """Raises: UsageError if `out` is a folder, the folder of `out` is not there, or `out` is one of the inputs."""
    if out is None:
        return
    if out.is_dir():
        raise UsageError(f"{option} {out} is a folder: name a file, such as one in it.")
    if out.parent.exists() and not out.parent.is_dir():
        raise UsageError(f"{option} {out}: {out.parent} is a file and no folder: name another file.")
    if not out.parent.is_dir():
        raise UsageError(f"{option} {out}: there is no folder {out.parent}: make it, or name another file.")
    if any(_same(out, path) for path in inputs):
        raise UsageError(f"{option} {out} is also read: name another file.")


def check_folder(option: str, folder: Path) -> None:
    """A folder that may have to be made. Raises: UsageError if a file stands there, or where a folder above must be."""
    standing = next((each for each in (folder, *folder.parents) if each.exists()), None)
    if standing is not None and not standing.is_dir():
        raise UsageError(f"{option} {folder}: {standing} is a file and no folder: name another folder.")


def _belongs(out: Path, root: Path) -> bool:
    """Whether writing `out` would overwrite the data set's one file, or a file that is there below its folder."""
    return _same(out, root) or (out.exists() and out.resolve().is_relative_to(root.resolve()))


def _same(one: Path, other: Path) -> bool:
    """Whatever they are called: by a link, or with other capitals where those do not matter."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()
