"""A program that speaks to the clinic's API with a key of its own."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.testclient import TestClient

from macule.records import api_keys
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.policy import BY_SCOPE


class Machine(TestClient):
    """scopes: of its key; all of them if none is named. `key`: the row, `secret`: what it sends."""

    def __init__(self, app: FastAPI, clinic: Clinic, *scopes: str) -> None:
        super().__init__(app, raise_server_exceptions=False, follow_redirects=False)
        with clinic.work(SYSTEM) as work:
            self.key, self.secret = api_keys.create(
                work, name="PACS North", scopes=scopes or tuple(BY_SCOPE), valid_for=None
            )
        self.headers["Authorization"] = f"Bearer {self.secret}"
