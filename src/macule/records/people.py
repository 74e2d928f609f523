"""Patients: by a pseudonym of the clinic's own, never by a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from macule.analysis.patient import MAX_AGE, Sex
from macule.errors import NoSuchRecord, RecordInvalid
from macule.records.domain import SkinType
from macule.records.tables import Exam, Lesion, Patient
from macule.records.work import Work, expect

_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
#: Held (`database.alone`) by programs while they look for a patient and register who is new: never twice.
REGISTERING = "people: registering"
#: Rows of a page of the list.
PAGE = 25


@dataclass(frozen=True)
class Listed:
    """A patient as the list shows them. last: the newest exam."""

    patient: Patient
    lesions: int
    last: Exam | None


@dataclass(frozen=True)
class People:
    """One page of the list. total: of all pages."""

    rows: tuple[Listed, ...]
    total: int
    page: int
    pages: int


def register(
    work: Work, *, pseudonym: str, birth_year: int | None = None, sex: str | None = None, skin_type: int | None = None
) -> Patient:
    """A new patient. Raises: RecordInvalid."""
    patient = Patient(id=work.new_id(), created_at=work.now, created_by=work.actor.id)
    _fill(work, patient, pseudonym=pseudonym, birth_year=birth_year, sex=sex, skin_type=skin_type)
    work.session.add(patient)
    _flush(work, patient)
    work.record("patient.registered", "patient", patient.id, patient_id=patient.id)
    return patient


def change(
    work: Work, *, patient_id: str, version: int | None, pseudonym: str, birth_year: int | None = None,
    sex: str | None = None, skin_type: int | None = None,
) -> Patient:
    """Correct what is known of a patient; earlier exams keep what their network was told.

    Raises: NoSuchRecord, Conflict, RecordInvalid.
    """
    patient = known(work.session, patient_id)
    expect(patient, version)
    before = _facts(patient)
    _fill(work, patient, pseudonym=pseudonym, birth_year=birth_year, sex=sex, skin_type=skin_type)
    _flush(work, patient)
    changed = sorted(name for name, value in _facts(patient).items() if value != before[name])
    work.record("patient.changed", "patient", patient.id, patient_id=patient.id, fields=changed)
    return patient


def hold(work: Work, patient_id: str) -> Patient:
    """The patient, of whom nothing new is written by others until this transaction ends.

    On PostgreSQL a new row waits for the locks of those that it names: the patient's and their exams'. SQLite has no
    row locks and needs none. Raises: NoSuchRecord, as `known`.
    """
    work.session.get(Patient, patient_id, with_for_update=True, populate_existing=True)
    work.session.execute(select(Exam.id).where(Exam.patient_id == patient_id).order_by(Exam.id).with_for_update())
    return known(work.session, patient_id)


def join(work: Work, patient_id: str) -> Patient:
    """The patient, for whoever adds to them: not erased before that is done. Raises: NoSuchRecord, as `known`."""
    work.session.get(Patient, patient_id, with_for_update={"key_share": True, "read": True}, populate_existing=True)
    return known(work.session, patient_id)


def known(session: Session, patient_id: str) -> Patient:
    """The patient. Raises: NoSuchRecord, also for one who was erased."""
    patient = session.get(Patient, patient_id)
    if patient is None or patient.erased_at is not None:
        raise NoSuchRecord(f"there is no patient {patient_id!r}: check the address.")
    return patient


def by_pseudonym(session: Session, pseudonym: str) -> Patient | None:
    """Capitals do not part two people."""
    return session.scalar(
        select(Patient).where(func.lower(Patient.pseudonym) == pseudonym.strip().lower(), Patient.erased_at.is_(None))
    )


def listed(session: Session, *, search: str = "", page: int = 1, size: int = PAGE) -> People:
    """The newest first. search: a part of the pseudonym. page: from 1; one past the end is the last."""
    found = _matching(search)
    total = session.scalar(select(func.count()).select_from(found.subquery())) or 0
    pages = max(1, -(-total // size))
    page = min(max(page, 1), pages)
    patients = session.scalars(
        found.order_by(Patient.created_at.desc(), Patient.id.desc()).limit(size).offset((page - 1) * size)
    ).all()
    keys = [patient.id for patient in patients]
    lesions, last = _lesions(session, keys), _last_exams(session, keys)
    rows = tuple(Listed(one, lesions.get(one.id, 0), last.get(one.id)) for one in patients)
    return People(rows, total, page, pages)


def _matching(search: str) -> Select[Any]:
    everybody = select(Patient).where(Patient.erased_at.is_(None))
    return everybody.where(Patient.pseudonym.icontains(search, autoescape=True)) if search else everybody


def _lesions(session: Session, patients: list[str]) -> dict[str, int]:
    counts = select(Lesion.patient_id, func.count()).where(Lesion.patient_id.in_(patients)).group_by(Lesion.patient_id)
    return {patient: int(count) for patient, count in session.execute(counts)}


def _last_exams(session: Session, patients: list[str]) -> dict[str, Exam]:
    # An id begins with its time, so the greatest is the newest.
    newest = select(func.max(Exam.id)).where(Exam.patient_id.in_(patients)).group_by(Exam.patient_id)
    return {exam.patient_id: exam for exam in session.scalars(select(Exam).where(Exam.id.in_(newest)))}


def _facts(patient: Patient) -> dict[str, object]:
    return {name: getattr(patient, name) for name in ("pseudonym", "birth_year", "sex", "skin_type")}


def _fill(
    work: Work, patient: Patient, *, pseudonym: str, birth_year: int | None, sex: str | None, skin_type: int | None
) -> None:
    pseudonym, now = pseudonym.strip(), work.now.year
    wrong: dict[str, str] = {}
    if complaint := _complaint(pseudonym):
        wrong["pseudonym"] = complaint
    elif (other := by_pseudonym(work.session, pseudonym)) is not None and other.id != patient.id:
        wrong["pseudonym"] = f"{pseudonym} is in use already: choose another, or open that patient."
    if birth_year is not None and not now - MAX_AGE <= birth_year <= now:
        wrong["birth_year"] = f"{birth_year} is not a year of birth from {now - MAX_AGE} to {now}: correct it."
    if sex is not None and sex not in list(Sex):
        wrong["sex"] = "choose female or male, or leave it unknown."
    if skin_type is not None and skin_type not in list(SkinType):
        wrong["skin_type"] = "choose a skin type from I to VI, or leave it unknown."
    if wrong:
        raise RecordInvalid("the patient cannot be saved: " + " ".join(wrong.values()), fields=wrong)
    patient.pseudonym, patient.birth_year, patient.sex, patient.skin_type = pseudonym, birth_year, sex, skin_type


def _complaint(pseudonym: str) -> str | None:
    if not pseudonym:
        return "give a pseudonym, for example P-1042."
    if "@" in pseudonym:
        return "this looks like an e-mail address: use a number of the clinic's own, never what names a person."
    if any(character.isspace() for character in pseudonym):
        return "this looks like a name: use a number of the clinic's own without spaces, never a person's name."
    if not _PSEUDONYM.fullmatch(pseudonym):
        return "use up to 64 letters, digits, dashes and dots, beginning with a letter or a digit."
    return None


def _flush(work: Work, patient: Patient) -> None:
    try:
        work.session.flush()
    except IntegrityError as error:
        # Two at once with one pseudonym: both looked before either had written.
        message = f"{patient.pseudonym} is in use already: choose another, or open that patient."
        raise RecordInvalid(message, fields={"pseudonym": message}) from error
