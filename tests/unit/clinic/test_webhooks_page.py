"""The administrators' page of webhooks."""

from __future__ import annotations

import re

import pytest
from clinic_testing import add_exam, sign_in
from fastapi import FastAPI

from macule.records import couriers, webhooks
from macule.records.clinic import Clinic
from macule.records.domain import Role

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_added_shown_once_disabled(app: FastAPI, clinic: Clinic) -> None:
    admin = sign_in(app, clinic, Role.ADMIN)
    refused = admin.post("/admin/webhooks", data={"url": "https://10.0.0.1/", "event-exam.answered": "on"})
    assert refused.status_code == 422 and "local network" in refused.text
    assert "no event was chosen" in admin.post("/admin/webhooks", data={"url": "https://a.example/"}).text
    added = admin.post("/admin/webhooks", data={"url": "https://a.example/in", "event-exam.answered": "on"})
    secret = re.search(r"mwh_[\w-]{43}", added.text)
    assert added.status_code == 200 and secret
    add_exam(clinic)
    page = admin.get("/admin/webhooks").text
    assert "https://a.example/in" in page and secret[0] not in page and "Waiting" in page
    with clinic.reading() as session:
        delivery = webhooks.latest(session)[0]
    again = f"/admin/webhooks/{delivery.webhook_id}/deliveries/{delivery.id}/redeliver"
    assert admin.post(again).status_code == 303
    assert admin.post(again.replace(delivery.id, "0" * 32)).status_code == 404
    assert admin.post(f"/admin/webhooks/{delivery.webhook_id}/disable").status_code == 303
    assert "Disabled" in admin.get("/admin/webhooks").text and couriers.claim(clinic, limit=1) == []
    assert admin.post(again).status_code == 409


def test_only_administrators(app: FastAPI, clinic: Clinic) -> None:
    for role in (Role.NURSE, Role.DERMATOLOGIST):
        assert sign_in(app, clinic, role).get("/admin/webhooks").status_code == 403
