"""Everything that is kept of a person, to be handed to them: a zip with a page to read, JSON, pictures and reports.

It is made in memory: what leaves the encrypted store does so only towards whoever asked for it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from html import escape
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.analysis.image import decode
from macule.analysis.result import DISCLAIMER
from macule.analysis.sniff import HEAD, sniff
from macule.errors import MaculeError
from macule.exchange.exam_pdf import Audience
from macule.records import people, reports, site
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Actor
from macule.records.tables import (
    AuditRow,
    Base,
    BatchItem,
    Biopsy,
    Comment,
    Consent,
    Exam,
    Lesion,
    Review,
    Ticket,
    User,
)

#: Not the person's: how the database works.
_INNER = frozenset({"version", "embedding", "idempotency_key"})
_ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "TIFF": "tif", "BMP": "bmp", "HEIF": "heic"}


def export(clinic: Clinic, *, actor: Actor, patient_id: str) -> bytes:
    """A zip: index.html, record.json, pictures/, reports/.

    A picture that cannot be read is named in `missing` instead of spoiling the rest.
    Raises: NoSuchRecord, StoreAway, KeyMissing, DatabaseAway.
    """
    with clinic.work(actor) as work:
        people.known(work.session, patient_id)
        # First: nobody takes everything of a person without a trace.
        work.record("patient.exported", "patient", patient_id, patient_id=patient_id)
    with clinic.reading() as session:
        record = gathered(session, patient_id=patient_id)
        exams = list(session.scalars(select(Exam).where(Exam.patient_id == patient_id).order_by(Exam.id)))
        language = site.read(session).language
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        record["missing"] = []
        for exam in exams:
            for name, content in _files(clinic, exam, language, record["missing"]):
                _put(archive, name, content)
        _put(archive, "record.json", json.dumps(record, indent=1, ensure_ascii=False).encode())
        _put(archive, "index.html", _page(record).encode())
    return buffer.getvalue()


def gathered(session: Session, *, patient_id: str) -> dict[str, Any]:
    """Every row about the patient, as JSON values."""
    patient = people.known(session, patient_id)
    exams = select(Exam.id).where(Exam.patient_id == patient_id)

    def rows(kind: type[Base], condition: Any, order: Any) -> list[dict[str, Any]]:
        return [_row(each) for each in session.scalars(select(kind).where(condition).order_by(order))]

    staff = {user.id: user.name for user in session.scalars(select(User))}
    found: dict[str, Any] = {
        "clinic": site.read(session).name, "patient": _row(patient),
        "lesions": rows(Lesion, Lesion.patient_id == patient_id, Lesion.id),
        "consents": rows(Consent, Consent.patient_id == patient_id, Consent.id),
        "exams": rows(Exam, Exam.patient_id == patient_id, Exam.id),
        "reviews": rows(Review, Review.exam_id.in_(exams), Review.id),
        "biopsies": rows(Biopsy, Biopsy.exam_id.in_(exams), Biopsy.id),
        "comments": rows(Comment, Comment.exam_id.in_(exams), Comment.id),
        "sent_in_batches": rows(BatchItem, BatchItem.patient_id == patient_id, BatchItem.id),
        "links": rows(Ticket, Ticket.patient_id == patient_id, Ticket.created_at),
        "audit": rows(AuditRow, AuditRow.patient_id == patient_id, AuditRow.seq),
    }
    named = {row[key] for rows_ in found.values() if isinstance(rows_, list) for row in rows_
             for key in ("created_by", "recorded_by", "reader_id", "author_id", "actor_id") if key in row}
    return found | {"staff": {key: staff[key] for key in sorted(named & set(staff))}}


def _row(row: Base) -> dict[str, Any]:
    names = [column.key for column in row.__table__.columns if column.key not in _INNER]
    return {name: _plain(getattr(row, name)) for name in names}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else value


def _files(clinic: Clinic, exam: Exam, language: str, missing: list[str]) -> Iterable[tuple[str, bytes]]:
    """The picture, and the reports of an exam that has an answer."""
    day = f"{exam.created_at:%Y-%m-%d}-{exam.id}"
    try:
        content = clinic.store.get(exam.picture)
        kind = sniff(content[:HEAD]) or decode(content).format
        yield f"pictures/{day}.{_ENDINGS.get(kind, 'bin')}", content
        if exam.result is not None:
            for audience in Audience:
                report = reports.pdf(clinic, actor=SYSTEM, exam_id=exam.id, audience=audience, language=language)
                yield f"reports/{day}-{audience.value}.pdf", report
    except MaculeError as fault:
        if fault.code in ("store_away", "key_missing", "database_away"):
            raise
        missing.append(f"exam {exam.id}: {fault}")


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name)  # without the time of day, so that the same record is the same bytes
    entry.compress_type = zipfile.ZIP_DEFLATED if name.endswith((".json", ".html")) else zipfile.ZIP_STORED
    entry.external_attr = 0o600 << 16
    archive.writestr(entry, content)


_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#10201f;background:#fff}"
    "h1,h2{font-family:serif}table{border-collapse:collapse;width:100%;margin:0 0 1.5rem}"
    "th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #cfdad8;"
    "overflow-wrap:anywhere}"
)
_TITLES = {
    "lesions": "Spots", "exams": "Pictures and answers", "reviews": "What readers decided", "biopsies": "Laboratory",
    "comments": "Comments", "consents": "Consent", "links": "Links that were given out",
    "audit": "Who saw or changed what",
}
_SHOWN = {
    "lesions": ("label", "body_site", "created_at"),
    "exams": ("created_at", "state", "risk", "malignant", "top_code", "final_code", "id"),
    "reviews": ("decided_at", "reader_id", "own_code", "final_code", "management", "note"),
    "biopsies": ("reported_on", "code", "note"), "comments": ("created_at", "author_id", "text"),
    "consents": ("given_at", "scope", "text_version", "withdrawn_at"),
    "links": ("created_at", "expires_at", "revoked_at"),
    "audit": ("at", "actor_name", "action", "subject_kind", "subject_id"),
}


def _page(record: Mapping[str, Any]) -> str:
    """One file without script, to be read anywhere."""
    who, parts = record["patient"], []
    facts = "".join(f"<tr><th scope=row>{escape(name.replace('_', ' '))}</th>"
                    f"<td>{escape(str(who[name] or ''))}</td></tr>"
                    for name in ("pseudonym", "birth_year", "sex", "skin_type", "created_at"))
    for key, title in _TITLES.items():
        parts.append(f"<h2>{title}</h2>" + (_table(record, key) if record[key] else "<p>Nothing.</p>"))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Record of {escape(who['pseudonym'])}</title><style>{_STYLE}</style>"
        f"<h1>Everything that {escape(record['clinic'])} keeps about {escape(who['pseudonym'])}</h1>"
        "<p>The pictures are in the folder <b>pictures</b>, the reports in <b>reports</b>. <b>record.json</b> holds "
        f"the same and every detail, for a computer.</p><p>{escape(DISCLAIMER)}</p><table>{facts}</table>"
        + "".join(parts) + "</html>"
    )


def _table(record: Mapping[str, Any], key: str) -> str:
    columns, staff = _SHOWN[key], record["staff"]
    head = "".join(f"<th scope=col>{escape(name.removesuffix('_id').replace('_', ' '))}</th>" for name in columns)

    def cell(value: Any) -> str:
        return escape("" if value is None else str(staff.get(value, value) if isinstance(value, str) else value))

    body = "".join("<tr>" + "".join(f"<td>{cell(row[name])}</td>" for name in columns) + "</tr>" for row in record[key])
    return f"<table><tr>{head}</tr>{body}</table>"


