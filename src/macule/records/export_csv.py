"""The exams as CSV, for a clinic's own statistics. Pseudonyms only; nothing that a person typed as free text.

COLUMNS says what each column holds; docs/clinic-dashboard.md repeats it. What the machine and other readers said is
left empty wherever `blinding` hides it from who exports. Cells that a spreadsheet would run as a formula begin with an
apostrophe (OWASP, CSV injection).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from macule.errors import RecordInvalid
from macule.records import blinding
from macule.records.audit import MOST_LISTED, listed
from macule.records.clinic import Clinic
from macule.records.domain import Actor, ExamState
from macule.records.tables import Biopsy, BundleRecord, Exam, Patient
from macule.records.words import day, not_a_day
from macule.spreadsheet import harmless

#: Rows that are read at once; between them the database is free.
PAGE = 1000
#: Name of each column and what it holds. Those from `hidden` on are empty where the answer is hidden.
COLUMNS: dict[str, str] = {
    "exam": "id of the exam",
    "patient": "the clinic's pseudonym",
    "lesion": "id of the lesion",
    "received": "when the picture came, UTC, ISO 8601",
    "state": "waiting, answered, refused or failed",
    "unanswered_for": "the first quality check that failed, or the code of the error",
    "answered": "when it was answered or refused, UTC",
    "age": "years, as the network was told",
    "sex": "female or male, as the network was told",
    "skin_type": "Fitzpatrick, 1 to 6",
    "body_site": "as the network was told",
    "modality": "dermoscopic or clinical",
    "hidden": "yes: this site reads first and you have not read this exam, so the rest is empty",
    "machine": "code of the machine's first diagnosis",
    "malignant": "probability of the malignant and indeterminate classes together",
    "risk": "low, medium or high",
    "in_distribution": "no: the picture is unlike those that the model knows",
    "bundle": "name of the model",
    "bundle_sha256": "its hash",
    "review": "open, committed, second or decided",
    "final": "code of the readers' last word",
    "decided": "when that was, UTC",
    "biopsy": "code of what the laboratory found",
    "biopsy_reported": "date of its report",
}
_OPEN_TO_ALL = tuple(COLUMNS)[:tuple(COLUMNS).index("hidden")]


@dataclass(frozen=True)
class Chosen:
    """Which exams. since, until: of their receipt, inclusive and exclusive; None is open."""

    since: datetime | None = None
    until: datetime | None = None
    state: ExamState | None = None

    def conditions(self, *, now: datetime) -> list[ColumnElement[bool]]:
        limits = [Exam.created_at <= now]
        if self.until is not None:
            limits.append(Exam.created_at < self.until)
        if self.since is not None:
            limits.append(Exam.created_at >= self.since)
        if self.state is not None:
            limits.append(Exam.state == self.state.value)
        return limits


def choose(*, since: str = "", until: str = "", state: str = "") -> Chosen:
    """From words: days as YYYY-MM-DD, both included, and a state; empty is all. Raises: RecordInvalid."""
    fields: dict[str, str] = {}
    first, last = _day("from", since, fields), _day("to", until, fields)
    if first and last and last < first:
        fields["to"] = "This lies before the first day."
    if state and state not in set(ExamState):
        fields["state"] = f"{state[:20]!r} is no state: use one of {', '.join(ExamState)}, or leave it out."
    if fields:
        wrong = " ".join(f"{name}: {message}" for name, message in fields.items())
        raise RecordInvalid(f"the export was not made: {wrong}", fields=fields)
    return Chosen(
        datetime.combine(first, time(), UTC) if first else None,
        datetime.combine(last + timedelta(days=1), time(), UTC) if last else None, ExamState(state) if state else None,
    )


def _day(name: str, text: str, fields: dict[str, str]) -> date | None:
    found = day(text)
    if text and found is None:
        fields[name] = not_a_day(text)
    return found


def export(clinic: Clinic, *, actor: Actor, chosen: Chosen) -> Iterator[str]:
    """Lines of the file, the heading first.

    The audit row is written now, not when the last line has been fetched: a broken download has shown records too.
    Exams that come later are not in it.
    """
    with clinic.work(actor) as work:
        now = work.now
        wanted = chosen.conditions(now=now)
        rows = work.session.scalar(select(func.count()).select_from(Exam).where(*wanted)) or 0
        people = select(Exam.patient_id).where(*wanted).distinct().limit(MOST_LISTED + 1)
        work.record(
            "exams.exported", "export", "exams.csv", rows=rows, state=chosen.state,
            since=chosen.since.isoformat() if chosen.since else None,
            until=chosen.until.isoformat() if chosen.until else None, **listed(work.session.scalars(people)),
        )
    return _lines(clinic, actor, wanted)


def _lines(clinic: Clinic, actor: Actor, conditions: list[ColumnElement[bool]]) -> Iterator[str]:
    yield _csv([list(COLUMNS)])
    after: tuple[datetime, str] | None = None
    while True:
        with clinic.reading() as session:
            page = _page(session, conditions, after)
            # What was not answered has nothing to hide, and says why it was not.
            answered = [row.Exam_id for row in page if row.state == ExamState.ANSWERED.value]
            hidden = blinding.hidden_among(session, actor=actor, exam_ids=answered)
        if not page:
            return
        after = (page[-1].created_at, page[-1].Exam_id)
        yield _csv([_cells(row._mapping, hidden=row.Exam_id in hidden) for row in page])


def _page(session: Session, conditions: list[ColumnElement[bool]], after: tuple[datetime, str] | None) -> list[Any]:
    """The next rows in the order of receipt."""
    query = select(
        Exam.id.label("Exam_id"), Patient.pseudonym, Exam.lesion_id, Exam.created_at, Exam.state, Exam.unanswered_for,
        Exam.answered_at, Exam.age, Exam.sex, Patient.skin_type, Exam.body_site, Exam.modality, Exam.top_code,
        Exam.malignant, Exam.risk, Exam.in_distribution, BundleRecord.name, Exam.bundle_sha256, Exam.review_state,
        Exam.final_code, Exam.decided_at, Biopsy.code, Biopsy.reported_on,
    ).join(Patient, Patient.id == Exam.patient_id)
    query = query.outerjoin(BundleRecord, BundleRecord.sha256 == Exam.bundle_sha256)
    query = query.outerjoin(Biopsy, Biopsy.exam_id == Exam.id).where(*conditions)
    if after is not None:
        moment, key = after
        # The first condition says what the second implies: SQLite seeks by it, and would scan from the start for an OR.
        query = query.where(Exam.created_at >= moment, or_(Exam.created_at > moment, Exam.id > key))
    return list(session.execute(query.order_by(Exam.created_at, Exam.id).limit(PAGE)).all())


def _cells(row: Any, *, hidden: bool) -> list[str]:
    known = {
        "exam": row["Exam_id"], "patient": row["pseudonym"], "lesion": row["lesion_id"], "received": row["created_at"],
        "state": row["state"], "unanswered_for": row["unanswered_for"], "answered": row["answered_at"],
        "age": row["age"], "sex": row["sex"], "skin_type": row["skin_type"], "body_site": row["body_site"],
        "modality": row["modality"], "hidden": "no", "machine": row["top_code"], "malignant": row["malignant"],
        "risk": row["risk"], "in_distribution": row["in_distribution"], "bundle": row["name"],
        "bundle_sha256": row["bundle_sha256"], "review": row["review_state"], "final": row["final_code"],
        "decided": row["decided_at"], "biopsy": row["code"], "biopsy_reported": row["reported_on"],
    }
    if hidden:
        known = {name: known[name] for name in _OPEN_TO_ALL} | {"hidden": "yes"}
    return [_cell(known.get(name)) for name in COLUMNS]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, float):
        return f"{value:g}" if value == round(value) else f"{value:.6f}"
    return harmless(str(value))


def _csv(rows: list[list[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()
