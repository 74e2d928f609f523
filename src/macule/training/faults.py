"""What the machine runs out of, by name: an error of torch or the system does not say what to do."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

import torch

from macule.errors import OutOfMemory, OutOfSpace, UsageError
from macule.training import processes
from macule.training.recipe import Recipe


@contextlib.contextmanager
def named(recipe: Recipe, folder: Path) -> Iterator[None]:
    """Raises: OutOfMemory, OutOfSpace or UsageError in their place; folder: of the run."""
    kept = f"{folder} keeps the last checkpoint"
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _no_memory(recipe, kept) from error
    except RuntimeError as error:
        if any(said in str(error) for said in ("allocate memory", "not enough memory", "out of memory")):
            raise _no_memory(recipe, kept) from error
        raise
    except ValueError as error:
        if "more than 1 value per channel" in str(error):
            raise UsageError("one picture goes through the network at a time, of which its batch norms can take no "
                             "statistics: set a larger engine.batch, or a smaller engine.accumulate.") from error
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OutOfSpace(f"there is no space left for {folder}: free some and run the same command again; "
                             f"{kept}.") from error
        raise


def _no_memory(recipe: Recipe, kept: str) -> OutOfMemory:
    engine, count = recipe.engine, processes.present().num_processes
    more = [parts for parts in range(engine.accumulate + 1, engine.batch + 1) if not engine.batch % (parts * count)]
    remedy = f"engine.accumulate={more[0]}, or a smaller engine.batch" if more else "a smaller size in its phases"
    return OutOfMemory(f"{engine.batch} pictures in {engine.accumulate} parts need more memory than there is: set "
                       f"{remedy}; {kept}.")
