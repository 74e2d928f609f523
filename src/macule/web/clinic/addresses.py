"""Addresses that no page of ours has: a NUL in a path or a query is somebody trying, and PostgreSQL refuses it late."""

from __future__ import annotations

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send


class PlainAddresses:
    """ASGI middleware: refuses them before anything is looked up, with 422 below /api/ and 404 elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ("\0" in scope["path"] or b"%00" in scope["query_string"]):
            await _refusal(scope["path"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _refusal(path: str) -> Response:
    message = "the address holds a NUL character: leave it out."
    if path.startswith("/api/"):
        return JSONResponse({"error": {"code": "record_invalid", "message": message}}, status_code=422)
    return PlainTextResponse("There is no such page.", status_code=404)
