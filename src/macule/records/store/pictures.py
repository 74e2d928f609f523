"""The picture store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from macule.errors import NoSuchRecord
from macule.records.ports import Seals


class PictureStore:
    def __init__(self, url: str, *, seals: Seals) -> None:
        self._root, self._seals = Path(url), seals

    def put(self, content: bytes) -> str:
        address = hashlib.sha256(content).hexdigest()
        path = self._at(address)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._seals.seal(content, context=f"picture:{address}".encode()))
        return address

    def get(self, address: str) -> bytes:
        try:
            sealed = self._at(address).read_bytes()
        except FileNotFoundError:
            raise NoSuchRecord(f"there is no picture {address!r} in the store.") from None
        return self._seals.unseal(sealed, context=f"picture:{address}".encode())

    def delete(self, address: str) -> None:
        self._at(address).unlink(missing_ok=True)

    def addresses(self) -> Iterator[str]:
        yield from (path.name for path in self._root.rglob("*") if path.is_file())

    def _at(self, address: str) -> Path:
        return self._root / address[:2] / address
