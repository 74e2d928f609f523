"""A copy of a bundle that is changed and then takes the place of a folder: the bundle's own, or another."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from macule.analysis import shelf
from macule.analysis.bundle import MANIFEST, Bundle
from macule.data import swap
from macule.data.fetch.bundles.packing import FILES
from macule.data.fetch.bundles.place import NOTE
from macule.errors import UsageError


@contextmanager
def copy(bundle: Bundle, out: Path) -> Iterator[Path]:
    """A copy of the bundle's folder beside `out`, which takes its place at the end. After any failure what was in `out`
    is still there, and the copy is not.

    Raises: UsageError as `check` does, also for what came into `out` since.
    """
    check(bundle, out)
    whole = out.resolve()  # what a link points to is replaced, not the link
    whole.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=whole.parent, prefix=f".{whole.name}.") as beside:
        made = Path(beside) / "new"
        shutil.copytree(bundle.folder, made)
        yield made
        check(bundle, out)
        swap.put(made, whole)


def check(bundle: Bundle, out: Path) -> None:
    """Raises: UsageError if `out` is no folder, lies in the bundle, or holds what would be lost."""
    whole, own = out.resolve(), bundle.folder.resolve()
    swap.recover(whole)
    if whole == own:
        return  # all that it holds is copied
    if whole.is_relative_to(own):
        raise UsageError(f"{out} lies in the bundle's own folder, {bundle.folder}: name another folder.")
    if not whole.exists():
        return
    if not whole.is_dir():
        raise UsageError(f"{out} is a file and stays as it is; a bundle is a folder: name another.")
    names = {path.name for path in whole.iterdir()}
    strange = sorted(names - {*FILES, NOTE}) if MANIFEST in names else sorted(names)
    if strange:
        raise UsageError(f"{out} holds other files than a bundle's, {strange[0]!r} for one: name another folder.")


def recover(name_or_path: str) -> None:
    """Put a bundle back whose rewriting was killed between the old folder and the new. Raises: OSError."""
    places = [Path(name_or_path).resolve()]
    if shelf.is_name(name_or_path):
        places += [shelf.embedded() / name_or_path, shelf.home() / name_or_path]
    for place in places:
        swap.recover(place)
