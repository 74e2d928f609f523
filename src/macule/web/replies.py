"""How errors leave: JSON below /api, a page elsewhere."""

from __future__ import annotations

from typing import cast

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from macule.analysis.result import DISCLAIMER
from macule.errors import MaculeError
from macule.web.faults import code_of, headers_of, status_of
from macule.web.headers import add_to


def install(app: FastAPI) -> None:
    app.add_exception_handler(MaculeError, _fault)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _surprise)


async def _fault(request: Request, error: Exception) -> Response:
    fault = cast(MaculeError, error)  # the framework's signature is wider than what it was registered for
    return _reply(request, status_of(fault), fault.code, str(fault), headers_of(fault))


async def _http(request: Request, error: Exception) -> Response:
    refusal = cast(HTTPException, error)
    code = code_of(refusal.status_code)
    return _reply(request, refusal.status_code, code, str(refusal.detail), dict(refusal.headers or {}))


async def _surprise(request: Request, _: Exception) -> Response:
    """A bug. Its text may hold anything, so none of it is shown; the server's log has the traceback."""
    response = _reply(request, 500, "internal_error", "macule failed on this request; the server's log says why.", {})
    add_to(response.headers)  # this handler sits outside of the middleware
    return response


def _reply(request: Request, status: int, code: str, message: str, headers: dict[str, str]) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": {"code": code, "message": message}}, status_code=status, headers=headers)
    context = {"code": code, "message": message, "status": status, "disclaimer": DISCLAIMER}
    page: Response = request.app.state.templates.TemplateResponse(
        request, "error.html", context, status_code=status, headers=headers
    )
    return page
