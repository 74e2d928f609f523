"""What every route of the API shares: keys only, JSON only, and errors that name what is missing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response

from macule.errors import NotAllowed, NotSignedIn, RecordInvalid
from macule.records.policy import BY_SCOPE, Permission
from macule.web.clinic.bodies import STREAMED
from macule.web.clinic.door import Visit
from macule.web.clinic.proof import kind_of
from macule.web.faults import MalformedRequest

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ApiRoute(APIRoute):
    """Errors become JSON in `refusals`; here they are made to say what a program needs."""

    def get_route_handler(self) -> Handler:
        inner, needed = super().get_route_handler(), permission_of(self)

        async def handler(request: Request) -> Response:
            if self.body_field is not None and kind_of(request).startswith(STREAMED):
                # `bodies` leaves these to their routes, and the framework would read one to its end.
                raise MalformedRequest(f"content type is {kind_of(request)!r}; send application/json.")
            try:
                return await inner(request)
            except RequestValidationError as error:
                raise invalid(error.errors()) from None
            except NotAllowed as fault:
                visit: Visit | None = getattr(request.state, "visit", None)
                if visit is not None and visit.may(needed):
                    raise
                raise NotAllowed(f"this key lacks the scope: it needs {' or '.join(scopes_of(self))}.") from fault

        return handler


def keys_only(request: Request) -> None:
    """A browser's session opens nothing here: so no page elsewhere can make a browser use this API."""
    if request.headers.get("authorization", "").partition(" ")[0].lower() != "bearer":
        raise NotSignedIn("there is no API key: send the header `Authorization: Bearer KEY`.")


def make_router(tag: str) -> APIRouter:
    return APIRouter(tags=[tag], route_class=ApiRoute, dependencies=[Depends(keys_only)],
                     generate_unique_id_function=lambda route: route.name)


def invalid(errors: Iterable[Any]) -> RecordInvalid:
    """errors: pydantic's. What was sent is not repeated: it may be long, or nothing that JSON can hold."""
    fields = {}
    for error in errors:
        place = [str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")]
        fields[_plain(".".join(place)) or "body"] = _plain(str(error["msg"]))
    return RecordInvalid("; ".join(f"{name}: {text}" for name, text in list(fields.items())[:10]), fields=fields)


def _plain(text: str) -> str:
    """Half of a surrogate pair cannot be sent."""
    return text[:200].encode("ascii", "backslashreplace").decode()


def permission_of(route: APIRoute) -> Permission:
    """What the door asks for on this route; each has a guard."""
    asked = (getattr(dependency.call, "permission", None) for dependency in route.dependant.dependencies)
    return Permission(next(permission for permission in asked if permission is not None))


def scopes_of(route: APIRoute) -> list[str]:
    """The scopes of which a key needs one."""
    needed = permission_of(route)
    return [scope for scope, permissions in BY_SCOPE.items() if needed in permissions]
