"""The analysis runs in a few threads of its own, and only so many pictures may wait for one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from macule.web.faults import Busy

T = TypeVar("T")


class Gate:
    """A bounded pool with a bounded queue; what finds both full is turned away at once.

    at_once: threads. waiting: how many more may queue. retry_after: seconds that a caller is told to wait.
    """

    def __init__(self, *, at_once: int, waiting: int, retry_after: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="macule-analysis")
        self._places = threading.BoundedSemaphore(at_once + waiting)
        self._retry_after = retry_after

    async def run(self, work: Callable[[], T]) -> T:
        """`work()`, off the event loop.

        Raises: Busy if no place is free, and whatever `work` raises.
        """
        if not self._places.acquire(blocking=False):
            raise Busy(
                f"every place is taken; send the picture again in {self._retry_after} seconds.",
                retry_after=self._retry_after,
            )
        return await asyncio.wrap_future(self._submit(work))

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        try:
            job = self._pool.submit(work)
        except RuntimeError:
            self._places.release()
            raise
        # On the job, not on the awaiting task: a caller that hangs up must not free a thread that is still working.
        job.add_done_callback(lambda _: self._places.release())
        return job

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
