"""The clinic's interface for machines, below /api/v1: keys with scopes, JSON, and one shape for every error."""

from __future__ import annotations

from fastapi import APIRouter

from macule.web.clinic.api import consents, exams, hooks, lesions, model, patients, reviews, submit

PREFIX = "/api/v1"
ROOMS = (submit, exams, reviews, patients, consents, lesions, hooks, model)
router = APIRouter(prefix=PREFIX)
for _room in ROOMS:
    router.include_router(_room.router)
