"""The one door: who is asking, may they, and does the form come from our own page.

Every route outside of PUBLIC carries `allow(...)`; a test walks them all.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Annotated, Any

from fastapi import Depends, Request

from macule.errors import NotAllowed, NotSignedIn
from macule.records import api_keys, policy, reach, sessions
from macule.records.domain import Actor
from macule.records.policy import Permission
from macule.web.clinic import cookies, proof
from macule.web.clinic.cookies import COOKIE, PLAIN_COOKIE
from macule.web.clinic.state import clinic_of, state_of

__all__ = ["COOKIE", "PLAIN_COOKIE", "PUBLIC", "SecondFactorMissing", "Visit", "address_of", "allow"]

#: What needs no session. Each of them that changes something is guarded by `proof.threshold`.
PUBLIC = frozenset({
    "/login", "/login/code", "/oidc/start", "/oidc/callback", "/setup/{secret}", "/invite/{secret}", "/reset/{secret}",
    "/p/{secret}", "/healthz", "/readyz", "/static", "/api", "/api/v1/openapi.json",
})
#: A page that asks again by itself says so with this header, so that a screen left open still signs itself out.
BY_ITSELF = "X-By-Itself"


class SecondFactorMissing(NotAllowed):
    """The site asks for a second factor and this person has none yet."""

    code = "second_factor_missing"


class Visit:
    """One request by somebody whom the door let in. csrf: the token that this session's forms must carry.

    Of a multipart form the token is not read yet: until `prove` has found it right, `actor` raises NotAllowed, so a
    route that forgets to ask can do nothing in anybody's name.
    """

    def __init__(self, actor: Actor, csrf: str, session_id: str | None = None, *, proved: bool = True) -> None:
        self._actor, self.csrf, self.session_id, self._proved = actor, csrf, session_id, proved

    @property
    def actor(self) -> Actor:
        """Raises: NotAllowed before a multipart form has proved where it comes from."""
        if not self._proved:
            raise NotAllowed(proof.STALE)
        return self._actor

    def prove(self, token: str | None) -> None:
        """token: what the form carried. Raises: NotAllowed if it is not this session's."""
        if not self._proved and not proof.same(token, self.csrf):
            raise NotAllowed(proof.STALE)
        self._proved = True

    def looking(self) -> Visit:
        """The same person, for a page that only shows: one that says why a form was refused."""
        return Visit(self._actor, self.csrf, self.session_id)

    def may(self, permission: Permission | str) -> bool:
        return policy.may(self._actor, Permission(permission))


def allow(permission: Permission | None, *, of: str | None = None) -> Any:
    """The dependency that guards a route.

    permission: None for whoever is signed in, in any role.
    of: the kind of object that the path names (`exam` for `{exam_id}`); it must exist and be within the actor's reach.
    Raises: NotSignedIn, NotAllowed, and NoSuchRecord for objects out of reach, so that nobody learns what exists.
    """

    def guard(request: Request, token: Annotated[str | None, Depends(proof.sent_token)]) -> Visit:
        visit = _by_key(request) or _by_cookie(request, token, permission)
        request.state.visit = visit
        if permission is not None and not visit.may(permission):
            actor = visit._actor
            raise NotAllowed(f"your role ({actor.role.value}) does not include this: ask an administrator.")
        if permission is not None and of is not None:
            with clinic_of(request).reading() as session:
                reach.require(session, actor=visit._actor, permission=permission, kind=of,
                              key=request.path_params[f"{of}_id"])
        return visit

    guard.permission, guard.of = permission, of  # type: ignore[attr-defined] # read by the test that walks the routes
    return Depends(guard)


def address_of(request: Request) -> str:
    """The client's address, for rate limits; of IPv6 the /64, which one customer has whole."""
    host = request.client.host if request.client else "unknown"
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:  # a proxy's socket, a test's client
        return host
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))


def idle_time(request: Request) -> timedelta:
    return timedelta(minutes=state_of(request).settings.session_minutes)


def _by_key(request: Request) -> Visit | None:
    """A machine, below /api/ only. Whoever sends a key is judged by it alone: a cookie beside it counts for nothing."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if not kind or not request.url.path.startswith("/api/"):
        return None
    clinic = clinic_of(request)
    with clinic.reading() as session:
        actor = api_keys.actor_of(session, secret=secret.strip(), now=clinic.clock())
    if kind.lower() != "bearer" or actor is None:
        raise NotSignedIn("the API key is not valid, or not any more: send Authorization: Bearer KEY.")
    api_keys.touch(clinic, key_id=actor.id)
    return Visit(actor, "")


def _by_cookie(request: Request, token: str | None, permission: Permission | None) -> Visit:
    found = signed(request)
    if found is None or found.half:
        raise NotSignedIn("nobody is signed in, or the session has ended: sign in.")
    visit = Visit(found.actor, found.csrf, found.id, proved=_proved(request, token, found.csrf))
    if found.must_set_up and permission not in (None, Permission.OWN_ACCOUNT):
        raise SecondFactorMissing("this clinic asks for a second factor: set one up on your account's page first.")
    if found.stale and BY_ITSELF not in request.headers:
        sessions.touch(clinic_of(request), session_id=found.id)
    return visit


def signed(request: Request) -> sessions.Signed | None:
    """Whose session's token the browser holds, if it is alive."""
    token = cookies.read(request)
    if token is None:
        return None
    clinic = clinic_of(request)
    with clinic.reading() as session:
        return sessions.find(session, token=token, now=clinic.clock(), idle=idle_time(request))


def looking(request: Request) -> Visit | None:
    """Who looks at a page that is open to all."""
    found = signed(request)
    return None if found is None or found.half else Visit(found.actor, found.csrf, found.id)


def _proved(request: Request, token: str | None, csrf: str) -> bool:
    """Raises: NotAllowed for a forged request."""
    if request.method in proof.SAFE:
        return True
    proof.require_own_page(request)
    if token is None and proof.kind_of(request) == "multipart/form-data":
        return False
    if not proof.same(token, csrf):
        raise NotAllowed(proof.STALE)
    return True
