"""Plain forms, read once and bounded: a mapping of names to trimmed text."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Depends, Request

from macule.web.faults import MalformedRequest

MAX_BYTES = 64 * 1024
Fields = Mapping[str, str]


async def _fields(request: Request) -> Fields:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise MalformedRequest(f"content type is {kind!r}; send the form as application/x-www-form-urlencoded.")
    form = await request.form(max_files=0, max_fields=200)
    fields = {name: value.strip() for name, value in form.items() if isinstance(value, str)}
    if any("\0" in value for value in fields.values()):  # PostgreSQL keeps none
        raise MalformedRequest("the form holds a NUL character: leave it out.")
    return fields


#: `fields: Annotated[Fields, form_fields]` in a route.
form_fields = Depends(_fields)
