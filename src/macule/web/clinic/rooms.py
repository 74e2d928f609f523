"""Every router and every job of the clinic, in one list each."""

from __future__ import annotations

from fastapi import APIRouter

from macule.records import couriers
from macule.records.batch_work import take_queued
from macule.records.privacy import finish_erasures
from macule.records.retention import apply_when_due
from macule.records.sweep import sweep_when_due
from macule.records.tending import tend_when_due
from macule.records.waiting import answer_waiting
from macule.records.worker import Job
from macule.web.clinic import (
    account,
    api,
    api_docs,
    audit_page,
    batches,
    capture,
    cases,
    consents,
    dashboard,
    exams,
    health,
    home,
    lesions,
    links,
    login,
    memory,
    my,
    patients,
    pictures,
    privacy,
    reports,
    single_sign_on,
    worklist,
)
from macule.web.clinic.admin import keys, users, webhooks
from macule.web.clinic.admin import settings as site_settings
from macule.web.clinic.settings import ClinicSettings

ROOMS: tuple[APIRouter, ...] = (
    memory.router, audit_page.router,
    api.router, api_docs.router,
    webhooks.router,
    login.router, links.router, single_sign_on.router, account.router, users.router, keys.router, site_settings.router,
    health.router, dashboard.router,
    home.router, patients.router, consents.router, lesions.router, capture.router, exams.router, pictures.router,
    my.router,
    worklist.router, cases.router,
    reports.router, batches.router, privacy.router,
)
JOBS: tuple[Job, ...] = (take_queued, answer_waiting, finish_erasures, apply_when_due, sweep_when_due, tend_when_due)


def jobs_of(settings: ClinicSettings) -> tuple[Job, ...]:
    """All jobs, those that a deployment turns included."""
    return (*JOBS, couriers.job(private=settings.webhook_private))
