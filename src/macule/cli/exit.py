"""Exit statuses (DESIGN): 0 done, 1 some inputs failed, 2 wrong usage, 3 the environment."""

from __future__ import annotations

from macule.errors import InputError, InvalidMetadata, MaculeError, UsageError

DONE = 0
#: At least one input could not be read, or was read but too poor to be judged.
SOME_FAILED = 1
WRONG_USAGE = 2
ENVIRONMENT = 3


def status_of(error: MaculeError) -> int:
    """The status for an error that ended the command."""
    if isinstance(error, UsageError | InvalidMetadata):
        return WRONG_USAGE
    return SOME_FAILED if isinstance(error, InputError) else ENVIRONMENT
