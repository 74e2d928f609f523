"""What became of each file of a batch, for the page, the table of outcomes and the totals."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from macule.records import blinding
from macule.records.batches import ItemState
from macule.records.domain import Actor, ExamState
from macule.records.tables import Batch, BatchItem, Exam, Patient
from macule.spreadsheet import harmless

#: Rows of a page.
PAGE = 100
#: Batches of the list.
LISTED = 50


class Outcome(StrEnum):
    """HIDDEN: answered, and shown to this reader once their own diagnosis is stored."""

    WAITING = "waiting"
    ANSWERED = "answered"
    HIDDEN = "hidden"
    REFUSED = "refused"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Row:
    """words: why there is no answer, in words; empty where there is one. again: a retry may help."""

    position: int
    name: str
    outcome: Outcome
    pseudonym: str = ""
    patient_id: str | None = None
    exam_id: str | None = None
    risk: str | None = None
    malignant: float | None = None
    words: str = ""
    again: bool = False


@dataclass(frozen=True)
class Totals:
    """counts: by Outcome, HIDDEN among ANSWERED. again: files that a retry may help."""

    counts: Mapping[str, int]
    again: int = 0

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        return self.total - self.counts.get(Outcome.WAITING, 0)


def totals(session: Session, batch_ids: Sequence[str]) -> dict[str, Totals]:
    """Of each batch."""
    rows = session.execute(
        select(BatchItem.batch_id, BatchItem.state, Exam.state, func.count(), func.count(BatchItem.file))
        .outerjoin(Exam, Exam.id == BatchItem.exam_id).where(BatchItem.batch_id.in_(batch_ids))
        .group_by(BatchItem.batch_id, BatchItem.state, Exam.state)
    )
    counts: dict[str, dict[str, int]] = {each: {} for each in batch_ids}
    again = dict.fromkeys(batch_ids, 0)
    for batch_id, state, exam_state, count, kept in rows:
        outcome = _outcome(state, exam_state).value
        counts[batch_id][outcome] = counts[batch_id].get(outcome, 0) + count
        again[batch_id] += kept if state == ItemState.FAILED.value else 0
    return {each: Totals(counts[each], again[each]) for each in batch_ids}


def listed(session: Session) -> list[tuple[Batch, Totals]]:
    """The newest batches first."""
    batches = list(session.scalars(select(Batch).order_by(Batch.created_at.desc(), Batch.id.desc()).limit(LISTED)))
    found = totals(session, [each.id for each in batches])
    return [(each, found[each.id]) for each in batches]


def rows(session: Session, *, actor: Actor, batch_id: str, page: int | None = 1) -> list[Row]:
    """In the order of the files. page: from 1; None for all of them."""
    wanted = (
        select(BatchItem, Exam, Patient.pseudonym).outerjoin(Exam, Exam.id == BatchItem.exam_id)
        .outerjoin(Patient, Patient.id == BatchItem.patient_id).where(BatchItem.batch_id == batch_id)
        .order_by(BatchItem.position)
    )
    if page is not None:
        wanted = wanted.limit(PAGE).offset((max(page, 1) - 1) * PAGE)
    found = session.execute(wanted).all()
    answered = [exam.id for _, exam, _ in found if exam is not None and exam.state == ExamState.ANSWERED.value]
    hidden = blinding.hidden_among(session, actor=actor, exam_ids=answered)
    return [_row(item, exam, pseudonym, hidden) for item, exam, pseudonym in found]


def table(rows: Iterable[Row]) -> str:
    """CSV: one line a file. A name that a spreadsheet would take for a formula is written as text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(("file", "outcome", "pseudonym", "exam", "risk", "malignant", "words"))
    for row in rows:
        share = "" if row.malignant is None else f"{row.malignant:.4f}"
        writer.writerow([harmless(cell) for cell in (row.name, row.outcome.value, row.pseudonym, row.exam_id or "",
                                                  row.risk or "", share, row.words)])
    return buffer.getvalue()


def _row(item: BatchItem, exam: Exam | None, pseudonym: str | None, hidden: Collection[str]) -> Row:
    outcome = _outcome(item.state, exam.state if exam else None)
    if exam is not None and outcome is Outcome.ANSWERED and exam.id in hidden:
        outcome = Outcome.HIDDEN
    shown = outcome is Outcome.ANSWERED and exam is not None
    return Row(
        item.position, item.name, outcome, pseudonym or "", item.patient_id, item.exam_id,
        risk=exam.risk if exam is not None and shown else None,
        malignant=exam.malignant if exam is not None and shown else None,
        words=" ".join(_words(item, exam)), again=item.state == ItemState.FAILED.value and item.file is not None,
    )


def _outcome(state: str, exam_state: str | None) -> Outcome:
    if state in (ItemState.FAILED.value, ItemState.SKIPPED.value):
        return Outcome(state)
    if state == ItemState.QUEUED.value:
        return Outcome.WAITING
    # Taken, and the exam is no longer there: its patient was erased.
    return Outcome.SKIPPED if exam_state is None else Outcome(exam_state)


def _words(item: BatchItem, exam: Exam | None) -> Iterator[str]:
    if item.error is not None:
        yield _sentence(item.error)
    elif item.state == ItemState.TAKEN.value and exam is None:
        yield "The patient was erased."
    elif exam is not None and exam.state == ExamState.FAILED.value and exam.error is not None:
        yield _sentence(exam.error)
    elif exam is not None and exam.state == ExamState.REFUSED.value and exam.result is not None:
        checks: Mapping[str, Any] = exam.result["quality"]["checks"]
        yield from (str(check["advice"]) for check in checks.values() if not check["passed"])


def _sentence(error: Mapping[str, Any]) -> str:
    """A message as it stands in a table: one that begins with a file's name keeps it as it is."""
    words = str(error["message"])
    return f"The {words[4:]}" if words.startswith("the ") else words
