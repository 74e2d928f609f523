"""Which exit status an error that ends a command has."""

from __future__ import annotations

import pytest

from macule import errors
from macule.cli.exit import DONE, ENVIRONMENT, SOME_FAILED, WRONG_USAGE, status_of


@pytest.mark.parametrize(("kind", "status"), [
    (errors.UsageError, WRONG_USAGE),
    (errors.InvalidMetadata, WRONG_USAGE),
    (errors.UnreadableImage, SOME_FAILED),
    (errors.LeakingSplit, SOME_FAILED),
    (errors.TrainingFault, SOME_FAILED),
    (errors.Diverged, SOME_FAILED),
    (errors.TooFewPictures, SOME_FAILED),
    (errors.ClassMissing, SOME_FAILED),
    (errors.CheckpointDamaged, SOME_FAILED),
    (errors.OutOfSpace, ENVIRONMENT),
    (errors.OutOfMemory, ENVIRONMENT),
    (errors.BundleNotFound, ENVIRONMENT),
    (errors.MissingExtra, ENVIRONMENT),
])
def test_the_status_of_an_error(kind: type[errors.MaculeError], status: int) -> None:
    assert status_of(kind("x")) == status


def test_no_error_counts_as_done_and_codes_are_unique() -> None:
    def below(kind: type[errors.MaculeError]) -> list[type[errors.MaculeError]]:
        return [kind, *(found for child in kind.__subclasses__() for found in below(child))]

    ours = [kind for kind in below(errors.MaculeError) if kind.__module__ == errors.__name__]
    assert all(status_of(kind("x")) != DONE for kind in ours)
    assert len({kind.code for kind in ours}) == len(ours)


def test_the_tree_at_the_top_draws_every_error() -> None:
    def drawn(kind: type[errors.MaculeError]) -> list[str]:
        children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
        return [kind.__name__, *(name for child in children for name in drawn(child))]

    assert errors.__doc__ is not None
    lines = [line.strip(" │├└─") for line in errors.__doc__.split("Each message")[0].splitlines()[2:] if line.strip()]
    assert [line.split()[0] for line in lines] == drawn(errors.MaculeError)
