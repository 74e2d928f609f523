"""A folder of this machine as the picture store."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from macule.records.store.durable import make_folder, sync_folder, write_new
from macule.records.store.shelf import MARKER, gone, plain_words

#: Files that are being written; a crash leaves one here and never a half one under its name.
INCOMING = "incoming"


class Folder:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen = False
        self._known: set[Path] = set()

    def write(self, name: str, content: bytes) -> None:
        with plain_words():
            self._ready()
            incoming, path = self._root / INCOMING / secrets.token_hex(12), self._root / name
            try:
                write_new(incoming, content)
                make_folder(path.parent, below=self._root, known=self._known)
                incoming.replace(path)
                sync_folder(path.parent)
            except FileNotFoundError as error:
                self._known.clear()  # somebody took folders away
                raise gone() from error
            finally:
                incoming.unlink(missing_ok=True)

    def read(self, name: str, *, first: int | None = None) -> bytes:
        with plain_words():
            try:
                with (self._root / name).open("rb", buffering=0) as stream:
                    return stream.read() if first is None else stream.read(first)
            except FileNotFoundError:
                self._there()
                raise

    def remove(self, name: str) -> None:
        with plain_words():
            try:
                (self._root / name).unlink()
            except FileNotFoundError:
                self._there()

    def move(self, name: str, to: str) -> None:
        with plain_words():
            self._there()
            target = self._root / to
            make_folder(target.parent, below=self._root, known=self._known)
            (self._root / name).replace(target)
            os.utime(target)
            sync_folder(target.parent)

    def names(self, below: str = "") -> Iterator[tuple[str, datetime]]:
        with plain_words():
            if self._seen:
                self._there()
            yield from self._walk(self._root / below)

    def tidy(self, before: datetime) -> None:
        with plain_words():
            for name, written in self._walk(self._root / INCOMING):
                if written < before:
                    (self._root / name).unlink(missing_ok=True)

    def _walk(self, folder: Path) -> Iterator[tuple[str, datetime]]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir():
                yield from self._walk(Path(entry.path))
            else:
                try:
                    written = datetime.fromtimestamp(entry.stat().st_mtime, UTC)
                except FileNotFoundError:  # moved or removed meanwhile
                    continue
                yield Path(entry.path).relative_to(self._root).as_posix(), written

    def _ready(self) -> None:
        """The folder, made by its first picture. Once seen it is never made again: it is a disk that fell off."""
        before = self._seen  # read first: two first pictures at once may both make the folder
        if (self._root / MARKER).exists():
            self._seen = True
            return
        if before:
            raise gone()
        (self._root / INCOMING).mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._root / MARKER).touch(mode=0o600)
        sync_folder(self._root)
        sync_folder(self._root.parent)
        self._seen = True

    def _there(self) -> None:
        if not (self._root / MARKER).exists():
            raise gone()
        self._seen = True
