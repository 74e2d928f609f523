"""What a network has from others: pictures that a teacher, or a member of an ensemble, was trained on.

A teacher that learnt the labels of the student's locked part hands them on: the student's figures would leak, though
its own split does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from macule.data import guard, kinship, membership
from macule.data.guard import LeakReport
from macule.data.kinship import Kin
from macule.data.links import Links
from macule.data.membership import Membership
from macule.data.record import Record
from macule.errors import LeakingSplit
from macule.training import teachers
from macule.training.prepare import Parts
from macule.training.recipe import Recipe


def split_of(run: Path) -> Membership:
    """Which picture was in which part of a run.

    Raises: LeakingSplit if the run does not say.
    """
    for folder in (run, run / "bundle"):
        found = membership.load(folder / membership.FILE)
        if found.fine:
            return found
    raise LeakingSplit(f"{run} does not say which pictures it was trained on (there is no {membership.FILE}): give the "
                       f"folder of a run that has ended, or mark every figure {guard.MARK} with --allow-leak.")


def taken(run: Path, parts: Collection[str], links: Links) -> Kin:
    """The pictures of some parts (`train`, `calibration`) of a run. Raises: LeakingSplit if the run does not say."""
    split = split_of(run)
    fitted = split.fitted(links)
    roles = {**split.unnamed, **split.pictures}  # a lesion without names goes by its own
    return fitted.take([place for place, name in enumerate(fitted.names) if roles[name] in parts])


def guard_teachers(recipe: Recipe, parts: Parts, *, allow_leak: bool) -> Parts:
    """The parts of a student, marked leaky where a teacher knows them. Raises: see `guard_against`."""
    if not (folders := teachers.folders(recipe)):
        return parts
    return guard_against(folders, parts, allow_leak=allow_leak, who="the teachers",
                         remedy="Take teachers of the student's own split")


def guard_against(runs: Sequence[Path], parts: Parts, *, allow_leak: bool, who: str, remedy: str) -> Parts:
    """The parts, marked leaky where one of the runs has seen kin of what is calibrated or scored on.

    Its training pictures count against both parts; those that it was only calibrated on against the locked part.

    who, remedy: for the message. Raises: LeakingSplit, unless allow_leak.
    """
    try:
        report = _report(runs, parts, who)
    except LeakingSplit:
        if not allow_leak:
            raise
        return replace(parts, leaky=True)
    leaky = guard.enforce(report, allow_leak=allow_leak, remedy=remedy)
    return replace(parts, leaky=parts.leaky or leaky)


def digests(records: Sequence[Record], known: Mapping[str, str]) -> dict[str, str]:
    """`dataset:id` -> SHA-256 of each picture's bytes. known: those that need not be computed."""
    names = {f"{record.dataset}:{record.picture_id}": record for record in records}
    return {name: known.get(name) or hashlib.sha256(record.read()).hexdigest() for name, record in names.items()}


def of_records(records: Sequence[Record], links: Links, known: Mapping[str, str]) -> Kin:
    """Records, told apart as runs tell theirs. known: as for `digests`."""
    short = {name: digest[:membership.DIGITS] for name, digest in digests(records, known).items()}
    return kinship.of_records(records, links, sha256=short)


def _report(runs: Sequence[Path], parts: Parts, who: str) -> LeakReport:
    trained, calibrated = f"what {who} were trained on", f"what {who} were calibrated on"
    seen = {name: kinship.join([taken(each, {part}, parts.links) for each in runs])
            for name, part in ((trained, "train"), (calibrated, "calibration"))}
    test = of_records(parts.test, parts.links, parts.sha256)
    calibration = of_records(parts.calibration, parts.links, parts.sha256)
    compared = (guard.check({trained: seen[trained], "calibration": calibration}),
                guard.check({trained: seen[trained], "test": test}),
                guard.check({calibrated: seen[calibrated], "test": test}))
    return LeakReport(tuple(leak for report in compared for leak in report.leaks))
