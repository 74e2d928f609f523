"""A bucket as the picture store, by any of fsspec's URLs that name an object store: s3://, gs://, abfs://.

An object store keeps an object whole or not at all and acknowledges it when it is durable, which is what we need of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from macule.errors import MissingExtra, StoreAway, UsageError
from macule.records.store.shelf import MARKER, gone, plain_words

#: Seconds; without them a dead endpoint would hold an upload for minutes.
CONNECT_S, READ_S = 5, 30


class Bucket:
    def __init__(self, url: str) -> None:
        """Nothing is connected yet. Raises: MissingExtra, UsageError."""
        self._url = url
        self._fs, self._root = _filesystem(url)
        self._seen = False

    def write(self, name: str, content: bytes) -> None:
        with _plain_words(missing_is_gone=True):
            self._ready()
            self._fs.pipe_file(self._at(name), content)

    def read(self, name: str, *, first: int | None = None) -> bytes:
        with _plain_words():
            try:
                return bytes(self._fs.cat_file(self._at(name), start=None if first is None else 0, end=first))
            except FileNotFoundError:
                self._there()
                raise

    def remove(self, name: str) -> None:
        with _plain_words():
            try:
                self._fs.rm_file(self._at(name))
            except FileNotFoundError:
                self._there()

    def move(self, name: str, to: str) -> None:
        # Copied before it is removed: at no time is it nowhere.
        content = self.read(name)
        self.write(to, content)
        self.remove(name)

    def names(self, below: str = "") -> Iterator[tuple[str, datetime]]:
        with _plain_words():
            if self._seen:
                self._there()
            found: dict[str, dict[str, Any]] = self._fs.find(self._at(below).rstrip("/"), detail=True)
        for path, about in sorted(found.items()):
            yield path.removeprefix(self._root).lstrip("/"), _written(about)

    def tidy(self, before: datetime) -> None:
        """An object store shows nothing unfinished; it drops broken uploads by its own rule."""

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _ready(self) -> None:
        if self._seen:
            return
        if not self._fs.exists(self._at(MARKER)):
            self._fs.pipe_file(self._at(MARKER), b"macule\n")
        self._seen = True

    def _there(self) -> None:
        if not self._fs.exists(self._at(MARKER)):
            raise gone()
        self._seen = True


def _filesystem(url: str) -> tuple[Any, str]:
    protocol = url.partition("://")[0]
    try:
        import fsspec  # type: ignore[import-untyped]

        options: dict[str, Any] = {"use_listings_cache": False}  # other processes write to the same bucket
        if protocol in ("s3", "s3a"):
            retries = {"max_attempts": 2, "mode": "standard"}
            options["config_kwargs"] = {"connect_timeout": CONNECT_S, "read_timeout": READ_S, "retries": retries}
        filesystem, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        message = f"pictures at {protocol}:// need the extra `clinic`: pip install 'macule[clinic]' ({error})."
        raise MissingExtra(message) from error
    except ValueError as error:
        raise UsageError(f"store is {url!r}: give a folder or a URL such as s3://BUCKET/FOLDER ({error}).") from error
    return filesystem, str(root).rstrip("/")


def _written(about: dict[str, Any]) -> datetime:
    when = about.get("LastModified") or about.get("last_modified") or about.get("mtime") or about.get("created")
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    if isinstance(when, int | float):
        when = datetime.fromtimestamp(when, UTC)
    if not isinstance(when, datetime):  # unknown is new: nothing is ever swept for want of a date
        return datetime.max.replace(tzinfo=UTC)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


@contextmanager
def _plain_words(*, missing_is_gone: bool = False) -> Iterator[None]:
    """What fsspec's drivers raise is theirs to choose: everything but a missing object is the store's being away."""
    try:
        with plain_words():
            yield
    except StoreAway:
        raise
    except FileNotFoundError as error:
        if missing_is_gone:
            raise gone() from error
        raise
    except Exception as error:
        reason = type(error).__name__
        message = f"the picture store does not answer ({reason}): look after it. Nothing was kept of this picture."
        raise StoreAway(message) from error


def is_remote(url: str) -> bool:
    return "://" in url and not url.startswith(("file://", "local://"))
