"""The application with a fake analyzer, and a client for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_analyzer import FakeAnalyzer, png
from starlette.testclient import TestClient

from macule.web import Settings, create_app


@pytest.fixture
def analyzer() -> FakeAnalyzer:
    return FakeAnalyzer()


@pytest.fixture
def settings() -> Settings:
    return Settings(max_upload_bytes=100_000, at_once=1, waiting=1, retry_after_s=7)


@pytest.fixture
def client(settings: Settings, analyzer: FakeAnalyzer) -> Iterator[TestClient]:
    with TestClient(create_app(settings=settings, analyzer=analyzer), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(params=["/analyze", "/api/v1/predict"])
def address(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def send(client: TestClient) -> Callable[..., Any]:
    """send("/analyze", "high.png", age="54"): one picture and its fields."""

    def post(address: str, name: str = "low.png", content: bytes | None = None, **fields: str) -> Any:
        picture = png() if content is None else content
        return client.post(address, files={"picture": (name, picture, "image/png")}, data=fields)

    return post
