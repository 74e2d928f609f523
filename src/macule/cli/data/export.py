"""`macule data export`: pictures sorted into benign/ and malignant/."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import options, outputs
from macule.cli.data.manifest import counting
from macule.errors import LeakingSplit, UsageError

if TYPE_CHECKING:
    from macule.data.manifest import Manifest

LAYOUTS, LINKS = ("folders",), ("copy", "hard", "symlink")


def export(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="What `macule data manifest` wrote.")],
    *,
    to: Annotated[Path, typer.Option(metavar="DIR", help="A new folder, or that of an earlier run.")],
    layout: Annotated[str, typer.Option(help="folders: benign/ and malignant/.")] = "folders",
    split: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A split of `macule data split`: train/, val/ and test/ above.")
    ] = None,
    fold: Annotated[str | None, typer.Option(help="Of a split into folds, the one that is test/.")] = None,
    link: Annotated[str, typer.Option(help="copy, hard or symlink.")] = "copy",
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Export a split whose parts share lesions.")] = False,
    threads: options.Threads = None,
) -> None:
    """Sort the pictures into benign/ and malignant/. What is unknown or set aside is left out and counted.

    Nothing is overwritten; a second run adds what is missing. The data set `folder` reads the result.
    """
    from macule.data import export as exports
    from macule.data import manifest as manifests

    for name, value, known in (("layout", layout, LAYOUTS), ("link", link, LINKS)):
        if value not in known:
            raise UsageError(f"--{name} is {value!r}; one of {', '.join(known)} is needed.")
    outputs.check_folder("--to", to)
    read = manifests.read(manifest)
    parts = _parts(split, read, fold, allow_leak) if split else None
    with counting("sorting", read.rows) as tick:
        done = exports.export(read, to, parts=parts, link=exports.Link(link), workers=threads, tick=tick)
    _print(done.folders, done.left_out, done.already)


def _parts(path: Path, manifest: Manifest, fold: str | None, allow_leak: bool) -> Mapping[str, str]:
    """`dataset:id` -> train, val or test."""
    from macule.data import splitfile

    split = splitfile.read(path, manifest=manifest.hash)
    if split.made.leaky and not allow_leak:
        raise LeakingSplit(f"the parts of {path} share lesions, patients or photographs, which no folder would tell: "
                           "make the split anew, or export it all the same with --allow-leak.")
    roles = split.roles(fold)
    return {name: roles[part] for name, part in split.parts.items()}


def _print(folders: Mapping[str, int], left_out: Mapping[str, int], already: int) -> None:
    from macule.cli.table import make_console, print_rows

    console = make_console()
    rows = [(f"{name}/", f"{count:,}") for name, count in folders.items()]
    rows += [(f"left out: {reason}", f"{count:,}") for reason, count in left_out.items()]
    print_rows(console, ("folder", "pictures"), rows)
    if already:
        console.print(f"{already:,} of them were there already.", markup=False, highlight=False)
