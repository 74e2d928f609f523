"""The parts of a run that goes on from a bundle: those of the bundle, so that nothing that it learnt from is scored."""

from __future__ import annotations

from collections.abc import Sequence

from macule.analysis import bundle as bundles
from macule.data import kinship, membership
from macule.data.links import Links
from macule.data.membership import Membership
from macule.data.record import Record
from macule.errors import LeakingSplit, UsageError

#: Of kin in several parts, the part that was learnt from most counts.
_BY_WEIGHT = ("train", "calibration", "test")


def before(start: str) -> Membership:
    """What stood in which part of the bundle that is gone on from. Raises: LeakingSplit if it does not say."""
    found = membership.load(bundles.load(start).folder / membership.FILE)
    if not found.parts:
        raise LeakingSplit(f"network.start is {start}, which has no {membership.FILE} that says what it was trained "
                           "on: go on from a bundle that has one.")
    return found


def roles(start: str, records: Sequence[Record], known: Links, fresh: Sequence[str], *, fold: bool) -> list[str]:
    """The role of each record: what its lesion, or kin of it, had for the bundle; the others keep the fresh one.

    start: the bundle, as `network.start` names it. fold: whether the fresh roles are those of a fold.

    Raises: UsageError for folds, in whose test parts would stand what the bundle was trained on; LeakingSplit if the
    bundle does not say what that was.
    """
    if fold:
        raise UsageError(f"network.start is {start}, which was trained on pictures of every fold: cross-validate a "
                         "recipe that starts from ImageNet.")
    bundle = before(start)
    components = kinship.of_records(records, known).components().tolist()
    had: dict[int, set[str]] = {}
    for component, record in zip(components, records, strict=True):
        if (part := _part(bundle, record)) is not None:
            had.setdefault(component, set()).add(part)
    its = {component: next(part for part in _BY_WEIGHT if part in parts) for component, parts in had.items()}
    return [its.get(component, role) for component, role in zip(components, fresh, strict=True)]


def _part(bundle: Membership, record: Record) -> str | None:
    return bundle.part_of(record) or bundle.parts.get(record.group)
