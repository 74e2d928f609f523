"""Where sealed bytes lie, by name: a folder of this machine or a bucket elsewhere."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from macule.errors import StoreAway

#: Stands in every store that was ever written to, so that an empty mount point is not taken for an empty store.
MARKER = "macule-store"
#: Where `sweep` puts pictures for a while before they are gone.
TRASH = "trash"

_WORDS = {
    errno.ENOSPC: "the picture store is full: free some space, or make it larger",
    errno.EDQUOT: "the picture store has used up its quota: make it larger",
    errno.EFBIG: "the picture store takes no file of this size: raise its limit",
    errno.EROFS: "the picture store is read-only: mount it writable",
    errno.EACCES: "the picture store may not be used: give macule's account its permissions back",
    errno.EPERM: "the picture store may not be used: give macule's account its permissions back",
    errno.EIO: "the picture store's disk reports errors: look after it",
}


class Shelf(Protocol):
    """names: words and slashes. Every method raises StoreAway when the place cannot be reached or used."""

    def write(self, name: str, content: bytes) -> None:
        """Durable when it returns; in place of what bore the name, and whole or not at all."""
        ...

    def read(self, name: str, *, first: int | None = None) -> bytes:
        """first: only so many bytes. Raises: FileNotFoundError."""
        ...

    def remove(self, name: str) -> None:
        """What is not there is no error."""
        ...

    def move(self, name: str, to: str) -> None:
        """It counts as written now. Raises: FileNotFoundError."""
        ...

    def names(self, below: str = "") -> Iterator[tuple[str, datetime]]:
        """Every name, or those that begin with `below` and a slash, and when each was written."""
        ...

    def tidy(self, before: datetime) -> None:
        """Remove what writers left unfinished before that time."""
        ...


def gone() -> StoreAway:
    return StoreAway("the picture store is not there: mount it or put it back; what it holds is not lost.")


@contextmanager
def plain_words() -> Iterator[None]:
    """OSErrors other than FileNotFoundError become StoreAway."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        words = _WORDS.get(error.errno or 0, f"the picture store cannot be used ({reason}): look after it")
        raise StoreAway(f"{words}. Nothing was kept of this picture; the others are safe.") from error
