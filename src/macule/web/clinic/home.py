"""The front door's other side: everybody lands where their work is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from macule.records.domain import Role
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.pages import see_other

router = APIRouter(include_in_schema=False)

HOMES = {Role.NURSE: "/patients", Role.DERMATOLOGIST: "/worklist", Role.ADMIN: "/admin/users", Role.PATIENT: "/my"}


@router.get("/")
def home(visit: Annotated[Visit, allow(None)]) -> Response:
    return see_other(HOMES[visit.actor.role])
