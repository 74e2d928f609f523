"""Whatever the OpenAPI description allows, and much that it forbids: never a 500, and replies are as described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from clinic_testing import add_exam, blurred, make_app
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from machine_client import Machine
from schemathesis import checks
from schemathesis.generation import GenerationMode

from macule.records import webhooks
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.tables import Biopsy
from macule.records.webhooks import Event

CHECKS = [
    checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_headers_conformance, checks.response_schema_conformance,
]


@dataclass
class Known:
    """Ids of things that are there, so that not every path is a 404."""

    app: FastAPI
    headers: dict[str, str]
    ids: dict[str, list[str]]


@pytest.fixture
def known(clinic: Clinic) -> Known:
    app = make_app(clinic, uploads_per_minute=100_000)
    with clinic.work(SYSTEM) as work:
        hook = webhooks.subscribe(work, seals=clinic.seals, url="https://a.example/", events=list(Event), private=False)
    answered, refused = add_exam(clinic), add_exam(clinic, picture=blurred())
    with clinic.work(SYSTEM) as work:
        work.session.add(Biopsy(id=work.new_id(), exam_id=answered.id, lesion_id=answered.lesion_id, code="nv",
                                reported_on=work.now.date(), recorded_at=work.now, recorded_by="x"))
    with clinic.reading() as session:
        delivery = webhooks.latest(session)[0].id
    return Known(app, dict(Machine(app, clinic).headers), {
        "exam_id": [answered.id, refused.id], "patient_id": [answered.patient_id], "lesion_id": [answered.lesion_id],
        "webhook_id": [hook.webhook.id], "delivery_id": [delivery],
    })


def _attack(known: Known, *, examples: int) -> int:
    """Returns: how many requests were made."""
    schema, made = schemathesis.openapi.from_asgi("/api/v1/openapi.json", known.app), 0
    for result in schema.get_all_operations():
        operation = result.ok()
        modes = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]).flatmap(
            lambda mode, operation=operation: operation.as_strategy(generation_mode=mode)
        )

        @given(case=modes, real=st.booleans(), pick=st.integers(0, 1))
        @settings(max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))
        def one(case: Any, real: bool, pick: int) -> None:
            nonlocal made
            made += 1
            if real and case.path_parameters:
                for name, ids in known.ids.items():
                    if name in case.path_parameters:
                        case.path_parameters[name] = ids[pick % len(ids)]
            case.call_and_validate(checks=CHECKS, headers={"Authorization": known.headers["authorization"]})

        one()
    return made


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_request_breaks_it(known: Known) -> None:
    assert _attack(known, examples=1) >= 25


@pytest.mark.slow
def test_no_request_breaks_it_however_many(known: Known) -> None:
    assert _attack(known, examples=60) >= 1200
