"""One file, over HTTP, to its last byte: cut connections are taken up where they broke, and nothing is taken on trust.

While it is under way the file is NAME.part, with NAME.part.json beside it, which says of which edition the bytes are.
It is called NAME only after its length and checksum fitted and it was written out to the disk.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from macule.data.fetch import request
from macule.data.fetch.disk import check_space, digest, disk_fault
from macule.data.fetch.plan import Download
from macule.data.fetch.request import Passing, RangeRefused, Refused
from macule.data.fetch.settings import Meter, Progress, Settings
from macule.errors import DownloadFailed


@dataclass(frozen=True)
class Got:
    """A whole file. checked: the checksum that it fits, or `length` if only that could be compared."""

    url: str
    bytes: int
    sha256: str
    checked: str


@dataclass(frozen=True)
class _Note:
    """Of which edition the bytes in NAME.part are."""

    url: str
    validator: str | None
    total: int | None


def download(item: Download, path: Path, *, settings: Settings, progress: Progress) -> Got:
    """Get `item` as the file `path`.

    Raises: DownloadFailed; EnvironmentFault if the disk is full. What came so far stays for the next call.
    """
    refusals = []
    for url in (item.url, *item.others):
        try:
            _Transfer(item, url, path, settings, progress).run()
            return _accept(item, url, path, progress)
        except Refused as refusal:
            refusals.append(str(refusal))
    raise DownloadFailed(f"{item.name}: {'; '.join(refusals)}. What came is kept: call again to go on. If it stays so, "
                         "the publisher may have moved it: see its home page, or use --mirror.")


class _Transfer:
    """The bytes of one file from one address into NAME.part."""

    def __init__(self, item: Download, url: str, path: Path, settings: Settings, progress: Progress) -> None:
        self.item, self.url, self.settings, self.progress = item, url, settings, progress
        self.meter: Meter | None = None
        self.part, self.note = part_of(path), part_of(path).with_name(part_of(path).name + ".json")

    def run(self) -> None:
        """Try until all bytes are here. Raises: Refused, also after too many tries in a row for nothing."""
        failures, most = 0, self.here()
        while not self.is_whole():
            try:
                self.attempt()
                return
            except Passing as fault:
                # Only a new high counts as getting on: a server may send the same first half for ever.
                failures, most = (1, self.here()) if self.here() > most else (failures + 1, most)
                if isinstance(fault, RangeRefused):
                    self.part.unlink(missing_ok=True)
                if failures >= self.settings.attempts:
                    raise Refused(f"{self.url} failed {failures} times in a row ({fault}) at byte {self.here()}"
                                  ) from fault
                self.settings.sleep(max(min(2.0 ** (failures - 1), 60.0), min(fault.wait, 300.0)))

    def here(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def noted(self) -> _Note | None:
        try:
            return _Note(**json.loads(self.note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def is_whole(self) -> bool:
        """Whether an earlier call got all bytes of this edition and was ended before it could check them."""
        note = self.noted()
        return note is not None and note.url == self.url and note.total is not None and note.total == self.here()

    def begin(self) -> tuple[int, str | None]:
        """From which byte on, and of which edition. Bytes of an edition that nothing can name are not built upon."""
        note, here = self.noted(), self.here()
        if note and note.url == self.url and note.validator:
            return here, note.validator
        return (here, None) if note and self.item.checksum else (0, None)

    def attempt(self) -> None:
        start, validator = self.begin()
        with request.get(self.url, start=start, validator=validator, timeout=self.settings.timeout) as reply:
            self.examine(reply)
            if reply.start == 0:
                self.part.unlink(missing_ok=True)
                note = _Note(self.url, reply.validator, reply.total)
                self.note.write_text(json.dumps(asdict(note)), encoding="utf-8")
            self.write(reply)
        if reply.total is not None and self.here() != reply.total:
            raise Passing(f"the connection broke after {self.here()} of {reply.total} bytes")

    def examine(self, reply: request.Reply) -> None:
        """Before a byte is written: is it the right length, can its end be told, is there room?"""
        size, total = self.item.size, reply.total
        if total is not None and size is not None and total != size:
            raise Refused(f"{self.url} has {total} bytes, where {size} are expected: it is another file")
        if total is None and not reply.framed and self.item.checksum is None:
            raise Refused(f"{self.url} does not say how long it is, so that nobody could tell when it is whole")
        needed = (self.item.expected if total is None else total) - reply.start
        check_space(self.part.parent, needed, f"{self.item.name} needs", self.settings)

    def write(self, reply: request.Reply) -> None:
        self.meter = self.meter or self.progress(self.item.name, reply.total or self.item.expected)
        try:
            with self.part.open("r+b" if reply.start else "wb") as stream:
                stream.seek(reply.start)
                stream.truncate()
                for chunk in reply.chunks(self.settings.chunk):
                    stream.write(chunk)
                    self.meter(stream.tell())
        except OSError as error:
            raise disk_fault(error, self.item.name) from error


def part_of(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _accept(item: Download, url: str, path: Path, progress: Progress) -> Got:
    """Check NAME.part and give it its name; what does not fit is removed."""
    part = part_of(path)
    with part.open("r+b") as stream:
        os.fsync(stream.fileno())  # a name that a power cut cannot leave before the bytes
    digests = digest(part, {"sha256", *([item.checksum.algorithm] if item.checksum else [])},
                     progress(f"checking {item.name}", part.stat().st_size))
    if item.checksum and digests[item.checksum.algorithm] != item.checksum.value:
        found = f"{item.checksum.algorithm}:{digests[item.checksum.algorithm]}"
        forget(path)
        raise DownloadFailed(f"{item.name} from {url} has the checksum {found}, where {item.checksum} is expected: it "
                             "was damaged on the way or is another file. It was removed: call again to get it anew.")
    size = part.stat().st_size
    part.replace(path)
    forget(path)
    return Got(url, size, digests["sha256"], str(item.checksum or "length"))


def forget(path: Path) -> None:
    """Remove what is there of a file under way."""
    part_of(path).unlink(missing_ok=True)
    part_of(path).with_name(part_of(path).name + ".json").unlink(missing_ok=True)
