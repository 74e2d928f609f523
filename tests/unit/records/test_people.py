"""Patients by pseudonym, and their lesions on the body map."""

from __future__ import annotations

import math
from datetime import datetime

import pytest
from clinic_testing import Clock, add_exam, add_lesion, add_user
from sqlalchemy import select

from macule.analysis.patient import Site
from macule.errors import Conflict, NoSuchRecord, RecordInvalid
from macule.records import lesions, people
from macule.records.body_map import REGIONS, region_at
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, MapView, Role
from macule.records.tables import AuditRow, Patient


def register(clinic: Clinic, pseudonym: str = "P-1042", **about: object) -> Patient:
    with clinic.work(SYSTEM) as work:
        return people.register(work, pseudonym=pseudonym, **about)  # type: ignore[arg-type]


NAMES = {
    "Anna Schmidt": "looks like a name", "anna@example.org": "looks like an e-mail", "": "give a pseudonym",
    "-1": "letters, digits", "x" * 65: "up to 64", "<b>": "letters, digits", "P-1\x00": "letters, digits",
    "Ünal": "letters, digits",
}


def test_what_names_a_person_is_refused_with_words(clinic: Clinic) -> None:
    for pseudonym, why in NAMES.items():
        with pytest.raises(RecordInvalid, match=why) as refusal:
            register(clinic, pseudonym)
        assert set(refusal.value.fields) == {"pseudonym"}


def test_every_wrong_field_is_named_at_once(clinic: Clinic) -> None:
    with pytest.raises(RecordInvalid) as refusal:
        register(clinic, "a b", birth_year=1800, sex="other", skin_type=7)
    assert set(refusal.value.fields) == {"pseudonym", "birth_year", "sex", "skin_type"}


def test_a_pseudonym_is_one_persons_whatever_its_capitals(clinic: Clinic) -> None:
    register(clinic, "P-1042")
    with pytest.raises(RecordInvalid, match="in use"):
        register(clinic, "p-1042")


def test_a_change_needs_the_version_that_was_read(clinic: Clinic) -> None:
    patient = register(clinic, birth_year=1960)
    actor = add_user(clinic, Role.NURSE)
    with clinic.work(actor) as work:
        people.change(work, patient_id=patient.id, version=1, pseudonym="P-1042", birth_year=1961)
    with pytest.raises(Conflict), clinic.work(actor) as work:
        people.change(work, patient_id=patient.id, version=1, pseudonym="P-9", birth_year=1999)
    with clinic.reading() as session:
        assert people.known(session, patient.id).birth_year == 1961
        logged = session.scalars(select(AuditRow).where(AuditRow.action == "patient.changed")).one()
    # Which fields, never what they hold: the log outlives an erasure.
    assert logged.details == '{"fields":["birth_year"]}' and logged.patient_id == patient.id


def test_the_list_finds_parts_of_a_pseudonym_and_takes_wildcards_literally(clinic: Clinic) -> None:
    for pseudonym in ("A-100", "A-101", "B.100"):
        register(clinic, pseudonym)
    with clinic.reading() as session:
        def found(search: str) -> set[str]:
            return {row.patient.pseudonym for row in people.listed(session, search=search).rows}

        assert found("a-1") == {"A-100", "A-101"} and found("100") == {"A-100", "B.100"}
        assert found("%") == set() and found("_") == set() and found("' OR 1=1 --") == set()


def test_pages_hold_everybody_once_with_their_last_exam(clinic: Clinic, clock: Clock) -> None:
    for number in range(5):
        clock.turn(minutes=1)
        register(clinic, f"P-{number}")
    clock.turn(minutes=1)
    lesion = add_lesion(clinic, pseudonym="P-5")
    clock.turn(days=1)
    add_exam(clinic, lesion=lesion)
    clock.turn(days=1)
    last = add_exam(clinic, lesion=lesion)
    with clinic.reading() as session:
        pages = [people.listed(session, page=page, size=4) for page in (1, 2, 99)]
    names = [row.patient.pseudonym for page in pages[:2] for row in page.rows]
    assert sorted(names) == [f"P-{n}" for n in range(6)] and names[0] == "P-5"
    assert pages[0].total == 6 and pages[0].pages == 2 and pages[2].page == 2
    newest = pages[0].rows[0]
    assert newest.last is not None and newest.last.id == last.id and newest.lesions == 1
    assert pages[0].rows[1].last is None


def test_an_erased_patient_is_nobody(clinic: Clinic, clock: Clock) -> None:
    patient = register(clinic)
    with clinic.work(SYSTEM) as work:
        work.get(Patient, patient.id).erased_at = clock.now
    with clinic.reading() as session:
        assert people.listed(session).total == 0
        with pytest.raises(NoSuchRecord):
            people.known(session, patient.id)
    with pytest.raises(NoSuchRecord), clinic.work(SYSTEM) as work:
        lesions.add(work, patient_id=patient.id, label="x")


# ---- lesions ----


@pytest.mark.parametrize("key", sorted(REGIONS))
def test_every_part_of_the_body_is_found_at_its_centre(key: str) -> None:
    region = REGIONS[key]
    x, y = region.centre
    assert 0 < x < 1 and 0 < y < 1
    assert region_at(region.view, x, y) is region


def test_parts_do_not_overlap_and_left_is_left() -> None:
    for view in MapView:
        for x in (step / 60 + 0.0033 for step in range(60)):
            for y in (step / 60 + 0.0033 for step in range(60)):
                assert sum(one.view is view and one.holds(x, y) for one in REGIONS.values()) <= 1, (view, x, y)
    seen = [region_at(view, 0.78, 0.42) for view in MapView]
    assert [one.key for one in seen if one] == ["front.left_forearm", "back.right_forearm"]
    assert all(one.site is Site.UPPER_EXTREMITY for one in seen if one)
    assert region_at(MapView.FRONT, 0.01, 0.01) is None


WRONG: tuple[dict[str, object], ...] = (
    {"map_view": "side", "map_x": 0.5, "map_y": 0.5}, {"map_view": "front"}, {"map_x": 0.5, "map_y": 0.5},
    {"map_view": "front", "map_x": 1.5, "map_y": 0.5}, {"map_view": "front", "map_x": math.nan, "map_y": 0.5},
    {"body_site": "elbow"}, {"label": "x" * 81}, {"label": "a\nb"},
)


def test_a_place_that_is_not_on_the_map_is_refused(clinic: Clinic) -> None:
    patient = register(clinic)
    for wrong in WRONG:
        with pytest.raises(RecordInvalid) as refusal, clinic.work(SYSTEM) as work:
            lesions.add(work, patient_id=patient.id, **({"label": "Spot"} | wrong))  # type: ignore[arg-type]
        assert refusal.value.fields


def test_unnamed_spots_are_numbered_and_keep_their_order(clinic: Clinic, clock: Clock) -> None:
    patient = register(clinic)
    for label in ("", "Nose", ""):
        clock.turn(seconds=1)
        with clinic.work(SYSTEM) as work:
            lesions.add(work, patient_id=patient.id, label=label, map_view="front", map_x=0.0, map_y=1.0)
    with clinic.reading() as session:
        spots = lesions.of_patient(session, patient.id)
    assert [spot.label for spot in spots] == ["Spot 1", "Nose", "Spot 3"] and spots[0].map_x == 0.0


def test_the_timeline_is_the_newest_first_and_light(clinic: Clinic, clock: Clock) -> None:
    lesion = add_lesion(clinic)
    older = add_exam(clinic, lesion=lesion)
    clock.turn(days=1)
    newer = add_exam(clinic, lesion=lesion)
    with clinic.reading() as session:
        rows = lesions.timeline(session, lesion.patient_id)
        assert [row.id for row in rows] == [newer.id, older.id] and rows[0].lesion.id == lesion.id
        assert "result" not in rows[0].__dict__ and "embedding" not in rows[0].__dict__
    assert isinstance(rows[0].created_at, datetime)
