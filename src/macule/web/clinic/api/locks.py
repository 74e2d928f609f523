"""ETag and If-Match: two writers of one record, and the second is told."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header
from starlette.responses import Response

from macule.records.tables import Versioned
from macule.web.faults import PreconditionFailed

IfMatch = Annotated[
    str | None, Header(description="`ETag` of the record as you read it. Without it the last one wins.")
]


def stamp(response: Response, row: Versioned) -> None:
    response.headers["ETag"] = f'"{row.version}"'


def wanted(header: str | None, row: Versioned | None) -> int | None:
    """The version that the writer read; None if they did not say.

    row: as it is stored now; None if there is none yet.
    Raises: PreconditionFailed if the row is no longer that version. Who comes between now and the change gets 409.
    """
    if header is None:
        return None
    if row is not None and header.strip() == "*":
        return row.version
    found = re.fullmatch(r'\s*(?:W/)?"([0-9]{1,9})"\s*', header)
    if row is None or found is None or int(found[1]) != row.version:
        stored = "nothing" if row is None else f'"{row.version}"'
        raise PreconditionFailed(f"the stored version is {stored}: read the record again and repeat your change.")
    return row.version
