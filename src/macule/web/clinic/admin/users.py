"""Who works here: inviting, roles, closing accounts, new passwords."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from macule.errors import RecordInvalid
from macule.records import accounts
from macule.records.policy import Permission
from macule.records.tables import User
from macule.records.tickets import PATHS, VALID_FOR, Purpose
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.state import address_here, clinic_of

router = APIRouter(prefix="/admin/users", include_in_schema=False)
Manager = Annotated[Visit, allow(Permission.MANAGE_USERS)]
ManagerOf = Annotated[Visit, allow(Permission.MANAGE_USERS, of="user")]
#: What each role is for, in the words of the form.
ROLES = {
    "nurse": ("Nurse", "Registers patients, takes pictures and reads answers."),
    "dermatologist": ("Dermatologist", "All that, and decides on cases."),
    "admin": ("Administrator", "Runs the place: people, settings, audit. Works without pictures, but can export them."),
}


@router.get("")
def users(request: Request, visit: Manager) -> Response:
    return _list(request, visit)


@router.post("")
def invite(request: Request, visit: Manager, fields: Annotated[Fields, form_fields]) -> Response:
    try:
        with clinic_of(request).work(visit.actor) as work:
            user, secret = accounts.invite(
                work, email=fields.get("email", ""), name=fields.get("name", ""), role=fields.get("role", "")
            )
    except RecordInvalid as fault:
        return _list(request, visit, sent=fields, wrong=fault.fields)
    return _link(request, visit, user, Purpose.INVITE, secret, days=VALID_FOR[Purpose.INVITE].days)


@router.get("/{user_id}")
def user_page(request: Request, user_id: str, visit: ManagerOf) -> Response:
    return _one(request, visit, user_id)


@router.post("/{user_id}/role")
def change_role(request: Request, user_id: str, visit: ManagerOf, fields: Annotated[Fields, form_fields]) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        accounts.change_role(work, user_id=user_id, role=fields.get("role", ""), version=version_of(fields))
    return see_other(f"/admin/users/{user_id}")


@router.post("/{user_id}/close")
def close(request: Request, user_id: str, visit: ManagerOf, fields: Annotated[Fields, form_fields]) -> Response:
    return _set_active(request, user_id, visit, fields, active=False)


@router.post("/{user_id}/open")
def reopen(request: Request, user_id: str, visit: ManagerOf, fields: Annotated[Fields, form_fields]) -> Response:
    return _set_active(request, user_id, visit, fields, active=True)


@router.post("/{user_id}/reset")
def reset(request: Request, user_id: str, visit: ManagerOf) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        secret = accounts.reset(work, user_id=user_id)
        user = work.get(User, user_id)
    never_came = user.password_hash is None and user.oidc_subject is None
    return _link(request, visit, user, Purpose.INVITE if never_came else Purpose.RESET, secret, days=1)


@router.post("/{user_id}/second-factor/remove")
def remove_second_factor(request: Request, user_id: str, visit: ManagerOf) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        accounts.remove_second_factor(work, user_id=user_id)
    return see_other(f"/admin/users/{user_id}")


def version_of(fields: Fields) -> int:
    """The version that the form was made from. Raises: RecordInvalid: a form of ours always has one."""
    text = fields.get("version", "")
    if not text.isdecimal() or len(text) > 9:
        raise RecordInvalid(f"version is {text[:20]!r}, which is no number: load the page again.")
    return int(text)


def _set_active(request: Request, user_id: str, visit: Visit, fields: Fields, *, active: bool) -> Response:
    with clinic_of(request).work(visit.actor) as work:
        accounts.set_active(work, user_id=user_id, active=active, version=version_of(fields))
    return see_other("/admin/users" if user_id == visit.actor.id else f"/admin/users/{user_id}")


def _list(
    request: Request, visit: Visit, *, sent: Fields | None = None, wrong: dict[str, str] | None = None
) -> Response:
    with clinic_of(request).reading() as session:
        people = accounts.listed(session)
    return render(request, "admin/users.html", visit=visit, people=people, roles=ROLES, sent=sent or {},
                  wrong=wrong or {}, status=422 if wrong else 200)


def _one(request: Request, visit: Visit, user_id: str) -> Response:
    with clinic_of(request).reading() as session:
        user = accounts.get(session, user_id)
    return render(request, "admin/user.html", visit=visit, user=user, roles=ROLES)


def _link(request: Request, visit: Visit, user: User, purpose: Purpose, secret: str, *, days: int) -> Response:
    """Shown in the answer to the form itself: the secret is nowhere else."""
    return render(request, "admin/link.html", visit=visit, user=user, purpose=purpose.value, days=days,
                  link=address_here(request) + PATHS[purpose] + secret)
