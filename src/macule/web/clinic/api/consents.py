"""Consent: the wording of today, and who agreed to which."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import Field

from macule.errors import Conflict
from macule.records import consent, people
from macule.records.domain import ConsentScope
from macule.records.policy import Permission
from macule.web.clinic.api.route import make_router
from macule.web.clinic.api.shapes import Ask, Digest, Reply, failures
from macule.web.clinic.api.views import ConsentReply
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.state import clinic_of

router = make_router("consents")
Reader = Annotated[Visit, allow(Permission.READ_PATIENTS)]
ReaderOf = Annotated[Visit, allow(Permission.READ_PATIENTS, of="patient")]
WriterOf = Annotated[Visit, allow(Permission.WRITE_PATIENTS, of="patient")]


class ConsentAsk(Ask):
    scope: ConsentScope
    language: str = Field(default="en", pattern="^[a-z]{2}$")
    text_sha256: Digest | None = Field(
        default=None, description="Of the wording that was shown: another one than today's gives 409."
    )


class WordingReply(Reply):
    scope: ConsentScope
    version: str
    language: str
    sha256: Digest
    title: str
    paragraphs: list[str]


class ConsentList(Reply):
    consents: list[ConsentReply]


@router.get("/consent-texts/{scope}", response_model=WordingReply, responses=failures())
def read_consent_text(visit: Reader, scope: ConsentScope,  # noqa: ARG001
                      language: Annotated[str, Query(pattern="^[a-z]{2}$")] = "en") -> Any:
    """The wording of today, to be shown before consent is recorded; English where a language has none."""
    text = consent.wording(scope, language=language)
    return WordingReply(scope=text.scope, version=text.version, language=text.language, sha256=text.sha256,
                        title=text.title, paragraphs=list(text.paragraphs))


@router.post("/patients/{patient_id}/consents", status_code=201, response_model=ConsentReply,
             responses=failures(400, 404, 409, 413))
def give_consent(request: Request, patient_id: str, body: ConsentAsk, visit: WriterOf) -> Any:
    """Record that the patient agreed to the wording of today. Given already, the earlier one is the answer."""
    text = consent.wording(body.scope, language=body.language)
    if body.text_sha256 is not None and body.text_sha256 != text.sha256:
        raise Conflict(f"the text of today is version {text.version} with sha256 {text.sha256}: show that one.")
    with clinic_of(request).work(visit.actor) as work:
        return ConsentReply.of(consent.give(work, patient_id=patient_id, scope=body.scope, language=body.language))


@router.get("/patients/{patient_id}/consents", response_model=ConsentList, responses=failures(404))
def list_consents(request: Request, patient_id: str, visit: ReaderOf) -> Any:
    """Everything that was agreed to, the newest first."""
    with clinic_of(request).work(visit.actor) as work:
        patient = people.known(work.session, patient_id)
        given = consent.history(work.session, patient.id)
        work.record("consents.seen", "patient", patient.id, patient_id=patient.id)
    return ConsentList(consents=[ConsentReply.of(row) for row in given])


@router.delete("/patients/{patient_id}/consents/{scope}", status_code=204, response_model=None, responses=failures(404))
def withdraw_consent(request: Request, patient_id: str, scope: ConsentScope, visit: WriterOf) -> None:
    """Take consent back. Nothing is deleted: without care no further exam of this patient is accepted."""
    with clinic_of(request).work(visit.actor) as work:
        consent.withdraw(work, patient_id=patient_id, scope=scope)
