"""Every router and every job of the clinic, in one list each."""

from __future__ import annotations

from fastapi import APIRouter

from macule.records.worker import Job

ROOMS: tuple[APIRouter, ...] = ()
JOBS: tuple[Job, ...] = ()
