"""The pages. One template serves every case: with JavaScript, htmx takes `#answer` and the messages out of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from macule.analysis.result import DISCLAIMER
from macule.errors import InvalidMetadata, MaculeError
from macule.web.faults import headers_of, status_of
from macule.web.form import Form
from macule.web.service import Service, service_of
from macule.web.view import Sheet, lay_out

router = APIRouter(include_in_schema=False)


@router.get("/")
async def start(request: Request) -> Response:
    return render(request)


@router.get("/analyze")
async def reloaded() -> Response:
    """Somebody who opens the address of an answer, which is kept nowhere, gets an empty form."""
    return RedirectResponse("./", status_code=303)


@router.post("/analyze")
async def analyze(request: Request) -> Response:
    service, form = service_of(request), Form()
    try:
        submission = await service.read(request)
        form = Form.of(submission.fields)
        picture = submission.checked_picture()
        sheet = await _sheet(service, picture, form, submission.name)
    except MaculeError as fault:
        return render(request, form=form, fault=fault)
    return render(request, form=form, sheet=sheet)


async def _sheet(service: Service, picture: bytes, form: Form, name: str) -> Sheet:
    return lay_out(await service.analyze(picture, patient=form.patient(), name=name))


def render(
    request: Request, *, form: Form | None = None, sheet: Sheet | None = None, fault: MaculeError | None = None
) -> Response:
    """The page with an answer, with a fault, or empty."""
    context: dict[str, Any] = {
        "form": form or Form(), "sheet": sheet, "fault": fault, "disclaimer": DISCLAIMER,
        "bundle": service_of(request).ready().bundle if sheet else None,
        "max_bytes": service_of(request).settings.max_upload_bytes, "in_fields": isinstance(fault, InvalidMetadata),
    }
    response: Response = request.app.state.templates.TemplateResponse(
        request, "page.html", context, status_code=status_of(fault) if fault else 200,
        headers=headers_of(fault) if fault else None,
    )
    return response
