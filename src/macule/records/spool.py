"""An upload too large for memory, kept in the encrypted store in pieces: nothing lies on the disk in the clear.

A piece that a crash leaves behind is named by no row, so the sweep of the store removes it.
"""

from __future__ import annotations

import io
import secrets

from macule.records.ports import Store

PIECE = 4 * 1024 * 1024
#: Random bytes before each piece, so that two uploads of one file share nothing that either may delete.
_SALT = 16


class Spool:
    """Written once from front to back, then read at any place. At most two pieces are in memory."""

    def __init__(self, store: Store, *, piece: int = PIECE) -> None:
        self._store, self._piece = store, piece
        self._waiting, self._addresses, self.size = bytearray(), list[str](), 0

    def write(self, data: bytes) -> None:
        """Raises: StoreAway, KeyMissing."""
        self._waiting += data
        self.size += len(data)
        while len(self._waiting) >= self._piece:
            self._put(bytes(self._waiting[:self._piece]))
            del self._waiting[:self._piece]

    def finish(self) -> io.BufferedReader:
        """What was written, from its beginning; `write` no more. Raises: StoreAway, KeyMissing."""
        if self._waiting:
            self._put(bytes(self._waiting))
            self._waiting.clear()
        return io.BufferedReader(_Reader(self._store, self._addresses, self.size, self._piece), 64 * 1024)

    def discard(self) -> None:
        """Delete it. Raises: StoreAway."""
        for address in self._addresses:
            self._store.delete(address)
        self._addresses.clear()

    def _put(self, content: bytes) -> None:
        self._addresses.append(self._store.put(secrets.token_bytes(_SALT) + content))


class _Reader(io.RawIOBase):
    def __init__(self, store: Store, addresses: list[str], size: int, piece: int) -> None:
        self._store, self._addresses, self._size, self._piece = store, addresses, size, piece
        self._place, self._held = 0, (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # what the base hands over
        number, within = divmod(self._place, self._piece)
        if self._place >= self._size:
            return 0
        if self._held[0] != number:
            self._held = number, self._store.get(self._addresses[number])[_SALT:]
        found = self._held[1][within:within + len(buffer)]
        buffer[:len(found)] = found
        self._place += len(found)
        return len(found)
