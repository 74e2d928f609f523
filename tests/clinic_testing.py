"""A whole clinic for a test: real database, real pictures, a real (tiny) network; a clock that the test turns."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from macule_testing import draw, encode
from starlette.testclient import TestClient

from macule.analysis.pipeline import Analyzer
from macule.records import intake, tickets
from macule.records.clinic import Clinic
from macule.records.database import Database
from macule.records.domain import SYSTEM, Actor, ActorKind, Role
from macule.records.models import LoadedModel
from macule.records.tables import Exam, Lesion, LoginSession, Patient, User
from macule.web.clinic.app import create_clinic_app
from macule.web.clinic.door import PLAIN_COOKIE
from macule.web.clinic.settings import ClinicSettings

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Stands still until the test turns it."""

    now: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **units: float) -> None:
        self.now += timedelta(**units)


def make_clinic(folder: Path, analyzer: Analyzer, *, url: str | None = None, clock: Clock | None = None) -> Clinic:
    from macule.records.store.keys import KeyRing
    from macule.records.store.pictures import PictureStore

    seals = KeyRing.create(folder / "keys")
    store = PictureStore(str(folder / "pictures"), seals=seals)
    database = Database(url or f"sqlite:///{folder / 'macule.db'}")
    return Clinic(database, store, seals, LoadedModel(analyzer), clock or Clock())


def make_app(clinic: Clinic, **settings: Any) -> FastAPI:
    """The application without its worker's jobs: a test runs those itself."""
    return create_clinic_app(settings=ClinicSettings(secure_cookies=False, **settings), clinic=clinic, jobs=())


_SHARED: list[FastAPI] = []


def behind(clinic: Clinic, **settings: Any) -> FastAPI:
    """One application for all tests of a process, with this test's clinic behind it: building its routes at the first
    request takes longer than most of these tests. A test that adds routes or needs two at once takes `make_app`."""
    fresh = make_app(clinic, **settings)
    if not _SHARED:
        _SHARED.append(fresh)
    _SHARED[0].state.clinic = fresh.state.clinic
    return _SHARED[0]


def add_user(clinic: Clinic, role: Role, *, email: str | None = None, name: str = "") -> Actor:
    """An active user without a password."""
    with clinic.work(SYSTEM) as work:
        user = User(
            id=work.new_id(), email=email or f"{role.value}-{secrets.token_hex(4)}@clinic.example", role=role.value,
            name=name or role.value.capitalize(), active=True, created_at=work.now,
        )
        work.session.add(user)
    return Actor(ActorKind.USER, user.id, user.name, role)


class Signed(TestClient):
    """A client with somebody's session. `csrf` goes with every request that changes something."""

    def __init__(self, app: FastAPI, clinic: Clinic, actor: Actor, *, ticket_id: str | None = None) -> None:
        super().__init__(app, raise_server_exceptions=False, follow_redirects=False)
        token, self.csrf, self.actor = secrets.token_urlsafe(32), secrets.token_hex(32), actor
        with clinic.work(SYSTEM) as work:
            work.session.add(LoginSession(
                id=hashlib.sha256(token.encode()).hexdigest(), user_id=None if ticket_id else actor.id,
                ticket_id=ticket_id, csrf=self.csrf, created_at=work.now, seen_at=work.now,
            ))
        self.cookies.set(PLAIN_COOKIE, token)
        self.headers["X-CSRF-Token"] = self.csrf


def sign_in(app: FastAPI, clinic: Clinic, role: Role) -> Signed:
    return Signed(app, clinic, add_user(clinic, role))


def open_link(app: FastAPI, clinic: Clinic, patient_id: str) -> Signed:
    """The patient, in by a link of their own."""
    with clinic.work(SYSTEM) as work:
        ticket_id = tickets.digest(tickets.issue(work, purpose=tickets.Purpose.PATIENT, patient_id=patient_id))
    actor = Actor(ActorKind.LINK, ticket_id[:32], "Patient's link", Role.PATIENT, patient_id=patient_id)
    return Signed(app, clinic, actor, ticket_id=ticket_id)


def add_lesion(clinic: Clinic, *, patient_id: str | None = None, **about: Any) -> Lesion:
    """A lesion, of a new patient born in 1970 unless one is named. about: columns of the patient."""
    with clinic.work(SYSTEM) as work:
        if patient_id is None:
            columns = {"pseudonym": f"P-{secrets.token_hex(4)}", "birth_year": 1970, "sex": "female"} | about
            patient = Patient(id=work.new_id(), created_at=work.now, created_by="test", **columns)
            work.session.add(patient)
            patient_id = patient.id
        lesion = Lesion(
            id=work.new_id(), patient_id=patient_id, label="Left forearm", body_site="upper_extremity",
            map_view="front", map_x=0.3, map_y=0.4, created_at=work.now, created_by="test",
        )
        work.session.add(lesion)
    return lesion


def add_exam(clinic: Clinic, *, picture: bytes | None = None, lesion: Lesion | None = None,
             actor: Actor = SYSTEM) -> Exam:
    """A picture that went the whole way through intake."""
    lesion = lesion or add_lesion(clinic)
    exam_id = intake.submit(clinic, actor=actor, submission=intake.Submission(
        lesion_id=lesion.id, picture=picture or png(), file_name="spot.png",
    ))
    with clinic.reading() as session:
        exam = session.get(Exam, exam_id)
    assert exam is not None
    return exam


@cache
def png(*, seed: int = 0, spot: tuple[int, int, int] = (90, 50, 40)) -> bytes:
    """A picture that can be judged; the tiny network says naevus, medium risk."""
    return encode(draw(seed=seed, spot=spot))


@cache
def dark() -> bytes:
    """A picture that the tiny network finds more suspicious than `png()`."""
    return encode((draw() * 0.6).astype("uint8"))


@cache
def blurred() -> bytes:
    """A picture that is refused for its sharpness."""
    import cv2

    return encode(cv2.GaussianBlur(draw(), (0, 0), 12))
