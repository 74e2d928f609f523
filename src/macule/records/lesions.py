"""Lesions: what they are called and where they lie on the body."""

from __future__ import annotations

import math

from sqlalchemy import select
from sqlalchemy.orm import Session, defer, joinedload

from macule.analysis.patient import Site
from macule.errors import NoSuchRecord, RecordInvalid
from macule.records import people
from macule.records.body_map import Region, region_at
from macule.records.domain import MapView
from macule.records.tables import Exam, Lesion
from macule.records.work import Work, expect

MAX_LABEL = 80


def add(
    work: Work, *, patient_id: str, label: str, body_site: str | None = None, map_view: str | None = None,
    map_x: float | None = None, map_y: float | None = None,
) -> Lesion:
    """A new lesion of a patient.

    label: what the clinic calls it; empty for the next `Spot N`. map_x, map_y: 0 to 1 of the body drawn in `map_view`.
    Raises: NoSuchRecord, RecordInvalid.
    """
    patient = people.join(work, patient_id)
    lesion = Lesion(id=work.new_id(), patient_id=patient.id, created_at=work.now, created_by=work.actor.id)
    count = len(of_patient(work.session, patient.id))
    _fill(lesion, label=label.strip() or f"Spot {count + 1}", body_site=body_site, map_view=map_view, map_x=map_x,
          map_y=map_y)
    work.session.add(lesion)
    work.record("lesion.added", "lesion", lesion.id, patient_id=patient.id)
    return lesion


def change(
    work: Work, *, lesion_id: str, version: int | None, label: str, body_site: str | None = None,
    map_view: str | None = None, map_x: float | None = None, map_y: float | None = None,
) -> Lesion:
    """Correct a lesion. Raises: NoSuchRecord, Conflict, RecordInvalid."""
    lesion = known(work.session, lesion_id)
    expect(lesion, version)
    _fill(lesion, label=label.strip(), body_site=body_site, map_view=map_view, map_x=map_x, map_y=map_y)
    work.record("lesion.changed", "lesion", lesion.id, patient_id=lesion.patient_id)
    return lesion


def known(session: Session, lesion_id: str) -> Lesion:
    """The lesion, with its patient. Raises: NoSuchRecord, also for one whose patient was erased."""
    lesion = session.get(Lesion, lesion_id, options=[joinedload(Lesion.patient)])
    if lesion is None or lesion.patient.erased_at is not None:
        raise NoSuchRecord(f"there is no lesion {lesion_id!r}: check the address.")
    return lesion


def of_patient(session: Session, patient_id: str) -> list[Lesion]:
    """The oldest first: their numbers on the body map stay the same."""
    return list(session.scalars(
        select(Lesion).where(Lesion.patient_id == patient_id).order_by(Lesion.created_at, Lesion.id)
    ))


#: What lists do not show, and what weighs most.
_LONG = (defer(Exam.result), defer(Exam.error), defer(Exam.embedding))


def exams(session: Session, lesion_id: str) -> list[Exam]:
    """The newest first, without their results."""
    return list(session.scalars(
        select(Exam).where(Exam.lesion_id == lesion_id).options(*_LONG)
        .order_by(Exam.created_at.desc(), Exam.id.desc())
    ))


def suggest(view: MapView, x: float, y: float) -> Region | None:
    """The part of the body at a point of the map, as a suggestion; None beside the body."""
    return region_at(view, x, y)


def _fill(
    lesion: Lesion, *, label: str, body_site: str | None, map_view: str | None, map_x: float | None,
    map_y: float | None,
) -> None:
    wrong: dict[str, str] = {}
    if not label or len(label) > MAX_LABEL or not label.isprintable():
        wrong["label"] = f"give the spot a short name of 1 to {MAX_LABEL} characters, for example Left forearm."
    if body_site is not None and body_site not in list(Site):
        wrong["body_site"] = "choose a part of the body from the list, or leave it unknown."
    if (complaint := _off_the_map(map_view, map_x, map_y)) is not None:
        wrong["map_view"] = complaint
    if wrong:
        raise RecordInvalid("the spot cannot be saved: " + " ".join(wrong.values()), fields=wrong)
    lesion.label, lesion.body_site = label, body_site
    lesion.map_view, lesion.map_x, lesion.map_y = map_view, map_x, map_y


def _off_the_map(view: str | None, x: float | None, y: float | None) -> str | None:
    given = [value is not None for value in (view, x, y)]
    if not any(given):
        return None
    if not all(given):
        return "a place on the body map needs its view and both coordinates: tap the map again."
    if view not in list(MapView):
        return "the body map shows the front or the back: tap the map again."
    within = all(value is not None and math.isfinite(value) and 0 <= value <= 1 for value in (x, y))
    return None if within else "the place lies outside of the body map: tap the map again."


def timeline(session: Session, patient_id: str, *, most: int = 100) -> list[Exam]:
    """A patient's exams, the newest first, with their lesions and without their results."""
    return list(session.scalars(
        select(Exam).where(Exam.patient_id == patient_id).options(joinedload(Exam.lesion), *_LONG)
        .order_by(Exam.created_at.desc(), Exam.id.desc()).limit(most)
    ))
