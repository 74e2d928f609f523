"""The key ring: AES-256-GCM, the newest key seals, every key opens."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from macule.errors import KeyMissing, PictureDamaged

NONCE = 12


class KeyRing:
    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def create(cls, path: Path) -> KeyRing:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
            path.chmod(0o600)
        return cls(path)

    def seal(self, plain: bytes, *, context: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE)
        return nonce + self._key().encrypt(nonce, plain, context)

    def unseal(self, sealed: bytes, *, context: bytes) -> bytes:
        try:
            return self._key().decrypt(sealed[:NONCE], sealed[NONCE:], context)
        except InvalidTag:
            raise PictureDamaged("sealed bytes were altered: restore them from a backup.") from None

    def _key(self) -> AESGCM:
        try:
            return AESGCM(base64.b64decode(self._path.read_text()))
        except OSError as error:
            raise KeyMissing(f"the key file {self._path.name} cannot be read: put it back.") from error
