"""The key ring: AES-256-GCM. The newest key seals, every key opens, and sealed bytes name the key that they need.

    b"MCL" + version (1) | key id (4) | nonce (12) | ciphertext and tag (16)

What stands before the ciphertext is authenticated with it, and so is the context: bytes that were moved elsewhere
do not open. Random nonces of 96 bits allow 2**32 seals a key (NIST SP 800-38D, 8.3).
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from macule.errors import KeyMissing, PictureDamaged, UsageError
from macule.records.store import keyfile
from macule.records.store.keyfile import Key

MAGIC = b"MCL\x01"
ID = 4
NONCE = 12
TAG = 16
#: Bytes that tell which key sealed something.
HEADER = len(MAGIC) + ID


class KeyRing:
    """Keys from a file, which is looked at whenever a key is needed and read again when it has changed."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet: a server that starts before its secrets are mounted must recover by itself."""
        self._path: Path | None = path
        self._stamp: tuple[int, ...] | None = None
        self._keys: tuple[Key, ...] = ()
        self._ciphers: dict[bytes, AESGCM] = {}
        self._loading = threading.Lock()

    @classmethod
    def create(cls, path: Path) -> KeyRing:
        """The ring at `path`, with a fresh key if there is no file. Raises: OSError."""
        if not path.exists():
            with contextlib.suppress(FileExistsError):  # another process was first
                keyfile.write(path, [Key.fresh()], new=True)
        return cls(path)

    @classmethod
    def from_secret(cls, secret: str) -> KeyRing:
        """secret: base64 of 32 bytes; several with commas between, the newest last. Raises: KeyMissing."""
        ring = cls(Path())
        ring._path = None
        ring._hold([Key.parse(word, where="MACULE_KEY") for word in secret.split(",") if word.strip()])
        if not ring._keys:
            raise KeyMissing("MACULE_KEY holds no key: give base64 of 32 bytes, or leave the variable out.")
        return ring

    @property
    def path(self) -> Path | None:
        """Of the file; None for keys that came as a secret."""
        return self._path

    def ids(self) -> tuple[str, ...]:
        """Of the keys, oldest first; the last one seals. Raises: KeyMissing."""
        return tuple(key.id for key in self._current()[0])

    def changed_at(self) -> datetime:
        """When a key was last added or dropped. Raises: KeyMissing, UsageError."""
        self._current()
        return datetime.fromtimestamp(self._file().stat().st_mtime, UTC)

    def seal(self, plain: bytes, *, context: bytes) -> bytes:
        """Raises: KeyMissing."""
        keys, ciphers = self._current()
        header, nonce = MAGIC + bytes.fromhex(keys[-1].id), secrets.token_bytes(NONCE)
        return header + nonce + ciphers[header].encrypt(nonce, plain, header + context)

    def unseal(self, sealed: bytes, *, context: bytes) -> bytes:
        """Raises: KeyMissing, PictureDamaged."""
        key_id, header = key_of(sealed), sealed[:HEADER]
        cipher = self._current()[1].get(header)
        if cipher is None:
            raise KeyMissing(f"the key {key_id}, which this was sealed with, is not among the keys: put it back.")
        nonce, body = sealed[HEADER : HEADER + NONCE], memoryview(sealed)[HEADER + NONCE :]
        try:
            return cipher.decrypt(nonce, body, header + context)
        except (InvalidTag, ValueError):  # ValueError: cut off within the nonce
            raise PictureDamaged("sealed bytes were altered or moved: restore them from a backup.") from None

    def add(self) -> str:
        """Make a new key, which seals from now on. Returns: its id. Raises: KeyMissing, UsageError, OSError."""
        key = Key.fresh()
        with keyfile.locked(self._file()):
            keyfile.write(self._file(), [*keyfile.read(self._file()), key])
        return key.id

    def drop(self, ids: Sequence[str]) -> None:
        """Forget keys for ever. The newest is never dropped. Raises: KeyMissing, UsageError, OSError."""
        with keyfile.locked(self._file()):
            keys = keyfile.read(self._file())
            keyfile.write(self._file(), [*(key for key in keys[:-1] if key.id not in ids), keys[-1]])

    def copy_to(self, path: Path) -> None:
        """All keys into a new file. Raises: KeyMissing, OSError (FileExistsError)."""
        keyfile.write(path, self._current()[0], new=True)

    def _file(self) -> Path:
        if self._path is None:
            raise UsageError("the keys come from MACULE_KEY and are changed there: see docs/clinic-backup.md.")
        return self._path

    def _current(self) -> tuple[tuple[Key, ...], dict[bytes, AESGCM]]:
        """One consistent pair, although another thread may load a newer file meanwhile."""
        with self._loading:
            if self._path is not None:
                self._look(self._path)
            return self._keys, self._ciphers

    def _look(self, path: Path) -> None:
        try:
            found = path.stat()
        except OSError as error:
            raise keyfile.missing(path, error) from error
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._stamp:
            self._hold(keyfile.read(path))
            keyfile.warn_if_open(path)
            self._stamp = stamp

    def _hold(self, keys: Sequence[Key]) -> None:
        self._keys = tuple(keys)
        self._ciphers = {MAGIC + bytes.fromhex(key.id): AESGCM(key.secret) for key in keys}


def key_of(sealed: bytes) -> str:
    """The id of the key that opens these bytes. sealed: at least the first HEADER bytes. Raises: PictureDamaged."""
    if len(sealed) < HEADER or not sealed.startswith(MAGIC):
        raise PictureDamaged("sealed bytes lack their beginning: restore them from a backup.")
    return sealed[len(MAGIC) : HEADER].hex()
