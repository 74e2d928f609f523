"""Exit statuses (DESIGN): 0 done, 1 some inputs failed or the training did, 2 wrong usage, 3 the environment."""

from __future__ import annotations

from macule.errors import (
    InputError,
    InvalidMetadata,
    MaculeError,
    OutOfMemory,
    OutOfSpace,
    RecordFault,
    TrainingFault,
    UsageError,
)

DONE = 0
#: At least one input could not be read, or was read but too poor to be judged; or these pictures train no model.
SOME_FAILED = 1
WRONG_USAGE = 2
ENVIRONMENT = 3


def status_of(error: MaculeError) -> int:
    """The status for an error that ended the command."""
    if isinstance(error, UsageError | InvalidMetadata):
        return WRONG_USAGE
    # Of what can end a training run, these two are the machine's doing and not the data's.
    if isinstance(error, OutOfMemory | OutOfSpace):
        return ENVIRONMENT
    return SOME_FAILED if isinstance(error, InputError | RecordFault | TrainingFault) else ENVIRONMENT
