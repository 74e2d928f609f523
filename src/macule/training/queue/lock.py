"""One queue at a time in a work folder: two trainings at once slow each other down to less than one."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from macule.data.atomic import writing
from macule.data.fetch import lock
from macule.errors import EnvironmentFault
from macule.training.queue.ledger import FOLDER

LOCK, HOLDER = "lock", "holder.json"
#: A look at the lock by `status` takes it for a moment.
TRIES, PAUSE = 5, 0.1


@dataclass(frozen=True)
class Holder:
    """Who runs a queue. since: UTC, as ISO 8601."""

    pid: int
    host: str
    since: str
    queue: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since} UTC, queue {self.queue}"


@contextmanager
def held(work: Path, queue: str, *, now: datetime) -> Iterator[Holder | None]:
    """Hold the work folder. The system frees the lock however its holder ends, so that none is ever left for ever.

    Yields: whose lock was left behind by a process that was killed; None as a rule.
    Raises: EnvironmentFault saying who holds it.
    """
    place = work / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        _enter(stack, place)
        left = _read(place)
        me = Holder(os.getpid(), socket.gethostname(), now.astimezone(UTC).strftime("%Y-%m-%d %H:%M"), queue)
        with writing(place / HOLDER) as stream:
            stream.write(json.dumps(asdict(me)) + "\n")
        stack.callback((place / HOLDER).unlink, missing_ok=True)
        yield left


def holder(work: Path) -> Holder | None:
    """Who runs a queue there now; None where nobody does, whatever a process that was killed has left."""
    place = work / FOLDER
    if not (place / LOCK).exists():
        return None
    try:
        with lock.hold(place / LOCK, place):
            return None
    except EnvironmentFault:
        return _read(place)


def _enter(stack: ExitStack, place: Path) -> None:
    for left in reversed(range(TRIES)):
        try:
            stack.enter_context(lock.hold(place / LOCK, place))
            return
        except EnvironmentFault as error:
            if not left:
                who = _read(place) or "it does not say which"
                raise EnvironmentFault(f"a queue is at work in {place.parent}: {who}. Let it end, stop it, or "
                                       "give another --work folder.") from error
        time.sleep(PAUSE)


def _read(place: Path) -> Holder | None:
    try:
        return Holder(**json.loads((place / HOLDER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
