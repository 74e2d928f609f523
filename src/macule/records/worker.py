"""What the clinic does by itself: waiting exams, webhook deliveries, the daily clean-up. One thread a process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from macule.errors import MaculeError
from macule.records.clinic import Clinic

#: One turn of a job: does what is due and says whether it did anything.
Job = Callable[[Clinic], bool]

log = logging.getLogger(__name__)


class Worker:
    """Runs its jobs in turn until stopped; idle, it looks again after `every_s` seconds or when woken."""

    def __init__(self, clinic: Clinic, jobs: Sequence[Job], *, every_s: float = 2.0) -> None:
        self._clinic, self._jobs, self._every_s = clinic, tuple(jobs), every_s
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="macule-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is something to do now."""
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopping.is_set():
            busy = [self._turn(job) for job in self._jobs]  # a list: every job has its turn
            if not any(busy):
                self._wake.wait(self._every_s)
                self._wake.clear()

    def _turn(self, job: Job) -> bool:
        try:
            return job(self._clinic)
        except MaculeError as fault:
            log.warning("job %s: %s", job.__name__, fault.code)
        except Exception:  # a bug in one job must not stop the others
            log.exception("job %s failed", job.__name__)
        return False
