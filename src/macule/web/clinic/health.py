"""For orchestrators: is the process alive, and is everything there that it needs."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from macule.records import readiness
from macule.web.clinic.state import clinic_of

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> JSONResponse:
    return JSONResponse({"status": "alive"})


@router.get("/readyz")
def readyz(request: Request) -> JSONResponse:
    there = readiness.check(clinic_of(request))
    ready = all(there.values())
    return JSONResponse({"status": "ready" if ready else "away", **there}, status_code=200 if ready else 503)
