"""A form with a picture: read as it streams, held in memory only, and proved to come from our own page."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import Request

from macule.web import upload
from macule.web.clinic.door import Visit
from macule.web.clinic.proof import FIELD
from macule.web.clinic.state import state_of
from macule.web.faults import MalformedRequest
from macule.web.parts import Submission


async def read_upload(
    request: Request, visit: Visit, *, fields: Collection[str] = (), limit: int | None = None
) -> Submission:
    """The form in `request`.

    fields: names that the form may hold beside the picture. limit: bytes of the picture, None for the settings'.
    Raises: NotAllowed without the session's token, MalformedRequest, ImageTooLarge, UploadTooSlow.
    """
    settings = state_of(request).settings
    form = await upload.read(
        request, limit=limit or settings.max_upload_bytes, timeout_s=settings.upload_timeout_s
    )
    visit.prove(form.fields.pop(FIELD, None))
    unknown = sorted(set(form.fields) - set(fields))
    if unknown:
        known = ", ".join(fields) or "none"
        raise MalformedRequest(f"field {unknown[0][:40]!r} is not known; send any of: {known}.")
    form.fields = {name: value.strip() for name, value in form.fields.items()}
    return form
