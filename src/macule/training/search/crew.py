"""Several workers on one machine, each a process of its own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue

import torch

from macule.analysis.batch import cores
from macule.errors import MaculeError, TrainingFault
from macule.training import build
from macule.training.search import study as studies
from macule.training.search import worker
from macule.training.search.worker import Bench

POLL = 1.0  # seconds between two looks at what other processes found
PATIENCE = 20.0  # seconds that a worker has to end by itself


@dataclass(frozen=True)
class Crew:
    """Workers as processes of their own; each takes its share of the cores, or a GPU of its own where there are more.

    One that dies takes nobody with it: the others try its trial again.
    """

    bench: Bench
    count: int
    made_for: str
    log: Callable[[str], None]

    def work(self, tell: Callable[[], None]) -> None:
        """tell: called now and then.

        Raises: what a worker said, once all have ended; TrainingFault if all died in silence.
        """
        context = multiprocessing.get_context("spawn")  # a fork would share torch's threads and the GPU's context
        said: SimpleQueue[MaculeError] = context.SimpleQueue()
        crew = [context.Process(target=_be_worker, args=(self.bench, self.made_for, number, self.count, said))
                for number in range(self.count)]
        for each in crew:
            each.start()
        try:
            self._watch(crew, tell)
        except BaseException:
            _send_home(crew)
            raise
        if not said.empty():
            raise said.get()
        if all(each.exitcode for each in crew):
            raise TrainingFault(f"all {self.count} workers ended without a word (exit status "
                                f"{', '.join(str(each.exitcode) for each in crew)}): is there memory for so many? "
                                "The same command goes on.")

    def _watch(self, crew: list[SpawnProcess], tell: Callable[[], None]) -> None:
        living = list(crew)
        while living:
            for each in living:
                each.join(POLL / len(living))
            tell()
            for each in [each for each in living if not each.is_alive()]:
                living.remove(each)
                if each.exitcode:
                    self.log(f"WARNING: a worker ended with status {each.exitcode}; its trial is tried again")


def _send_home(crew: list[SpawnProcess]) -> None:
    """Ctrl-C reached them as well: they may put their trials back into the queue."""
    for each in crew:
        each.join(PATIENCE)
        each.terminate()


def _be_worker(bench: Bench, made_for: str, number: int, count: int, said: SimpleQueue[MaculeError]) -> None:
    """A process's whole life. Raises: SystemExit."""
    if (devices := torch.cuda.device_count()) > 1:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = (seen if len(seen) == devices else [str(n) for n in range(devices)])[
            number % devices]
    torch.set_num_threads(max(1, cores() // count))
    build.limit_threads()
    try:
        worker.work(bench, studies.open_study(bench.plan, made_for=made_for))
    except MaculeError as error:
        said.put(error)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
