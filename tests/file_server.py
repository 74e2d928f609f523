"""A publisher's server in a thread: files with ETag and Range, and every way in which such a server fails."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True)
class Asked:
    path: str
    range: str | None
    if_range: str | None


@dataclass
class Site:
    """files: path -> content. faults: path -> what goes wrong, one a request, then nothing does.

    cut:N sends N bytes and hangs up. status:N answers N (status:503:7 asks to wait 7 s). slow waits before it answers.
    page answers with HTML. short states a length too small, long one too large. silent states none.
    sideways answers a Range from another byte on. to:URL sends on.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    etags: bool = True
    ranges: bool = True
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def requests(self, path: str) -> list[Asked]:
        return [each for each in self.asked if each.path == path]


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    class Handler(_Handler):
        shop = site

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hung up is part of the play."""


class _Handler(BaseHTTPRequestHandler):
    shop: Site

    def do_GET(self) -> None:
        site, (fault, _, detail) = self.shop, self._fault().partition(":")
        site.asked.append(Asked(self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        if self.path not in site.files and fault not in ("status", "to"):
            fault, detail = "status", "404"
        if fault == "slow":
            time.sleep(float(detail))
        if fault == "status":
            self._refuse(*detail.split(":"))
        elif fault == "to":
            self.send_response(302)
            self.send_header("Location", detail)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._send(site.files[self.path], fault, detail)

    def _fault(self) -> str:
        waiting = self.shop.faults.get(self.path, [])
        return waiting.pop(0) if waiting else ""

    def _refuse(self, status: str, wait: str = "") -> None:
        self.send_response(int(status))
        if wait:
            self.send_header("Retry-After", wait)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, content: bytes, fault: str, detail: str) -> None:
        start, tag = 0, f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, tag)
        if wanted and self.shop.ranges and same:
            start = int(wanted[1])
            if start >= len(content):
                self._refuse("416")
                return
            begin = start + 1 if fault == "sideways" else start
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if self.shop.etags:
            self.send_header("ETag", tag)
        self.send_header("Content-Type", "text/html" if fault == "page" else "application/octet-stream")
        length = {"short": len(content) // 2, "long": len(content) + 10}.get(fault, len(content) - start)
        if fault != "silent":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        body = content[start:]
        self.wfile.write(body[:int(detail)] if fault == "cut" else body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def pack(folder: Path, *, top: str = "") -> bytes:
    """A folder as a zip; top: a folder around everything in it."""
    return pack_members({f"{top}/{path.relative_to(folder).as_posix()}".lstrip("/"): path.read_bytes()
                         for path in sorted(folder.rglob("*")) if path.is_file()})


def pack_members(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()
