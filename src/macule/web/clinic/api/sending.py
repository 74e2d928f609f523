"""What a picture is sent with: the lesion by its id, or everything that is needed to find or register it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import Field, ValidationError

from macule.analysis.patient import Modality, Sex, Site
from macule.errors import Conflict, RecordInvalid
from macule.records import consent, feeds, intake, lesions, people
from macule.records.clinic import Clinic
from macule.records.database import alone
from macule.records.domain import Actor, ConsentScope, MapView
from macule.records.store.scrub import scrub
from macule.records.tables import Exam, Lesion
from macule.records.work import Work
from macule.web.clinic.api.route import invalid
from macule.web.clinic.api.shapes import Ask, Id, Text
from macule.web.parts import Submission


class Sent(Ask):
    """The fields beside `picture`. Either `lesion_id`, or `patient_id` or `pseudonym` with a lesion's `label`."""

    lesion_id: Id | None = None
    patient_id: Id | None = None
    pseudonym: Text | None = Field(default=None, max_length=64, description="Found, or registered if it is new.")
    birth_year: int | None = Field(default=None, description="Of a patient who is registered here.")
    sex: Sex | None = None
    skin_type: int | None = Field(default=None, ge=1, le=6, description="Fitzpatrick.")
    consent: ConsentScope | None = Field(default=None, description="Given by this patient to the wording of today.")
    label: Text | None = Field(default=None, max_length=80, description="Found among the patient's lesions, or added.")
    body_site: Site | None = None
    map_view: MapView | None = None
    map_x: float | None = Field(default=None, ge=0, le=1)
    map_y: float | None = Field(default=None, ge=0, le=1)
    modality: Modality | None = None
    retake_of: Id | None = Field(default=None, description="The exam whose picture was too poor.")


def _body() -> dict[str, Any]:
    schema = Sent.model_json_schema()
    fields = {name: _flat(field, schema.get("$defs", {})) for name, field in schema["properties"].items()}
    picture = {"type": "string", "format": "binary", "description": "JPEG, PNG, WebP, HEIC and others; one file."}
    return {"required": True, "content": {"multipart/form-data": {"schema": {
        "type": "object", "required": ["picture"], "additionalProperties": False,
        "properties": {"picture": picture, **fields},
    }}}}


def _flat(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Without null, which a form cannot say, and without references."""
    kind = next(choice for choice in field.get("anyOf", [field]) if choice.get("type") != "null")
    if "$ref" in kind:
        kind = {key: value for key, value in definitions[kind["$ref"].rpartition("/")[2]].items() if key != "title"}
        kind.pop("description", None)
    kept = {key: field[key] for key in ("description", "examples") if key in field}
    return {**kind, **kept}


#: Written out, because the form is read as a stream and not by the framework.
BODY = _body()


@dataclass(frozen=True)
class Asked:
    picture: bytes
    name: str
    fields: Sent


def parse(form: Submission) -> Asked:
    """Raises: PictureMissing, ImageTooLarge, RecordInvalid."""
    picture = form.checked_picture()
    given = {name: value.strip() for name, value in form.fields.items() if value.strip()}
    try:
        fields = Sent.model_validate(given)
    except ValidationError as error:
        raise invalid(error.errors()) from None
    named = [name for name in ("lesion_id", "patient_id", "pseudonym") if getattr(fields, name) is not None]
    if len(named) != 1:
        message = "say whose lesion it is by one of lesion_id, patient_id and pseudonym."
        raise RecordInvalid(message, fields={"lesion_id": message})
    return Asked(picture, form.name, fields)


def receive(clinic: Clinic, *, actor: Actor, ask: Asked, key: str | None) -> str:
    """The id of an exam that is safe.

    Raises: what `intake.receive`, `people.register` and `lesions.add` raise; then nothing is kept, no patient either.
    """
    lesion = ask.fields.lesion_id or partial(_described, sent=ask.fields)
    return intake.receive(clinic, actor=actor, submission=intake.Submission(
        lesion_id=lesion, picture=ask.picture, file_name=ask.name or "picture", modality=ask.fields.modality,
        retake_of=ask.fields.retake_of, idempotency_key=key,
    ))


def _described(work: Work, *, sent: Sent) -> str:
    """Found or registered, in the transaction that keeps the exam: if one is refused, all is."""
    alone(work.session, people.REGISTERING)
    patient_id = sent.patient_id or _patient(work, sent)
    if sent.consent is not None:
        consent.give(work, patient_id=patient_id, scope=sent.consent)
    known = feeds.lesion_by_label(work.session, patient_id=patient_id, label=sent.label) if sent.label else None
    return (known or _lesion(work, patient_id, sent)).id


def _patient(work: Work, sent: Sent) -> str:
    pseudonym = sent.pseudonym or ""
    known = people.by_pseudonym(work.session, pseudonym)
    if known is not None:
        return known.id
    return people.register(
        work, pseudonym=pseudonym, birth_year=sent.birth_year, sex=sent.sex, skin_type=sent.skin_type
    ).id


def _lesion(work: Work, patient_id: str, sent: Sent) -> Lesion:
    lesion = lesions.add(work, patient_id=patient_id, label=sent.label or "", body_site=sent.body_site,
                         map_view=sent.map_view, map_x=sent.map_x, map_y=sent.map_y)
    work.session.flush()
    return lesion


def same(earlier: Exam, ask: Asked) -> None:
    """Raises: Conflict if the key was used for another picture or another lesion."""
    wanted, address = ask.fields.lesion_id, hashlib.sha256(scrub(ask.picture)).hexdigest()
    if (wanted is not None and wanted != earlier.lesion_id) or address != earlier.picture:
        raise Conflict(f"this Idempotency-Key was used for exam {earlier.id}, which is another: choose a new key.")
