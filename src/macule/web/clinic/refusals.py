"""How the clinic says no: a page in the clinic's own frame, a piece of one for htmx, JSON below /api.

Nothing here may need what is broken: with the database away the frame is drawn with the settings' defaults.
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match

from macule import messages
from macule.analysis.result import DISCLAIMER
from macule.errors import DatabaseAway, MaculeError, NotSignedIn, RecordInvalid
from macule.records import site
from macule.records.site import SiteSettings
from macule.web.clinic.door import SecondFactorMissing, Visit, looking
from macule.web.clinic.local import local
from macule.web.clinic.state import clinic_of, state_of
from macule.web.faults import code_of, headers_of, status_of
from macule.web.headers import HSTS, add_to

#: Seconds after which a page that could not be drawn asks again by itself.
RETRY_S = 15
SETUP = "/account#second-factor"


def install(app: FastAPI) -> None:
    app.add_exception_handler(MaculeError, _fault)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _surprise)


def _fault(request: Request, error: Exception) -> Response:
    fault = cast(MaculeError, error)  # the framework's signature is wider than what it was registered for
    request.state.fault = fault.code  # for the request's line in the log: never its text
    if not _machine(request):
        if isinstance(fault, NotSignedIn):
            return _elsewhere(request, _login(request))
        if isinstance(fault, SecondFactorMissing):
            return _elsewhere(request, SETUP)
    status, headers = status_of(fault), headers_of(fault)
    if status == 503:
        headers.setdefault("Retry-After", str(RETRY_S))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    fields = fault.fields if isinstance(fault, RecordInvalid) else {}
    return _reply(request, status, fault.code, str(fault), headers, fields=fields,
                  known=not isinstance(fault, DatabaseAway))


def _http(request: Request, error: Exception) -> Response:
    refusal = cast(HTTPException, error)
    code = code_of(refusal.status_code)
    return _reply(request, refusal.status_code, code, str(refusal.detail), dict(refusal.headers or {}))


def _invalid(request: Request, error: Exception) -> Response:
    """A path, query or body outside the route's schema. What was sent is not repeated: it may be somebody's."""
    fields = {_spot(fault["loc"]): str(fault["msg"]) for fault in cast(RequestValidationError, error).errors()}
    message = "; ".join(f"{name}: {text}" for name, text in fields.items())
    return _reply(request, 422, "invalid_request", f"the request does not fit: {message}.", {}, fields=fields)


def _spot(location: tuple[int | str, ...]) -> str:
    """("query", "page") is page."""
    return ".".join(str(part) for part in location[1:]) or str(location[0])


async def _surprise(request: Request, _: Exception) -> Response:
    """A bug. Its text may hold anything, so none of it is shown; the server's log has the traceback."""
    message = "macule failed on this request; the server's log says why."
    response = _reply(request, 500, "internal_error", message, {}, known=False)
    # This handler sits outside of the middleware.
    add_to(response.headers, HSTS if state_of(request).settings.secure_cookies else None)
    return response


def _machine(request: Request) -> bool:
    return request.url.path.startswith("/api/")


def _login(request: Request) -> str:
    """With the way back to a page; a form that was sent is not sent again by itself."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if "hx-request" in request.headers:
        shown = urlsplit(request.headers.get("hx-current-url", ""))
        asked = shown.path + (f"?{shown.query}" if shown.query else "")
    elif request.method not in ("GET", "HEAD"):
        asked = "/"
    asked = local(asked)
    return "/login" if asked == "/" else f"/login?next={quote(asked, safe='/')}"


def _elsewhere(request: Request, address: str) -> Response:
    """htmx would put the page of a redirect into a corner of this one; its own header moves the whole window."""
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": address})
    return RedirectResponse(address, status_code=303)


def _reply(
    request: Request, status: int, code: str, message: str, headers: dict[str, str], *,
    fields: dict[str, str] | None = None, known: bool = True,
) -> Response:
    """known: whether the database may be asked what this clinic is called."""
    if _machine(request):
        error: dict[str, Any] = {"code": code, "message": message} | ({"fields": fields} if fields else {})
        return JSONResponse({"error": error}, status_code=status, headers=headers)
    settings = _settings(request) if known else SiteSettings()
    visit = _visit(request) if known else None
    waits = status == 503 and request.method == "GET"
    context = {
        "visit": visit, "site": settings,
        "t": messages.catalogue(settings.language).text, "disclaimer": DISCLAIMER, "path": request.url.path,
        "code": code, "message": message, "status": status, "fields": fields or {}, "retry": RETRY_S if waits else None,
        "wait": headers.get("Retry-After"), "back": _way_back(request), "here": local(request.url.path),
    }
    piece = "hx-request" in request.headers
    template = "clinic/door/_refusal.html" if piece else "clinic/door/refusal.html"
    if waits and not piece:
        headers = headers | {"Refresh": str(RETRY_S)}
    page: Response = request.app.state.templates.TemplateResponse(
        request, template, context, status_code=status, headers=headers
    )
    return page


def _settings(request: Request) -> SiteSettings:
    try:
        with clinic_of(request).reading() as session:
            return site.read(session)
    except Exception:  # an error's page must not fail for want of a name
        return SiteSettings()


def _visit(request: Request) -> Visit | None:
    """Who looks at the page: whom the door let in, or whose address matched no route at all."""
    try:
        visit: Visit | None = getattr(request.state, "visit", None) or looking(request)
    except Exception:  # as above
        return None
    return visit.looking() if visit else None


def _way_back(request: Request) -> str:
    """The nearest page above the address that somebody sent a form to."""
    path = request.url.path
    first = path if request.method != "GET" else path.rpartition("/")[0]
    while first.strip("/"):
        scope = {**request.scope, "type": "http", "method": "GET", "path": first}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            return local(first)
        first = first.rpartition("/")[0]
    return "/"
