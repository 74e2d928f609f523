"""A small OpenID Connect provider: real HTTP on this machine, real RS256 tokens, PKCE checked as it has to be."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from clinic_testing import START
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "macule", "the client's secret"


@dataclass
class LocalProvider:
    """claims: of who signs in next. spoil: changes to the token before it is signed. signer: an impostor's key."""

    claims: dict[str, Any] = field(default_factory=lambda: {
        "sub": "kim-1", "name": "Kim Berg", "email": "kim@clinic.example", "email_verified": True})
    spoil: dict[str, Any] = field(default_factory=dict)
    now: datetime = START
    issuer: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    signer: RSAKey | None = None

    def authorize(self, address: str) -> str:
        """What somebody does at the provider: sign in there. Returns: the query that their browser comes back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split() and asked["client_id"] == CLIENT
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"code={code}&state={asked['state']}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        asked = self.codes.pop(form.get("code", ""), None)  # once
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).rstrip(b"=")
        expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None or asked["code_challenge"] != challenge.decode() or authorization != expected:
            return None
        at = int(self.now.timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": at, "exp": at + 300, "nonce": asked["nonce"]} | self.claims
        claims = {name: value for name, value in (claims | self.spoil).items() if value is not None}
        signer = self.signer or self.key
        signed = jwt.encode({"alg": "RS256", "kid": str(signer.kid)}, claims, signer)
        return {"access_token": "unused", "token_type": "Bearer", "id_token": signed}


@contextmanager
def serve(provider: LocalProvider) -> Iterator[LocalProvider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/.well-known/openid-configuration":
                base = provider.issuer
                self._answer(200, {"issuer": base, "authorization_endpoint": f"{base}/authorize",
                                   "token_endpoint": f"{base}/token", "jwks_uri": f"{base}/keys"})
            else:
                self._answer(200, {"keys": [provider.key.as_dict(private=False)]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            answer = provider.token(form, self.headers.get("authorization", ""))
            self._answer(400 if answer is None else 200, answer or {"error": "invalid_grant"})

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
