"""How long a request's body may be before anybody has looked at who sends it."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from macule.web.clinic.forms import MAX_BYTES

#: JSON to the API: a review, a webhook; pictures come as multipart forms.
MAX_JSON_BYTES = 256 * 1024
#: Read by their routes, which count for themselves and know who sends.
STREAMED = ("multipart/form-data", "application/octet-stream", "application/zip", "image/")


class BodyLimit:
    """ASGI middleware: 413 for plain forms and JSON over their limits, by the declared length or by what comes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = _limit(Headers(scope=scope)) if scope["type"] == "http" else None
        await self._app(scope, receive if limit is None else _Counted(receive, limit, scope), send)


class _Counted:
    def __init__(self, receive: Receive, limit: int, scope: Scope) -> None:
        self._receive, self._left, self._limit = receive, limit, limit
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > limit:
            self._left = -1

    async def __call__(self) -> Message:
        # Refused at the first read, not at once: what nobody reads costs nothing, and errors have one way out.
        message = {"type": "http.request"} if self._left < 0 else await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise HTTPException(413, f"the body is over {self._limit // 1024} KB; send less.")
        return message


def _limit(headers: Headers) -> int | None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith(STREAMED):
        return None
    return MAX_JSON_BYTES if kind.endswith("json") else MAX_BYTES
