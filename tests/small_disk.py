"""A disk that is full after so many bytes of any file, in earnest: what is half written then stays half written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

resource = pytest.importorskip("resource", reason="POSIX alone limits the size of a process's files")


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """In here a write beyond `size` bytes of a file raises OSError (EFBIG)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
