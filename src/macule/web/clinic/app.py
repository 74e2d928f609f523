"""The clinic's application factory. Database, keys, store and model are opened here, and only when it is called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from macule.records.clinic import Clinic
from macule.records.worker import Job, Worker
from macule.web import replies
from macule.web.app import mount_static
from macule.web.clinic.rooms import JOBS, ROOMS
from macule.web.clinic.settings import ClinicSettings
from macule.web.clinic.state import ClinicState
from macule.web.gate import Gate
from macule.web.headers import SecurityHeaders
from macule.web.templating import make_templates


def create_clinic_app(*, settings: ClinicSettings, clinic: Clinic, jobs: tuple[Job, ...] = JOBS) -> FastAPI:
    """jobs: what the worker does beside the requests; none in tests that want to do it themselves."""
    # The framework's own documentation pages load scripts from a CDN; the schema itself is at /api/v1/openapi.json.
    app = FastAPI(title="macule clinic", version="1", docs_url=None, redoc_url=None,
                  openapi_url="/api/v1/openapi.json", lifespan=_lifespan)
    gate = Gate(at_once=settings.at_once, waiting=settings.waiting, retry_after=settings.retry_after_s)
    app.state.clinic = ClinicState(clinic, settings, gate, Worker(clinic, jobs))
    app.state.templates = make_templates()
    app.add_middleware(SecurityHeaders)
    replies.install(app)
    for router in ROOMS:
        app.include_router(router)
    mount_static(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: ClinicState = app.state.clinic
    state.worker.start()
    yield
    state.worker.stop()
    state.gate.close()
    state.clinic.database.close()
