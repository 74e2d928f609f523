"""One line in the log for each request: which route, who, how it ended and how long it took. No address as it came."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("macule.request")

HEADER = "X-Request-ID"
_ID = re.compile(r"[0-9a-f]{32}")


class RequestLog:
    """ASGI middleware. Every answer carries the id under which the log speaks of it.

    The id is always our own: one that the browser sends could carry anything into the log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, began, seen = secrets.token_hex(8), time.perf_counter(), {"status": 0, "bytes_out": 0}

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            elif message["type"] == "http.response.body":
                seen["bytes_out"] += len(message.get("body", b""))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, watched)
            except Exception:
                log.error("request failed", exc_info=True, extra=_about(scope, began) | seen | {"status": 500})
                raise
            log.info("request", extra=_about(scope, began) | seen)


def _about(scope: Scope, began: float) -> dict[str, Any]:
    about: dict[str, Any] = {
        "method": scope["method"] if scope["method"].isalpha() else "?", "route": _route(scope),
        "ms": round((time.perf_counter() - began) * 1000, 1),
    }
    visit, fault = scope.get("state", {}).get("visit"), scope.get("state", {}).get("fault")
    if visit is not None:
        actor = visit.looking().actor
        about |= {"actor": actor.id, "role": actor.role.value}
    exam = scope.get("path_params", {}).get("exam_id", "")
    if _ID.fullmatch(exam):
        about["exam"] = exam
    return about | ({"error": fault} if fault else {})


def _route(scope: Scope) -> str:
    """The template, `/exams/{exam_id}`: what stands in its place may be a secret."""
    path = getattr(scope.get("route"), "path", None)
    if path is not None:
        return str(path)
    return "/static" if str(scope.get("path", "")).startswith("/static/") else "(none)"
