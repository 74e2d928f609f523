"""What the queue has done, one JSON object a line, only ever added to: a row that was changed keeps its history."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from macule.errors import MaculeError, RunDamaged

FOLDER = "queue"
What = Literal["began", "ended", "failed", "stopped", "verdict"]


@dataclass(frozen=True)
class Event:
    """runs: folders, below the work folder. error: code and message. about: the entry as it stood, once it has ended:
    see `work`; with `against`, the baseline's fingerprint then. Of a verdict: verdict and reason."""

    what: What
    entry: str
    fingerprint: str
    at: str
    runs: tuple[str, ...] = ()
    error: Mapping[str, str] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.entry, self.fingerprint

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True)
class Ledger:
    """The file of one queue. events: earliest first."""

    path: Path

    @classmethod
    def of(cls, work: Path, queue: str) -> Ledger:
        return cls(work / FOLDER / f"{queue}.jsonl")

    @property
    def work(self) -> Path:
        return self.path.parent.parent

    def events(self) -> list[Event]:
        """A last line that a power cut left unfinished is passed over. Raises: RunDamaged naming the line."""
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else [b""]
        return [_event(line, f"{self.path} line {number}") for number, line in enumerate(lines[:-1], 1) if line.strip()]

    def add(self, what: What, entry: str, fingerprint: str, *, now: datetime, runs: Sequence[Path] = (),
            error: BaseException | None = None, about: Mapping[str, Any] | None = None) -> Event:
        """Raises: OSError."""
        event = Event(what, entry, fingerprint, now.astimezone(UTC).isoformat(timespec="seconds"),
                      tuple(run.relative_to(self.work).as_posix() for run in runs),
                      None if error is None else _in_words(error, self.work), about or {})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._mend()
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(event), ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        return event

    def folders(self, event: Event) -> list[Path]:
        return [self.work / run for run in event.runs]

    def _mend(self) -> None:
        """Half a line would swallow the next."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        if (end := content.rfind(b"\n") + 1) < len(content):
            os.truncate(self.path, end)


def latest(events: Sequence[Event], entry: str, fingerprint: str | None = None, *, what: What | None = None,
           ) -> Event | None:
    """The last event of an entry; verdicts aside, unless they are asked for."""
    return next((each for each in reversed(events) if each.entry == entry
                 and fingerprint in (None, each.fingerprint)
                 and (each.what == what if what else each.what != "verdict")), None)


def ended(events: Sequence[Event]) -> Iterator[Event]:
    """What has ended, by its first end; an entry that was trained again at one fingerprint counts by its last."""
    last = {event.key: event for event in events if event.what == "ended"}
    yield from sorted(last.values(), key=lambda event: event.at)


def _event(line: bytes, where: str) -> Event:
    try:
        table = json.loads(line)
        return Event(**{**table, "runs": tuple(table["runs"])})
    except (ValueError, TypeError, KeyError) as error:
        raise RunDamaged(f"{where} is damaged ({error!r}): take the line out; the runs themselves are not "
                         "touched.") from error


def _in_words(error: BaseException, work: Path) -> dict[str, str]:
    code = error.code if isinstance(error, MaculeError) else type(error).__name__
    message = str(error) or type(error).__name__
    # The log is published: the folders of this machine have no place in it.
    for path, name in ((work.resolve(), work.name), (Path.cwd(), "."), (Path.home(), "~")):
        if len(path.parts) > 1:
            message = message.replace(str(path), name)
    return {"code": code, "message": message}
