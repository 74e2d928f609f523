"""Text files that appear complete or not at all: after a failure the old one is still there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def writing(path: Path, *, errors: str = "strict") -> Iterator[TextIO]:
    """A UTF-8 stream, line ends as written, into a file beside `path`, which takes its place at the end. That file is
    hidden: what a kill leaves of it is no part of a bundle.

    errors: of the encoding, as for `open`. Raises: OSError.
    """
    if path.exists() and not path.is_file():  # a pipe or /dev/stdout, which nothing can take the place of
        with path.open("w", encoding="utf-8", errors=errors, newline="") as stream:
            yield stream
        return
    whole = path.resolve()  # what a link points to is replaced, not the link
    partial = whole.with_name(f".{whole.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", errors=errors, newline="") as stream:
            yield stream
        partial.replace(whole)
    finally:
        partial.unlink(missing_ok=True)
