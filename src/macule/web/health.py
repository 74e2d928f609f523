"""For orchestrators: is the process alive, and may it be given work."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from macule.web.service import service_of

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> JSONResponse:
    return JSONResponse({"status": "alive"})


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    analyzer = service_of(request).analyzer
    if analyzer is None:
        return JSONResponse({"status": "loading"}, status_code=503)
    bundle = analyzer.bundle
    return JSONResponse({"status": "ready", "bundle": {"id": bundle.id, "sha256": bundle.sha256}})
