"""The headers that every answer carries, errors included."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: `data:` carries the picture and its heatmap, which are never stored; `blob:` is the browser's own preview.
CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:", "connect-src 'self'",
    "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'", "object-src 'none'",
))
SECURITY = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers older than frame-ancestors
    "Referrer-Policy": "no-referrer",
    # A file input with `capture` hands over to the phone's own camera application; the page itself needs no camera.
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: On the pages that take pictures themselves, with a live preview.
CAMERA = SECURITY["Permissions-Policy"].replace("camera=()", "camera=(self)")
#: Two years, as the browsers' preload lists ask; sent only where the site is known to be https.
HSTS = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains"}


class SecurityHeaders:
    """ASGI middleware. An answer that sets no Cache-Control is kept by nobody: it may hold a patient's picture.

    more: headers of this application beside the common ones. camera: matches the paths whose page uses the camera.
    """

    def __init__(
        self, app: ASGIApp, more: Mapping[str, str] | None = None, camera: re.Pattern[str] | None = None
    ) -> None:
        self._app, self._more, self._camera = app, dict(more or {}), camera

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_to(MutableHeaders(scope=message), self._chosen(scope["path"]))
            await send(message)

        await self._app(scope, receive, guarded if scope["type"] == "http" else send)

    def _chosen(self, path: str) -> dict[str, str]:
        seeing = self._camera is not None and self._camera.search(path) is not None
        return self._more | ({"Permissions-Policy": CAMERA} if seeing else {})


def add_to(headers: MutableHeaders, more: Mapping[str, str] | None = None) -> None:
    for name, value in {**SECURITY, **(more or {})}.items():
        headers[name] = value
    headers.setdefault("Cache-Control", "no-store")
