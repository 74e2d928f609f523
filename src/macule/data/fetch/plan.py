"""What has to be got for a data set, from where, and how each file is known to be whole."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit, urlunsplit

from macule.data.sources.source import Source
from macule.errors import UsageError


@dataclass(frozen=True)
class Checksum:
    """algorithm: a name of hashlib (md5, sha256). value: in lower-case hexadecimal."""

    algorithm: str
    value: str

    def __post_init__(self) -> None:
        if len(self.value) != 2 * hashlib.new(self.algorithm, usedforsecurity=False).digest_size:
            raise ValueError(f"{self.value!r} is no {self.algorithm}")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


@dataclass(frozen=True)
class Edition:
    """One of the forms in which a publisher ships a data set. name: empty where there is but one.

    pictures, licence: where they are not what the data set's card says. options: what the reader has to be told.
    """

    name: str = ""
    pictures: int | None = None
    licence: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def card(self, source: Source) -> Source:
        """The data set's card for this edition."""
        return replace(source, pictures=source.pictures if self.pictures is None else self.pictures,
                       licence=source.licence if self.licence is None else self.licence)


@dataclass(frozen=True)
class Download:
    """One file on a server.

    name: its path below the data set's folder; for an archive, only where it is kept.
    url: https. others: older addresses of the same file, tried if the server of `url` no longer has it.
    about: bytes, as the publisher rounds them: for the disk check and the display.
    size: bytes, exactly, where known: another length is refused.
    checksum: the publisher's own, or one that two people found independently; None where there is neither.
    unpack: the folder that a zip is unpacked into; None for a plain file.
    edition: the only one that has this file; None if every one has it.
    """

    name: str
    url: str
    about: int
    size: int | None = None
    checksum: Checksum | None = None
    unpack: str | None = None
    edition: str | None = None
    others: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for path in (self.name, self.name if self.unpack is None else self.unpack):
            pure = PurePosixPath(path)
            if pure.is_absolute() or ".." in pure.parts or not pure.parts:
                raise ValueError(f"{path!r} does not lie below the data set's folder")

    @property
    def expected(self) -> int:
        """Bytes to reckon with."""
        return self.about if self.size is None else self.size

    @property
    def target(self) -> str:
        """What stands in the data set's folder when this is done."""
        return self.name if self.unpack is None else self.unpack

    def mirrored(self, base: str) -> Download:
        """The same file below another scheme, host and leading path."""
        return replace(self, url=mirrored(self.url, base), others=())


@dataclass(frozen=True)
class Plan:
    """How to get one data set.

    collection: its number in the ISIC archive, where the archive's own client gets it.
    by_hand: what a person has to do, one step a line, where the publisher asks for an account or a form.
    editions: the first is taken if none is named.
    """

    dataset: str
    downloads: tuple[Download, ...] = ()
    collection: int | None = None
    by_hand: tuple[str, ...] = ()
    editions: tuple[Edition, ...] = (Edition(),)

    @property
    def edition(self) -> Edition:
        """The one that was chosen."""
        return self.editions[0]

    @property
    def automatic(self) -> bool:
        """Whether anything is got without a person's help."""
        return bool(self.downloads) or self.collection is not None

    def choose(self, edition: str | None, mirror: str | None) -> Plan:
        """The plan for one edition, with the addresses of a mirror.

        Raises: UsageError for an edition or mirror that this data set does not have.
        """
        wanted = self._find(edition)
        downloads = [each for each in self.downloads if each.edition in (None, wanted.name)]
        if mirror is not None:
            if self.collection is not None:
                raise UsageError(f"{self.dataset} comes through isic-cli, which knows no mirror: copy the folder from "
                                 "the mirror by other means, then check it with --verify.")
            downloads = [each.mirrored(mirror) for each in downloads]
        return replace(self, downloads=tuple(downloads), editions=(wanted,))

    def _find(self, name: str | None) -> Edition:
        if name is None:
            return self.editions[0]
        for each in self.editions:
            if each.name == name != "":
                return each
        names = ", ".join(each.name for each in self.editions if each.name)
        known = f"it has: {names}" if names else "it comes in one edition"
        raise UsageError(f"{self.dataset} has no edition {name!r}; {known}.")


def space(downloads: Iterable[Download], *, keep_archives: bool) -> int:
    """Bytes on disk that these files take at most: an archive stands beside what comes out of it while it is unpacked.

    Pictures do not shrink in a zip, so an archive is reckoned to unpack to its own size.
    """
    sizes = [(each.expected, each.unpack is not None) for each in downloads]
    archives = [size for size, packed in sizes if packed]
    return sum(size for size, _ in sizes) + (sum(archives) if keep_archives else max(archives, default=0))


def mirrored(url: str, base: str) -> str:
    """`url` with the scheme and host of `base`, below its path.

    Raises: UsageError if `base` is no http or https address.
    """
    at, host = urlsplit(url), urlsplit(base)
    if host.scheme not in ("http", "https") or not host.hostname or host.query or host.fragment:
        raise UsageError(f"the mirror {base!r} is no address such as https://mirror.example.org/skin.")
    return urlunsplit((host.scheme, host.netloc, posixpath.join(host.path or "/", at.path.lstrip("/")), at.query, ""))
