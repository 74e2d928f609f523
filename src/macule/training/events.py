"""The curve for TensorBoard as well: `tensorboard --logdir` on the folder shows it while the run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from macule.errors import MissingExtra

#: Of a training row, what is drawn.
DRAWN = ("loss", "rate", "size", "epoch")


class Events:
    """Writes rows of curve.jsonl as scalars: train/loss, train/rate, ..., validation/auc, ...

    again_from: the step that a resumed run goes on from; what was drawn from there on is dropped, as it comes again.
    """

    def __init__(self, folder: Path, *, again_from: int | None = None) -> None:
        """Raises: MissingExtra without TensorBoard."""
        try:
            import tensorboard  # type: ignore[import-untyped]  # noqa: F401
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            remedy = "pip install -c constraints.txt 'macule[tracking]'"
            raise MissingExtra(f"{error.name or 'tensorboard'} is not installed: {remedy}.") from error
        self._writer: Any = SummaryWriter(str(folder), purge_step=again_from)

    def row(self, row: Mapping[str, Any]) -> None:
        """A figure that is undefined (None) has no point."""
        for name, value in _scalars(row):
            if value is not None:
                self._writer.add_scalar(name, value, global_step=row["step"])

    def close(self) -> None:
        """Until then, the last rows may be in memory alone."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def _scalars(row: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    if "validation" in row:
        return [(f"validation/{name}", value) for name, value in row["validation"].items()]
    return [(f"train/{name}", row[name]) for name in DRAWN if name in row]
