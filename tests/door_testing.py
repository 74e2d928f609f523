"""What the tests of the door share: cheap hashing, a stranger's browser, forms filled in as a browser fills them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from argon2 import PasswordHasher
from clinic_testing import add_user
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from fastapi import FastAPI
from httpx import Response
from starlette.testclient import TestClient

from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Actor, Role
from macule.records.passwords import Hasher
from macule.records.tables import User

PASSWORD = "seven quiet lanterns"  # noqa: S105


def cheap() -> Hasher:
    """argon2id that costs next to nothing. Only ever passed in: the application's own default is not touched."""
    return Hasher(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def stranger(app: FastAPI) -> TestClient:
    app.state.clinic.hasher = cheap()
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False)


def add_login(clinic: Clinic, role: Role = Role.NURSE, *, email: str = "kim@clinic.example") -> Actor:
    """Somebody who signs in with PASSWORD."""
    actor = add_user(clinic, role, email=email)
    with clinic.work(SYSTEM) as work:
        work.get(User, actor.id).password_hash = cheap().hash(PASSWORD)
    return actor


def token_in(page: Response) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found is not None, page.text[:500]
    return found.group(1)


def secret_in(page: Response) -> str:
    """The link or key that a page shows once."""
    found = re.search(r'class="secret"[^>]*>([^<]+)<', page.text)
    assert found is not None, page.text[:500]
    return found.group(1)


def send(client: TestClient, path: str, fields: dict[str, Any], *, to: str | None = None) -> Response:
    """Load a page and send its form."""
    return client.post(to or path, data={"csrf_token": token_in(client.get(path))} | fields)


def log_in(client: TestClient, *, email: str = "kim@clinic.example", password: str = PASSWORD) -> Response:
    return send(client, "/login", {"email": email, "password": password})


def code_at(secret: bytes, now: datetime) -> str:
    """What a phone with this secret shows, computed by another program than ours."""
    return TOTP(secret, 6, SHA1(), 30).generate(int(now.timestamp())).decode()  # noqa: S303 - what RFC 6238 names
