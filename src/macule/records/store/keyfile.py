"""The file that keys lie in: a line a key, the newest last. Written whole or not at all, for its owner alone."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from macule.errors import KeyMissing
from macule.records.store.durable import sync_folder

KEY_BYTES = 32
OTHERS = 0o077
HEAD = """\
# macule's keys: the last one seals what comes, every one opens what is there.
# Without this file no picture can be read. Keep a copy, and never beside the backups.
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Key:
    """id: 8 hexadecimal digits that follow from the key, so that a key keeps its id wherever it is moved."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return hashlib.sha256(b"macule key id\0" + self.secret).hexdigest()[:8]

    @classmethod
    def fresh(cls) -> Key:
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def parse(cls, text: str, *, where: str) -> Key:
        """text: base64 of 32 bytes. Raises: KeyMissing; the message never holds the text."""
        try:
            secret = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise KeyMissing(f"{where} holds what is not base64: put the right key back.") from None
        if len(secret) != KEY_BYTES:
            message = f"{where} holds a key of {len(secret)} bytes; {KEY_BYTES} are needed: put the right one back."
            raise KeyMissing(message)
        return cls(secret)

    def text(self) -> str:
        return base64.b64encode(self.secret).decode()


def read(path: Path) -> tuple[Key, ...]:
    """The keys, oldest first. Raises: KeyMissing."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise missing(path, error) from error
    # The last word of a line: the id before it is for people.
    words = [line.split()[-1] for line in lines if line.strip() and not line.startswith("#")]
    if not words:
        raise KeyMissing(f"the key file {path} holds no key: put the right file back.")
    return tuple(Key.parse(word, where=f"the key file {path}") for word in words)


def missing(path: Path, error: OSError) -> KeyMissing:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return KeyMissing(f"the key file {path} cannot be read ({reason}): put it back; no picture opens without it.")


def write(path: Path, keys: Sequence[Key], *, new: bool = False) -> None:
    """new: an earlier file is an error and stays as it is. Raises: OSError (FileExistsError)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = HEAD + "".join(f"{key.id} {key.text()}\n" for key in keys)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as stream:  # noqa: PTH123 - of a descriptor, for its mode
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if new:
            os.link(partial, path)
        else:
            partial.replace(path)
        sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One writer at a time: of two rotations at once, one key would be lost with all that it had sealed."""
    import fcntl

    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_to_others(path: Path) -> bool:
    """Whether anybody but the owner may touch the file."""
    return bool(path.stat().st_mode & OTHERS)


def warn_if_open(path: Path) -> None:
    # A warning, not a refusal: mounted secrets have modes of their own, and a clinic that stops helps no patient.
    if open_to_others(path):
        log.warning("the key file can be read by others than its owner: chmod 600 %s", path.name)
