"""The application factory. Settings, model and threads are made here, and only when it is called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from macule.analysis.judge import Judge
from macule.web import api, card, health, pages, replies
from macule.web.gate import Gate
from macule.web.headers import SecurityHeaders
from macule.web.service import Service
from macule.web.settings import Settings
from macule.web.templating import STATIC, make_templates

#: Static addresses carry a hash of the file, so a browser may keep what it has.
FOREVER = "public, max-age=31536000, immutable"


def create_app(*, settings: Settings | None = None, analyzer: Judge | None = None) -> FastAPI:
    """The whole web application.

    analyzer: what judges pictures; None loads the settings' bundle once, when the server starts.
    """
    service = _make_service(settings or Settings(), analyzer)
    # The framework's own documentation pages load scripts from a CDN; the schema itself is at /api/v1/openapi.json.
    app = FastAPI(
        title="macule", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json", lifespan=_lifespan
    )
    app.state.service, app.state.templates = service, make_templates()
    app.add_middleware(SecurityHeaders)
    replies.install(app)
    for room in (pages, card, api, health):
        app.include_router(room.router)
    mount_static(app)
    return app


def mount_static(app: FastAPI) -> None:
    app.mount("/static", _Static(directory=STATIC), name="static")


def _make_service(settings: Settings, analyzer: Judge | None) -> Service:
    gate = Gate(at_once=settings.at_once, waiting=settings.waiting, retry_after=settings.retry_after_s)
    return Service(settings=settings, gate=gate, analyzer=analyzer)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    if service.analyzer is None:
        service.analyzer = await run_in_threadpool(_load, service.settings)
    yield
    service.gate.close()


def _load(settings: Settings) -> Judge:
    """Raises: BundleNotFound, BundleInvalid; the server then does not start."""
    from macule.analysis import bundle  # here, so that an injected analyzer needs no network runtime
    from macule.analysis.pipeline import Analyzer

    return Analyzer(bundle.load(settings.bundle), threads=settings.threads)


class _Static(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", FOREVER if b"v=" in scope["query_string"] else "no-cache")
        return response
