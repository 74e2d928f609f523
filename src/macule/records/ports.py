"""What the services need of the world around them, as interfaces: the picture store, the key ring and the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from macule.analysis.bundle import Bundle
from macule.analysis.patient import Patient
from macule.analysis.result import Result


class Seals(Protocol):
    """The key ring: AES-256-GCM with the newest key; older keys still open."""

    def seal(self, plain: bytes, *, context: bytes) -> bytes:
        """context: what the bytes are (`b"picture:<address>"`), authenticated but not stored. Raises: KeyMissing."""
        ...

    def unseal(self, sealed: bytes, *, context: bytes) -> bytes:
        """Raises: KeyMissing, and PictureDamaged for bytes that were altered or belong elsewhere."""
        ...


class Store(Protocol):
    """Content-addressed and encrypted. An address is the SHA-256 of the content, 64 hexadecimal digits."""

    def put(self, content: bytes) -> str:
        """Keep it, durably, before returning its address. Keeping it twice keeps one. Raises: StoreAway, KeyMissing."""
        ...

    def get(self, address: str) -> bytes:
        """The content, decrypted and checked. Raises: NoSuchRecord, PictureDamaged, StoreAway, KeyMissing."""
        ...

    def delete(self, address: str) -> None:
        """Remove it; one that is not there is no error. Raises: StoreAway."""
        ...

    def addresses(self) -> Iterator[str]:
        """Every address that is kept. Raises: StoreAway."""
        ...


class Analyses(Protocol):
    """The face of `analysis.pipeline.Analyzer` that the clinic needs; safe to call from several threads."""

    @property
    def bundle(self) -> Bundle: ...

    def analyze(self, source: Path | bytes, *, patient: Patient | None = None, name: str | None = None) -> Result: ...


class Models(Protocol):
    def current(self) -> Analyses:
        """The model that answers new exams; loaded at the first call, and tried again after a failure.

        Raises: BundleNotFound, BundleInvalid.
        """
        ...
