"""One GET request: for a whole file, or for what follows a byte of it.

The standard library is enough: it follows redirects, honours proxies (HTTPS_PROXY) and a house's own certificates
(SSL_CERT_FILE), and adds nothing to the installation.
"""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import macule

#: Worth another try: RFC 9110 calls them temporary; of the others, the request itself is at fault.
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})


class Passing(Exception):
    """A fault that may pass: worth another try. wait: seconds that the server asks for; 0 if it does not say."""

    def __init__(self, reason: str, *, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class RangeRefused(Passing):
    """What is here is as long as the file, or longer."""


class Refused(Exception):
    """The server answers, but not with the file. The message names the address."""


@dataclass(frozen=True)
class Reply:
    """start: where in the file the body begins. total: bytes of the whole file; None if the server does not say.

    validator: what tells one edition of the file from another (a strong ETag, else Last-Modified); None if neither.
    framed: whether a body that is cut short is noticed even without `total`.
    """

    body: http.client.HTTPResponse
    start: int
    total: int | None
    validator: str | None
    framed: bool

    def chunks(self, size: int) -> Iterator[bytes]:
        """Raises: Passing if the connection breaks."""
        while True:
            try:
                chunk = self.body.read(size)
            except (OSError, http.client.HTTPException) as error:
                raise _broken(error) from error
            if not chunk:
                return
            yield chunk


@contextmanager
def get(url: str, *, start: int, validator: str | None, timeout: float) -> Iterator[Reply]:
    """Ask for the file, or for what follows byte `start` of the edition that `validator` names.

    timeout: seconds without a single byte.

    Raises: Passing; Refused.
    """
    # Some publishers' guards turn away every client that does not call itself Mozilla.
    headers = {"User-Agent": f"Mozilla/5.0 (compatible; macule/{macule.__version__})", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    with _open(url, headers, timeout) as body:
        yield _reply(url, body, start)


def _open(url: str, headers: dict[str, str], timeout: float) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (the opener knows http and https only)
    try:
        body: http.client.HTTPResponse = _opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        raise _refusal(url, error) from error
    except (OSError, http.client.HTTPException) as error:
        raise _broken(error) from error
    return body


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler, _Redirects,
                    urllib.request.HTTPErrorProcessor, urllib.request.HTTPDefaultErrorHandler):
        opener.add_handler(handler())
    return opener


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Dataverse and Mendeley send on to a storage service. Never from https to http, where anyone may read along."""

    def redirect_request(self, req: urllib.request.Request, *args: Any) -> urllib.request.Request | None:
        target: str = args[-1]
        if urlsplit(target).scheme not in {"https", req.type}:
            raise Refused(f"{req.full_url} sends on to {target}, which is not https: not followed.")
        return super().redirect_request(req, *args)


def _broken(error: Exception) -> Passing:
    reason = getattr(error, "reason", None) or error
    return Passing(f"{type(reason).__name__}: {reason}")


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    status = f"{error.code} {error.reason}"
    if error.code in TEMPORARY:
        wait = error.headers.get("Retry-After") or ""
        return Passing(f"status {status}", wait=float(wait) if wait.isdigit() else 0.0)
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RangeRefused(f"status {status}")
    return Refused(f"{url} answers {status}")


def _reply(url: str, body: http.client.HTTPResponse, asked: int) -> Reply:
    if "Content-Type" in body.headers and body.headers.get_content_type() == "text/html":
        raise Refused(f"{url} answers with a web page in the file's place (a login, or a notice that it has moved)")
    if (coding := body.headers.get("Content-Encoding", "identity")) != "identity":
        raise Refused(f"{url} answers with Content-Encoding {coding}, which was not asked for")
    length, start = body.headers.get("Content-Length"), 0
    total = int(length) if length and length.isdigit() else None
    if body.status == http.HTTPStatus.PARTIAL_CONTENT:
        start, total = _range(body.headers.get("Content-Range", ""))
        if start != asked:
            raise RangeRefused(f"asked from byte {asked} on, it answers from byte {start} on")
    return Reply(body, start, total, _validator(body.headers), framed=bool(body.chunked))


def _range(header: str) -> tuple[int, int | None]:
    """`bytes 5-99/100`: first byte, and length of the whole file (None for `*`)."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header.strip())
    if not found:
        raise RangeRefused(f"it answers with part of the file and does not say which (Content-Range {header!r})")
    return int(found[1]), None if found[2] == "*" else int(found[2])


def _validator(headers: http.client.HTTPMessage) -> str | None:
    # A weak ETag stands for likeness, not for equal bytes: RFC 9110, 13.1.5 bars it from If-Range.
    tag = headers.get("ETag") or ""
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
