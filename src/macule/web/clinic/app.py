"""The clinic's application factory. Database, keys, store and model are opened here, and only when it is called."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from macule.records.clinic import Clinic
from macule.records.oidc import Provider
from macule.records.worker import Job, Worker
from macule.web.app import mount_static
from macule.web.clinic import refusals
from macule.web.clinic.addresses import PlainAddresses
from macule.web.clinic.api import schema
from macule.web.clinic.bodies import BodyLimit
from macule.web.clinic.request_log import RequestLog
from macule.web.clinic.rooms import ROOMS, jobs_of
from macule.web.clinic.settings import ClinicSettings
from macule.web.clinic.state import ClinicState
from macule.web.gate import Gate
from macule.web.headers import HSTS, SecurityHeaders
from macule.web.templating import make_templates

#: Pages that show what the camera sees; no other page may use it.
CAPTURE = re.compile(r"^(/my)?/lesions/[0-9a-f]{32}/capture$")


def create_clinic_app(*, settings: ClinicSettings, clinic: Clinic, jobs: tuple[Job, ...] | None = None) -> FastAPI:
    """jobs: what the worker does beside the requests, None for all of `rooms`; empty in tests that do it themselves."""
    # The framework's own documentation pages load scripts from a CDN; the schema itself is at /api/v1/openapi.json.
    app = FastAPI(title="macule clinic", version="1", docs_url=None, redoc_url=None,
                  openapi_url="/api/v1/openapi.json", lifespan=_lifespan)
    gate = Gate(at_once=settings.at_once, waiting=settings.waiting, retry_after=settings.retry_after_s)
    provider = Provider(settings.registration) if settings.registration else None
    worker = Worker(clinic, jobs_of(settings) if jobs is None else jobs)
    app.state.clinic = ClinicState(clinic, settings, gate, worker, provider=provider)
    app.state.templates = make_templates()
    app.add_middleware(BodyLimit)
    app.add_middleware(PlainAddresses)
    app.add_middleware(SecurityHeaders, more=HSTS if settings.secure_cookies else None, camera=CAPTURE)
    app.add_middleware(RequestLog)
    refusals.install(app)
    schema.install(app)
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
