"""The interface for programs: POST /api/v1/predict answers with the object that `macule predict --json` prints."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from macule.analysis.patient import MAX_AGE, Modality, Sex, Site
from macule.web.form import Form
from macule.web.service import service_of

router = APIRouter(prefix="/api/v1", tags=["predict"])


def _word(*values: str) -> dict[str, Any]:
    return {"type": "string", "examples": list(values)}


#: Written by hand, because the form is read as a stream and not by the framework.
_BODY: dict[str, Any] = {
    "required": True,
    "content": {"multipart/form-data": {"schema": {
        "type": "object",
        "required": ["picture"],
        "additionalProperties": False,
        "properties": {
            "picture": {"type": "string", "format": "binary"},
            "age": {"type": "number", "minimum": 0, "maximum": MAX_AGE},
            "sex": _word(*Sex), "site": _word(*Site), "modality": _word(*Modality),
        },
    }}},
}
_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
    }},
}
_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/json": {"schema": _ERROR}}}
    for status, text in (
        (400, "The form is malformed or holds no picture."), (408, "The upload was too slow."),
        (413, "The picture has too many bytes or pixels."), (415, "A kind of picture that is refused."),
        (422, "An unreadable picture, or age, sex, site or modality outside its vocabulary."),
        (503, "Saturated; see Retry-After."),
    )
}


@router.post("/predict", openapi_extra={"requestBody": _BODY}, responses=_FAILURES, summary="Analyse one picture")
async def predict(request: Request) -> JSONResponse:
    """A calibrated answer to one picture. One that cannot be judged has `quality.usable` false, and status 200."""
    service = service_of(request)
    submission = await service.read(request)
    patient = Form.of(submission.fields).patient()
    result = await service.analyze(submission.checked_picture(), patient=patient, name=submission.name)
    return JSONResponse(result.to_dict())
