"""Signing in through the hospital's own identity provider: OpenID Connect, code flow with PKCE, state and nonce.

Optional; it needs the `clinic` extra. The provider vouches for who somebody is; what they may do here is decided here,
or by a claim that the deployment maps to roles.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from macule.errors import EnvironmentFault, KeyMissing, MissingExtra, NotSignedIn, PictureDamaged
from macule.records.ports import Seals

TIMEOUT_S = 5.0
#: Asymmetric only: a token signed with our own client secret, or with nothing, is no word of the provider.
ALGORITHMS = ["RS256", "PS256", "ES256"]
SLACK = timedelta(seconds=60)
TRIP = timedelta(minutes=10)
CONTEXT = b"oidc-trip"


class ProviderAway(EnvironmentFault):
    """The identity provider does not answer, or not as OpenID Connect asks."""

    code = "provider_away"


@dataclass(frozen=True)
class Registration:
    """What the provider and this installation know of each other.

    role_claim: name of the claim, and roles: {a value of it: our role}; without them people are invited first.
    """

    issuer: str
    client_id: str
    client_secret: str
    role_claim: str | None = None
    roles: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Trip:
    """What is kept, sealed in a cookie, of somebody who is at the provider. away: where to go on to afterwards."""

    state: str
    nonce: str
    verifier: str
    away: str
    begun: float

    def sealed(self, seals: Seals) -> str:
        content = json.dumps(self.__dict__).encode()
        return base64.urlsafe_b64encode(seals.seal(content, context=CONTEXT)).decode()

    @classmethod
    def opened(cls, sealed: str | None, seals: Seals, *, now: datetime) -> Trip:
        """Raises: NotSignedIn for none, an altered or an old one; KeyMissing."""
        try:
            trip = cls(**json.loads(seals.unseal(base64.urlsafe_b64decode(sealed or ""), context=CONTEXT)))
        except KeyMissing:
            raise
        except (ValueError, TypeError, PictureDamaged, EnvironmentFault):
            raise NotSignedIn("the sign-in was not begun in this browser: start again.") from None
        if not 0 <= now.timestamp() - trip.begun <= TRIP.total_seconds():
            raise NotSignedIn("the sign-in took too long: start again.")
        return trip


@dataclass(frozen=True)
class Person:
    """Whom the provider vouches for. subject: theirs for good; email: only if the provider has verified it.

    by_claim: a claim decides on roles here; role: what it says.
    """

    subject: str
    email: str | None
    name: str
    by_claim: bool
    role: str | None


class Provider:
    """One for each process; its addresses and keys are fetched when first needed, its keys again when they change."""

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self._known: dict[str, Any] | None = None
        self._keys: Any = None
        self._fetching = threading.Lock()

    def depart(self, *, redirect_uri: str, away: str, now: datetime) -> tuple[str, Trip]:
        """Returns: the provider's address to go to, and what to keep meanwhile. Raises: ProviderAway, MissingExtra."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        trip = Trip(state, nonce, verifier, away, now.timestamp())
        with self._client(redirect_uri) as client:
            address, _ = client.create_authorization_url(
                self._about()["authorization_endpoint"], state=trip.state, nonce=trip.nonce, code_verifier=trip.verifier
            )
        return str(address), trip

    def arrive(self, *, query: Mapping[str, str], trip: Trip, redirect_uri: str, now: datetime) -> Person:
        """query: what the provider sent the browser back with.

        Raises: NotSignedIn for anything but a fresh, rightly signed token for this very trip; ProviderAway.
        """
        if not secrets.compare_digest(query.get("state", "").encode(), trip.state.encode()):
            raise NotSignedIn("the sign-in was not begun in this browser: start again.")
        if "error" in query or "code" not in query:
            raise NotSignedIn("the provider did not sign you in: start again, or ask whoever runs it.")
        # RFC 9207: the answer of another provider must not be taken to this one.
        if query.get("iss", self.registration.issuer) != self.registration.issuer:
            raise NotSignedIn("the answer came from another provider: start again.")
        claims = self._checked(self._exchange(query["code"], trip, redirect_uri), trip.nonce, now)
        return self._person(claims)

    def _exchange(self, code: str, trip: Trip, redirect_uri: str) -> str:
        import httpx
        from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]

        try:
            with self._client(redirect_uri) as client:
                answer = client.fetch_token(self._about()["token_endpoint"], code=code, code_verifier=trip.verifier)
        except OAuthError as error:
            raise NotSignedIn("the provider did not accept this sign-in: start again.") from error
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderAway("the identity provider does not answer: try again in a moment.") from error
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderAway("the identity provider sent no ID token: is it an OpenID Connect provider?")
        return token

    def _checked(self, token: str, nonce: str, now: datetime) -> dict[str, Any]:
        """The token's claims, as OpenID Connect Core 3.1.3.7 checks them."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        claims: dict[str, Any] | None = None
        for renewed in (False, True):  # an unknown key may be a new one: look again, once
            try:
                claims = dict(jwt.decode(token, self._key_set(renewed), algorithms=ALGORITHMS).claims)
                break
            except (JoseError, ValueError) as error:
                if renewed:
                    raise NotSignedIn("the provider's token is not rightly signed: start again.") from error
        claims, at, slack = claims or {}, now.timestamp(), SLACK.total_seconds()
        audience = claims.get("aud")
        audience = [audience] if isinstance(audience, str) else audience
        right = (
            claims.get("iss") == self.registration.issuer
            and isinstance(audience, list) and self.registration.client_id in audience
            and (len(audience) == 1 or claims.get("azp") == self.registration.client_id)
            and _number(claims.get("exp")) > at - slack
            and _number(claims.get("iat")) < at + slack
            and secrets.compare_digest(str(claims.get("nonce")).encode(), nonce.encode())
            and isinstance(claims.get("sub"), str) and claims["sub"]
        )
        if not right:
            raise NotSignedIn("the provider's token is not for this sign-in: start again.")
        return claims

    def _person(self, claims: Mapping[str, Any]) -> Person:
        email = claims.get("email") if claims.get("email_verified") is True else None
        name = claims.get("name") or claims.get("preferred_username") or email or "Unnamed"
        subject = f"{self.registration.issuer}#{claims['sub']}"
        return Person(subject[:300], email, str(name)[:80], self.registration.role_claim is not None,
                      self._role(claims))

    def _role(self, claims: Mapping[str, Any]) -> str | None:
        """Of several that are mapped, the first in the deployment's own order."""
        if self.registration.role_claim is None:
            return None
        held = claims.get(self.registration.role_claim)
        held = [held] if isinstance(held, str) else held if isinstance(held, list) else []
        return next((role for value, role in (self.registration.roles or {}).items() if value in held), None)

    def _about(self) -> dict[str, Any]:
        with self._fetching:
            if self._known is None:
                about = _fetched(self.registration.issuer.rstrip("/") + "/.well-known/openid-configuration")
                if about.get("issuer") != self.registration.issuer:
                    raise ProviderAway(f"the provider calls itself {str(about.get('issuer'))[:200]!r}, which is not "
                                       f"{self.registration.issuer!r}: correct MACULE_OIDC_ISSUER.")
                self._known = about
            return self._known

    def _key_set(self, renewed: bool) -> Any:
        from joserfc.jwk import KeySet

        about = self._about()
        with self._fetching:
            if self._keys is None or renewed:
                self._keys = KeySet.import_key_set(_fetched(about["jwks_uri"]))  # type: ignore[arg-type]
            return self._keys

    def _client(self, redirect_uri: str) -> Any:
        try:
            from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped]
        except ModuleNotFoundError as error:
            raise MissingExtra("a provider's sign-in needs authlib and httpx: install 'macule[clinic]'.") from error
        return OAuth2Client(
            self.registration.client_id, self.registration.client_secret, scope="openid email profile",
            redirect_uri=redirect_uri, code_challenge_method="S256", timeout=TIMEOUT_S,
        )


def _fetched(address: str) -> dict[str, Any]:
    import httpx

    try:
        answer = httpx.get(address, timeout=TIMEOUT_S, follow_redirects=False)
        answer.raise_for_status()
        content = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ProviderAway("the identity provider does not answer: try again in a moment.") from error
    if not isinstance(content, dict):
        raise ProviderAway("the identity provider's answer is no JSON object: check MACULE_OIDC_ISSUER.")
    return content


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
