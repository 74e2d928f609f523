"""Uploads against a real server: bodies that never end, or never come."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from fake_analyzer import FakeAnalyzer, part
from live import serve

from macule.web import Settings, create_app
from macule.web.upload import DRAIN

LIMIT = 100_000
HEAD = (
    b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=frontier\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    settings = Settings(max_upload_bytes=LIMIT, upload_timeout_s=1.0)
    with serve(create_app(settings=settings, analyzer=FakeAnalyzer())) as port:
        yield port


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def test_a_body_without_end_is_cut_off_while_streaming(port: int):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(HEAD + chunk(part("picture", b"", "low.png")[:-2]))
        wire.setblocking(False)
        sent, reply, piece = 0, b"", chunk(b"x" * 16_384)
        while sent < 100 * LIMIT and not reply:
            with suppress(BlockingIOError, BrokenPipeError):
                sent += wire.send(piece[sent % len(piece):])
            with suppress(BlockingIOError):
                reply = wire.recv(4096)
    assert reply.startswith(b"HTTP/1.1 413")
    # What lies between is the sockets' own buffers.
    assert DRAIN * LIMIT < sent < 100 * LIMIT


def test_an_upload_that_stalls_is_given_up(port: int):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(HEAD + chunk(part("picture", b"", "low.png")))
        reply = wire.recv(4096)
    assert reply.startswith(b"HTTP/1.1 408")


def test_a_client_that_hangs_up_harms_nobody(port: int):
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
            wire.sendall(HEAD + chunk(b"--frontier"))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.recv(4096).startswith(b"HTTP/1.1 200")
