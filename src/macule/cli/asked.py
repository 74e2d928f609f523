"""What the command line was asked: a report names the command that made it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextvars import ContextVar

_arguments: ContextVar[tuple[str, ...] | None] = ContextVar("arguments", default=None)


def remember(arguments: Sequence[str] | None) -> None:
    """arguments: as `run` was given them; None where they are the process's own."""
    _arguments.set(None if arguments is None else tuple(arguments))


def command() -> list[str]:
    """The program's name and its arguments."""
    given = _arguments.get()
    return ["macule", *(sys.argv[1:] if given is None else given)]
