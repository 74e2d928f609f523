"""One function over many items: on this machine's cores, or on a Ray cluster's. The answers are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from macule.analysis.batch import cores, in_order
from macule.errors import MaculeError, MissingExtra, UsageError

_S = TypeVar("_S")
_R = TypeVar("_R")


class Engine(Protocol):
    """map: the answers in the order of the items; items are taken lazily. `work` must be a function of a module."""

    def map(self, work: Callable[[_S], _R], items: Iterable[_S]) -> Iterator[_R]: ...


class Local:
    """Threads: decoding, OpenCV and NumPy let go of the interpreter while they work."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or cores()

    def map(self, work: Callable[[_S], _R], items: Iterable[_S]) -> Iterator[_R]:
        for _, answer in in_order(work, items, workers=self.workers):
            if isinstance(answer, MaculeError):
                raise answer
            yield answer


class Ray:
    """Ray Data on the cluster at RAY_ADDRESS, else on a local one. The pictures must lie where every node reads them.

    Raises: MissingExtra without ray.
    """

    BATCH, WINDOW = 64, 32

    def __init__(self, workers: int | None = None) -> None:
        try:
            import ray
            import ray.data
        except ModuleNotFoundError as error:
            raise MissingExtra("ray is not installed: pip install 'macule[ray]'.") from error
        self._ray: Any = ray
        if not ray.is_initialized():
            ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, configure_logging=False)
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False

    def map(self, work: Callable[[_S], _R], items: Iterable[_S]) -> Iterator[_R]:
        # One row is a batch of items: a task an item would spend more time on its way than at work. One data set is a
        # window of batches, so that a million items do not lie in memory at once.
        for window in _batched(_batched(items, self.BATCH), self.WINDOW):
            rows = self._ray.data.from_items([{"batch": batch} for batch in window], override_num_blocks=len(window))
            for row in rows.map(_Batch(work)).iter_rows():
                yield from row["answers"]


class _Batch:
    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"answers": [self.work(item) for item in row["batch"]]}


def _batched(items: Iterable[_S], size: int) -> Iterator[list[_S]]:
    batch: list[_S] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


ENGINES: dict[str, Callable[[int | None], Engine]] = {"local": Local, "ray": Ray}


def make(name: str, *, workers: int | None = None) -> Engine:
    """Raises: UsageError for an unknown engine; MissingExtra."""
    if name not in ENGINES:
        raise UsageError(f"the engine is {name!r}; one of {', '.join(ENGINES)} is needed.")
    return ENGINES[name](workers)
