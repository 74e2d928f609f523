"""The pictures of a folder layout, and which of them the tables asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from macule.data import pictures
from macule.errors import DatasetError

if TYPE_CHECKING:
    from macule.data.sources.reading import Reading


class Gallery:
    """Pictures by their id.

    Where one lies is a path, or its folder and ending, which a whole folder shares: a set may hold 400,000.
    """

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._places: dict[str, Path | tuple[Path, str]] = {}
        self._asked: set[str] = set()
        self._looked: list[Path] = []
        self._folders: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def add(self, folder: Path, skip: tuple[str, ...]) -> None:
        """The pictures directly in a folder, by their name without ending."""
        self._looked.append(folder)
        if not folder.is_dir() or self._again(folder):
            return
        shared: dict[str, tuple[Path, str]] = {}
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 (400,000 Path objects take seconds)
            stem, suffix = os.path.splitext(name)  # noqa: PTH122
            if suffix.lower() in pictures.SUFFIXES and not stem.lower().endswith(skip) and not name.startswith("."):
                self._put(stem, shared.setdefault(suffix, (folder, suffix)))
        # Some unpacking programs make a folder of the archive's name around a folder of the same name.
        if (inner := folder / folder.name).is_dir():
            self.add(inner, skip)

    def add_tree(self, folder: Path) -> None:
        """All pictures below a folder, by their path below it without ending; capitals do not matter.

        A table written under Windows may spell a name with other capitals than its file has.
        """
        self._looked.append(folder)
        for path in tree(folder):
            self._put(path.relative_to(folder).with_suffix("").as_posix().casefold(), path)

    def add_members(self, archive: Path, names: Iterable[str]) -> None:
        """Pictures that are members of one file."""
        self._looked.append(archive)
        shared = (archive, "")
        for name in names:
            self._put(name, shared)

    def find(self, name: str) -> Path | None:
        """The picture of an id; None if it is absent and tables alone are wanted, or allowed in
        an empty gallery.

        Raises: DatasetError if it is listed but absent, or the id is empty.
        """
        if not name:
            raise DatasetError("the picture's id is empty; one is expected.")
        if name in self._places:
            self._asked.add(name)
            return self._path(name)
        if self._reading.tables_only or (not self._places and self._reading.tables_allowed):
            return None
        where = f"not under {self._reading.root}" if self._places else \
            f"absent, as is every other: no picture lies in {', '.join(map(str, self._looked)) or self._reading.root}"
        raise DatasetError(f"the picture {name} is listed but is {where}: get the data set's pictures again, whole.")

    def claim(self, name: str) -> None:
        """This picture belongs to a row that is not wanted now (another part) or was refused."""
        if name in self._places:
            self._asked.add(name)

    def names(self) -> list[str]:
        return list(self._places)

    def unlisted(self) -> Iterator[tuple[str, Path]]:
        return ((name, self._path(name)) for name in self._places if name not in self._asked)

    def _again(self, folder: Path) -> bool:
        """Where capitals do not matter, a folder answers to two of the names that a publisher gave it."""
        status = folder.stat()
        known = len(self._folders)
        self._folders.add((status.st_dev, status.st_ino))
        return len(self._folders) == known

    def _path(self, name: str) -> Path:
        place = self._places[name]
        return place if isinstance(place, Path) else place[0] / (name + place[1])

    def _put(self, name: str, place: Path | tuple[Path, str]) -> None:
        if name not in self._places:
            self._places[name] = place
            return
        second = place if isinstance(place, Path) else place[0] / (name + place[1])
        self._reading.refuse(f"{second.parent.name}/{second.name}", None, name,
                             f"the same picture id also stands at {self._path(name)}: keep one.")


def tree(folder: Path) -> Iterator[Path]:
    """Every picture below a folder, sorted by path; hidden files and folders are passed over."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in pictures.SUFFIXES and not name.startswith("."):  # noqa: PTH122
                yield Path(here, name)
