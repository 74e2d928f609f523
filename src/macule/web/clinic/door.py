"""The one door: who is asking, may they, and does the form come from our own page.

Every route outside of PUBLIC carries `allow(...)`; a test walks them all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import Depends, Request

from macule.errors import NoSuchRecord, NotAllowed, NotSignedIn
from macule.records import policy
from macule.records.domain import Actor, ActorKind, Role
from macule.records.policy import Permission
from macule.records.tables import Base, Batch, Exam, Lesion, LoginSession, Patient, User
from macule.web.clinic.state import clinic_of, state_of

#: `__Host-` binds the cookie to this host and path; browsers accept it over https only.
COOKIE = "__Host-macule"
PLAIN_COOKIE = "macule"
#: What a path parameter names: `{exam_id}` is guarded by `allow(..., of="exam")`.
KINDS: dict[str, type[Base]] = {"exam": Exam, "lesion": Lesion, "patient": Patient, "batch": Batch}


@dataclass(frozen=True)
class Visit:
    """One request by somebody whom the door let in. csrf: the token that this session's forms must carry."""

    actor: Actor
    csrf: str
    session_id: str | None = None

    def may(self, permission: Permission | str) -> bool:
        return policy.may(self.actor, Permission(permission))


def allow(permission: Permission, *, of: str | None = None) -> Any:
    """The dependency that guards a route.

    of: the kind of object that the path names (`exam` for `{exam_id}`); it must exist and be within the actor's reach.
    Raises: NotSignedIn, NotAllowed, and NoSuchRecord for objects out of reach, so that nobody learns what exists.
    """

    def guard(request: Request) -> Visit:
        visit = _visit(request)
        if not policy.may(visit.actor, permission):
            raise NotAllowed(f"your role ({visit.actor.role.value}) does not include this: ask an administrator.")
        if of is not None:
            _within_reach(request, visit, permission, of)
        return visit

    guard.permission, guard.of = permission, of  # type: ignore[attr-defined] # read by the test that walks the routes
    return Depends(guard)


def cookie_name(request: Request) -> str:
    return COOKIE if state_of(request).settings.secure_cookies else PLAIN_COOKIE


def _visit(request: Request) -> Visit:
    token = request.cookies.get(cookie_name(request))
    if not token:
        raise NotSignedIn("nobody is signed in: sign in first.")
    clinic = clinic_of(request)
    with clinic.reading() as session:
        found = session.get(LoginSession, hashlib.sha256(token.encode()).hexdigest())
        idle = timedelta(minutes=state_of(request).settings.session_minutes)
        if found is None or found.seen_at < clinic.clock() - idle:
            raise NotSignedIn("your session has ended: sign in again.")
        user = session.get(User, found.user_id) if found.user_id else None
        if user is None or not user.active:
            raise NotSignedIn("your session has ended: sign in again.")
        return Visit(Actor(ActorKind.USER, user.id, user.name, Role(user.role)), found.csrf, found.id)


def _within_reach(request: Request, visit: Visit, permission: Permission, kind: str) -> None:
    key = request.path_params[f"{kind}_id"]
    with clinic_of(request).reading() as session:
        row: Any = session.get(KINDS[kind], key)
        patient_id = getattr(row, "patient_id", None) or (key if kind == "patient" else None)
    if row is None or not policy.may(visit.actor, permission, patient_id=patient_id):
        raise NoSuchRecord(f"there is no {kind} {key!r} that you may see: check the address.")


Guard = Callable[[Request], Visit]
