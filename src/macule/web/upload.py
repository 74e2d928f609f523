"""A multipart form, read as it streams: bounded, and held in memory only.

Starlette's own form parser spools files over 1 MB to the disk; a patient's picture must not land there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from macule.web.faults import MalformedRequest, UploadTooSlow
from macule.web.parts import MAX_FIELD_BYTES, MAX_PARTS, Parts, Submission, too_large

#: Past the limit the body is still read, unkept, up to so many times the limit: a browser shows an answer only after
#: it has sent everything.
DRAIN = 3


async def read(request: Request, *, limit: int, timeout_s: float) -> Submission:
    """The form in `request`.

    Raises: MalformedRequest, ImageTooLarge (so large that not even the fields were awaited), UploadTooSlow.
    """
    parts = Parts(limit)
    boundary = _boundary(request)
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        async with asyncio.timeout(timeout_s):
            async for chunk in _bounded(request, limit):
                parser.write(chunk)
        parser.finalize()
    except TimeoutError:
        message = f"the upload took over {timeout_s:.0f} seconds; try again on a better connection."
        raise UploadTooSlow(message) from None
    except (FormParserError, ClientDisconnect) as error:
        raise MalformedRequest(f"the form is not valid multipart/form-data: {error}") from None
    return parts.done()


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise MalformedRequest(f"content type is {kind.decode('latin-1')!r}; send the form as multipart/form-data.")
    return options[b"boundary"]


async def _bounded(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body's chunks, counted here because Content-Length may lie."""
    received, most = 0, DRAIN * limit + MAX_PARTS * MAX_FIELD_BYTES
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise too_large(limit)
    async for chunk in request.stream():
        received += len(chunk)
        if received > most:
            raise too_large(limit)
        yield chunk
