"""Many inputs through one function on several threads, in order, with bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from macule.errors import EnvironmentFault, MaculeError

_S = TypeVar("_S")
_R = TypeVar("_R")


def cores() -> int:
    """Cores that this process may use: a container's share, not the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    work: Callable[[_S], _R], sources: Iterable[_S], *, workers: int
) -> Iterator[tuple[_S, _R | MaculeError]]:
    """Run `work` on each source; `sources` is read at most `2 * workers` ahead of the answers taken.

    Yields: (source, answer or the error that only this source had), in the order of `sources`.
    Raises: EnvironmentFault, which every other source would have too, and whatever is no MaculeError.
    """
    remaining = iter(sources)
    pending: deque[tuple[_S, Future[_R]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="macule")
    try:
        pending.extend((source, pool.submit(work, source)) for source in islice(remaining, 2 * workers))
        while pending:
            source, future = pending.popleft()
            answer: _R | MaculeError = _outcome(future)
            yield source, answer
            pending.extend((following, pool.submit(work, following)) for following in islice(remaining, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def _outcome(future: Future[_R]) -> _R | MaculeError:
    try:
        return future.result()
    except EnvironmentFault:
        raise
    except MaculeError as error:
        return error
