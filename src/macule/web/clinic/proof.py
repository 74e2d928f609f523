"""Does the form come from our own page? Two checks, either of which stops a forged request by itself.

1. What the browser says of the request's origin: Sec-Fetch-Site, or Origin where that is missing.
2. A token that only our pages know: of the session, or, before there is one, of a cookie that came with the form.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.responses import Response

from macule.errors import NotAllowed
from macule.web.clinic import cookies
from macule.web.clinic.state import state_of

HEADER, FIELD = "X-CSRF-Token", "csrf_token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
STALE = "this form is not from this session's own page: load the page again and repeat."


async def sent_token(request: Request) -> str | None:
    """The token that came with the request: in the header, or in a plain form. None if there is none in either.

    A multipart form is read later, as it streams: whoever reads it proves the token (`Visit.prove`).
    """
    if request.method in SAFE:
        return None
    header = request.headers.get(HEADER)
    if header is not None:
        return header
    if kind_of(request) != "application/x-www-form-urlencoded":
        return None
    field = (await request.form(max_files=0, max_fields=200)).get(FIELD)
    return field if isinstance(field, str) else None


def kind_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def require_own_page(request: Request) -> None:
    """Raises: NotAllowed for what another site sent."""
    if request.method in SAFE:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        raise NotAllowed("this form was sent by another site: open the page here and repeat.")
    # Under Referrer-Policy no-referrer browsers call even our own origin null; Sec-Fetch-Site has spoken then.
    if origin not in (None, "null") and urlsplit(origin).netloc not in _own(request):
        raise NotAllowed("this form was sent by another site: open the page here and repeat.")


def _own(request: Request) -> set[str]:
    known = urlsplit(state_of(request).settings.public_url or "").netloc
    return {request.headers.get("host", ""), known} - {""}


def same(sent: str | None, expected: str) -> bool:
    return bool(expected) and hmac.compare_digest((sent or "").encode(), expected.encode())


@dataclass(frozen=True)
class Step:
    """Somebody at the threshold, not signed in. csrf: for the form; it fits the cookie, which goes with the answer."""

    csrf: str
    cookie: str

    def keep(self, request: Request, response: Response) -> Response:
        cookies.put(request, response, self.cookie, cookies.STEP)
        return response


def _step(request: Request, sent: Annotated[str | None, Depends(sent_token)]) -> Step:
    held = cookies.read(request, cookies.STEP)
    if request.method not in SAFE:
        require_own_page(request)
        if held is None or not same(sent, _token(held)):
            raise NotAllowed(STALE)
    cookie = held or cookies.fresh()
    return Step(_token(cookie), cookie)


def _token(cookie: str) -> str:
    return hashlib.sha256(b"step:" + cookie.encode()).hexdigest()


#: `step: Annotated[Step, threshold]` guards the forms of who is not signed in: nobody can sign a victim in as
#: themselves (login CSRF).
threshold = Depends(_step)
