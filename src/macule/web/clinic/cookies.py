"""The cookies: the session's token, the token of forms that come before signing in, and a sign-in that is elsewhere."""

from __future__ import annotations

import secrets

from fastapi import Request
from starlette.responses import Response

from macule.web.clinic.state import state_of

#: `__Host-` binds a cookie to this host and to https: a neighbouring host cannot plant one (RFC 6265bis, 4.1.3.2).
HOST = "__Host-"
PLAIN_COOKIE = "macule"
COOKIE = HOST + PLAIN_COOKIE
STEP, ELSEWHERE = "macule-step", "macule-elsewhere"
#: Seconds that somebody may take at the hospital's own sign-in.
AWAY_S = 600


def name_of(request: Request, plain: str = PLAIN_COOKIE) -> str:
    return HOST + plain if state_of(request).settings.secure_cookies else plain


def read(request: Request, plain: str = PLAIN_COOKIE) -> str | None:
    return request.cookies.get(name_of(request, plain)) or None


def put(request: Request, response: Response, value: str, plain: str = PLAIN_COOKIE, *, age: int | None = None) -> None:
    """age: seconds; None ends with the browser.

    Lax and not Strict: with Strict, who follows a link from a mail or a chat would seem to be signed out. What changes
    something is a POST, which Lax withholds from other sites, and carries a token besides.
    """
    response.set_cookie(
        name_of(request, plain), value, max_age=age, path="/", secure=state_of(request).settings.secure_cookies,
        httponly=True, samesite="lax",
    )


def drop(request: Request, response: Response, plain: str = PLAIN_COOKIE) -> None:
    response.delete_cookie(
        name_of(request, plain), path="/", secure=state_of(request).settings.secure_cookies, httponly=True,
        samesite="lax",
    )


def fresh() -> str:
    return secrets.token_urlsafe(32)
