"""The picture store: content-addressed, encrypted, checked at every reading."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from macule.errors import NoSuchRecord, PictureDamaged
from macule.records.ports import Seals
from macule.records.store.bucket import Bucket, is_remote
from macule.records.store.folder import Folder
from macule.records.store.keys import HEADER, key_of
from macule.records.store.shelf import TRASH, Shelf

_ADDRESS = re.compile("[0-9a-f]{64}")


class PictureStore:
    def __init__(self, url: str, *, seals: Seals) -> None:
        """url: a folder, or what fsspec opens (`s3://BUCKET/FOLDER`). Nothing is touched yet.

        Raises: MissingExtra, UsageError.
        """
        self._shelf: Shelf = Bucket(url) if is_remote(url) else Folder(Path(re.sub("^(file|local)://", "", url)))
        self._seals = seals

    def put(self, content: bytes) -> str:
        """Always written anew: that mends a damaged copy, and a picture that is about to be swept becomes young."""
        address = hashlib.sha256(content).hexdigest()
        self._shelf.write(_name(address), self._seals.seal(content, context=_context(address)))
        return address

    def get(self, address: str) -> bytes:
        return self._opened(address, self.sealed(address))

    def has(self, address: str) -> bool:
        try:
            self._read(address, first=1)
        except NoSuchRecord:
            return False
        return True

    def delete(self, address: str) -> None:
        if _ADDRESS.fullmatch(address):
            self._shelf.remove(_name(address))
            self._shelf.remove(f"{TRASH}/{address}")

    def addresses(self) -> Iterator[str]:
        return (address for address, _ in self.entries())

    def entries(self) -> Iterator[tuple[str, datetime]]:
        """Every address and when it was last put. Raises: StoreAway."""
        for name, written in self._shelf.names():
            if _is_picture(name):
                yield name.rpartition("/")[2], written

    # For backups and rotation, which carry sealed bytes about.

    def sealed(self, address: str) -> bytes:
        """As it lies. Raises: NoSuchRecord, StoreAway."""
        return self._read(address)

    def key_of(self, address: str) -> str:
        """The id of the key that opens it. Raises: NoSuchRecord, PictureDamaged, StoreAway."""
        return key_of(self._read(address, first=HEADER))

    def check(self, address: str, sealed: bytes) -> None:
        """Whether these are the bytes of this address. Raises: PictureDamaged, KeyMissing."""
        self._opened(address, sealed)

    def put_sealed(self, address: str, sealed: bytes) -> None:
        """What `sealed` gave, here or elsewhere. Raises: PictureDamaged, KeyMissing, StoreAway."""
        self.check(address, sealed)
        self._shelf.write(_name(address), sealed)

    # For the sweep: first away, and gone only when nobody missed it.

    def discard(self, address: str) -> None:
        """To the trash, where `get` still finds it. Raises: NoSuchRecord, StoreAway."""
        try:
            self._shelf.move(_name(address), f"{TRASH}/{address}")
        except FileNotFoundError:
            raise _unknown(address) from None

    def discarded(self) -> Iterator[tuple[str, datetime]]:
        """What lies in the trash, and since when. Raises: StoreAway."""
        for name, written in self._shelf.names(TRASH):
            yield name.rpartition("/")[2], written

    def bring_back(self, address: str) -> None:
        """Out of the trash. Raises: NoSuchRecord, StoreAway."""
        try:
            self._shelf.move(f"{TRASH}/{address}", _name(address))
        except FileNotFoundError:
            raise _unknown(address) from None

    def empty(self, address: str) -> None:
        """Remove it from the trash for good. Raises: StoreAway."""
        self._shelf.remove(f"{TRASH}/{address}")

    def tidy(self, before: datetime) -> None:
        """Remove files that a crash before that time left unfinished. Raises: StoreAway."""
        self._shelf.tidy(before)

    def _read(self, address: str, *, first: int | None = None) -> bytes:
        if not _ADDRESS.fullmatch(address):  # a path, perhaps
            raise _unknown(address)
        for name in (_name(address), f"{TRASH}/{address}", _name(address)):  # the last: brought back meanwhile
            try:
                return self._shelf.read(name, first=first)
            except FileNotFoundError:
                continue
        raise _unknown(address)

    def _opened(self, address: str, sealed: bytes) -> bytes:
        content = self._seals.unseal(sealed, context=_context(address))
        if hashlib.sha256(content).hexdigest() != address:
            raise PictureDamaged(f"the picture {address[:12]} is not the one that was put there: restore it.")
        return content


def _name(address: str) -> str:
    return f"{address[:2]}/{address[2:4]}/{address}"


def _is_picture(name: str) -> bool:
    address = name.rpartition("/")[2]
    return _ADDRESS.fullmatch(address) is not None and name == _name(address)


def _context(address: str) -> bytes:
    return f"picture:{address}".encode()


def _unknown(address: str) -> NoSuchRecord:
    return NoSuchRecord(f"there is no picture {address[:64]!r} in the store.")
