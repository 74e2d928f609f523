"""Every route of the application is walked: guarded or public, every object in its path within reach or not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from clinic_testing import add_exam, add_lesion, add_user, open_link, sign_in
from door_testing import stranger
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from httpx import Response
from starlette.testclient import TestClient

from macule.records import api_keys, consent, policy, tickets
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, ActorKind, ConsentScope, Role
from macule.records.policy import Permission
from macule.records.reach import KINDS
from macule.records.tables import Batch, Webhook
from macule.web.clinic import proof
from macule.web.clinic.door import PUBLIC

#: How the door itself words its two refusals; a route's own (not released, not committed yet) read otherwise.
NOT_IN_ROLE, NOT_IN_REACH = re.compile("does not include this|lacks the scope"), "that you may see"


def _routes(app: FastAPI) -> Iterator[Any]:
    for route in app.routes:  # newer FastAPI keeps included routers as one entry each
        yield from route.effective_route_contexts() if hasattr(route, "effective_route_contexts") else [route]


def _calls(dependant: Dependant) -> Iterator[Any]:
    for below in dependant.dependencies:
        yield below.call
        yield from _calls(below)


def _guard(route: Any) -> Any:
    dependant = getattr(route, "dependant", None)
    guards = [call for call in _calls(dependant) if hasattr(call, "permission")] if dependant else []
    assert len(guards) <= 1, f"{route.path} has {len(guards)} guards"
    return guards[0] if guards else None


def test_every_route_is_guarded_or_public(app: FastAPI) -> None:
    paths = set()
    for route in _routes(app):
        path = route.path or "/" + (route.name or "")  # a mount's
        paths.add(path)
        if path in PUBLIC:
            changes = set(getattr(route, "methods", None) or ()) - proof.SAFE
            assert not changes or proof._step in set(_calls(route.dependant)), f"{path} takes forms unguarded"
        else:
            assert _guard(route) is not None, f"{path} is open to anybody"
    assert len(paths) > 40, "the walk found too few routes to mean anything"
    assert paths >= PUBLIC, f"PUBLIC names what is not there: {PUBLIC - paths}"


def test_every_object_in_a_path_is_checked(app: FastAPI) -> None:
    checked = 0
    for route in _routes(app):
        named = re.findall(r"\{(\w+)_id\}", route.path or "")
        if not named:
            continue
        assert route.path not in PUBLIC
        guard = _guard(route)
        assert guard.of in named, f"{route.path} names {named}, and its guard looks at {guard.of}"
        assert guard.of in KINDS and guard.permission is not None
        checked += 1
    assert checked > 15


def _clients(app: FastAPI, clinic: Clinic, mine: str, other: str) -> dict[str, TestClient]:
    clients: dict[str, TestClient] = {role.value: sign_in(app, clinic, role) for role in Role if role.staff}
    clients |= {"own link": open_link(app, clinic, mine), "another's link": open_link(app, clinic, other)}
    for name, scopes in (("every scope", tuple(policy.BY_SCOPE)), ("wrong scope", ("webhooks:manage",))):
        clients[name] = stranger(app)
        with clinic.work(SYSTEM) as work:
            secret = api_keys.create(work, name=name, scopes=scopes, valid_for=None)[1]
        clients[name].headers["Authorization"] = f"Bearer {secret}"
    return clients | {"stranger": stranger(app)}


def _permitted(who: str, clients: dict[str, TestClient]) -> frozenset[Permission]:
    if who == "every scope":
        return frozenset[Permission]().union(*policy.BY_SCOPE.values())
    if who == "wrong scope":
        return policy.BY_SCOPE["webhooks:manage"]
    return policy.BY_ROLE[Role.PATIENT if "link" in who else Role(who)]


def _expected(who: str, guard: Any, path: str, personal: bool, clients: dict[str, TestClient]) -> str:
    machine = "scope" in who
    if who == "stranger" or machine != path.startswith("/api/"):
        return "not signed in"
    if guard.permission not in _permitted(who, clients):
        return "not in role"
    if "link" in who and (who == "another's link" or not personal):
        return "not in reach"
    return "in"


def _got(answer: Response) -> str:
    if answer.status_code == 401 or answer.headers.get("location", "").startswith("/login"):
        return "not signed in"
    if answer.status_code == 403 and NOT_IN_ROLE.search(answer.text):
        return "not in role"
    if answer.status_code == 404 and NOT_IN_REACH in answer.text:
        return "not in reach"
    return "in"


def _why(answer: Response) -> str:
    found = re.search(r'class="technical">(.*?)</p>', answer.text, re.DOTALL)
    return found[1] if found else answer.text[:200]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # a walk of the routes, not of a database
def test_nobody_reads_what_policy_does_not_say(clinic: Clinic, app: FastAPI) -> None:
    """IDOR: every GET route with an id, as every role, with another patient's link and with keys."""
    exam, stranger_lesion = add_exam(clinic), add_lesion(clinic)
    clients = _clients(app, clinic, exam.patient_id, stranger_lesion.patient_id)
    ids = {"exam": exam.id, "lesion": exam.lesion_id, "patient": exam.patient_id} | _others(clinic, exam.patient_id)
    told, fetched, seen = [], 0, set[str]()
    for route in _routes(app):
        named = re.findall(r"\{(\w+)_id\}", route.path or "")
        if not named or "GET" not in route.methods:
            continue
        guard, path = _guard(route), re.sub(r"\{(\w+)_id\}", lambda found: ids.get(found[1], "0" * 32), route.path)
        path = re.sub(r"\{\w+\}", "0", path)
        personal = guard.of in ("exam", "lesion", "patient", "consent", "link")
        for who, client in clients.items():
            if ("scope" in who) != path.startswith("/api/") and who != "nurse":
                continue  # keys open no page and sessions no API: asked once, as the nurse
            expected = _expected(who, guard, path, personal, clients)
            if expected == "in" and who != "own link" and route.path in seen:
                continue  # whoever may come in sees the same page: drawn once
            seen |= {route.path} if expected == "in" else set()
            answer, fetched = client.get(path), fetched + 1
            got = _got(answer)
            if got != expected or answer.status_code >= 500:
                told.append(f"{who} at {route.path}: {got} ({answer.status_code}), not {expected}: {_why(answer)}")
    assert told == [] and fetched > 80


def _others(clinic: Clinic, patient_id: str) -> dict[str, str]:
    with clinic.work(SYSTEM) as work:
        batch = Batch(id=work.new_id(), name="Batch", created_at=work.now, created_by="test", consent_language="en")
        hook = Webhook(id=work.new_id(), url="https://hooks.example/", secret=b"", events=[], created_at=work.now,
                       created_by="test")
        work.session.add_all([batch, hook])
        key = api_keys.create(work, name="k", scopes=["exams:read"], valid_for=None)[0]
        given = consent.give(work, patient_id=patient_id, scope=ConsentScope.CARE, language="en")
        link = tickets.digest(tickets.issue(work, purpose=tickets.Purpose.PATIENT, patient_id=patient_id))
    user = add_user(clinic, Role.NURSE).id
    return {"batch": batch.id, "webhook": hook.id, "key": key.id, "consent": given.id, "user": user, "link": link}


def test_what_is_not_there_and_what_is_somebody_elses_read_the_same(clinic: Clinic, app: FastAPI) -> None:
    exam, other = add_exam(clinic), add_lesion(clinic)
    client = open_link(app, clinic, other.patient_id)
    route = next(route.path for route in _routes(app) if getattr(_guard(route), "of", None) == "exam"
                 and _guard(route).permission is Permission.OWN_RECORDS and "GET" in route.methods)
    theirs, none = (client.get(route.replace("{exam_id}", key)) for key in (exam.id, "0" * 32))
    assert theirs.status_code == none.status_code == 404
    assert theirs.text.replace(exam.id, "") == none.text.replace("0" * 32, "")
    for odd in ("x", "0" * 31, "%00", "..%2f..%2fetc%2fpasswd", "'%20OR%201=1--", "0" * 33, "A" * 32):
        assert client.get(route.replace("{exam_id}", odd)).status_code == 404


def test_a_link_is_never_anybody_elses_actor(clinic: Clinic, app: FastAPI) -> None:
    lesion = add_lesion(clinic)
    actor = open_link(app, clinic, lesion.patient_id).actor
    assert actor.kind is ActorKind.LINK and actor.role is Role.PATIENT and len(actor.id) == 32
    assert policy.may(actor, Permission.OWN_RECORDS, patient_id=lesion.patient_id)
    assert not policy.may(actor, Permission.OWN_RECORDS, patient_id="0" * 32)
    assert not any(policy.may(actor, permission) for permission in Permission if permission != "own_records")
