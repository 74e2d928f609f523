"""What the services need of the world around them, as interfaces: the picture store, the key ring and the model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from macule.analysis.judge import Judge


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

    def has(self, address: str) -> bool:
        """Whether `get` would find it; not whether it is whole. Raises: StoreAway."""
        ...

    def delete(self, address: str) -> None:
        """Remove it; one that is not there is no error. Raises: StoreAway."""
        ...

    def addresses(self) -> Iterator[str]:
        """Every address that is kept. Raises: StoreAway."""
        ...

    def entries(self) -> Iterator[tuple[str, datetime]]:
        """Every address that is kept, and when it was last put. Raises: StoreAway."""
        ...

    def sealed(self, address: str) -> bytes:
        """The content as it lies, for backups. Raises: NoSuchRecord, StoreAway."""
        ...

    def check(self, address: str, sealed: bytes) -> None:
        """Whether these sealed bytes are this content. Raises: PictureDamaged, KeyMissing."""
        ...

    def put_sealed(self, address: str, sealed: bytes) -> None:
        """Keep what `sealed` gave, checked. Raises: PictureDamaged, KeyMissing, StoreAway."""
        ...

    def key_of(self, address: str) -> str:
        """The id of the key that it is sealed with. Raises: NoSuchRecord, PictureDamaged, StoreAway."""
        ...

    def discard(self, address: str) -> None:
        """Put it into the trash, where `get` still finds it. Raises: NoSuchRecord, StoreAway."""
        ...

    def discarded(self) -> Iterator[tuple[str, datetime]]:
        """What lies in the trash, and since when. Raises: StoreAway."""
        ...

    def bring_back(self, address: str) -> None:
        """Out of the trash again. Raises: NoSuchRecord, StoreAway."""
        ...

    def empty(self, address: str) -> None:
        """Remove it from the trash for good. Raises: StoreAway."""
        ...

    def tidy(self, before: datetime) -> None:
        """Remove files that a crash before that time left unfinished. Raises: StoreAway."""
        ...


class Models(Protocol):
    def current(self) -> Judge:
        """The model that answers new exams; loaded at the first call, and tried again after a failure.

        Raises: BundleNotFound, BundleInvalid.
        """
        ...
