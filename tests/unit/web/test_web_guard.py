"""What protects the server and the person: headers, limits, bounded work, nothing on the disk or in the log."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import starlette.formparsers
from fake_analyzer import BOUNDARY, MULTIPART, FakeAnalyzer, part, png
from starlette.testclient import TestClient

from macule.web import Settings
from macule.web.headers import SECURITY
from macule.web.templating import STATIC


def body(size: int) -> bytes:
    end = f"--{BOUNDARY}--\r\n".encode()
    return part("picture", b"x" * size, "low.png") + part("age", b"54") + end


@pytest.mark.parametrize("path", ["/", "/nothing", "/healthz", "/api/v1/nothing", "/static/macule.css", "/model-card"])
def test_security_headers_are_everywhere(client: TestClient, path):
    headers = client.get(path).headers
    assert {name: headers[name] for name in SECURITY} == SECURITY


def test_the_policy_allows_no_inline_code_and_no_other_host(client):
    policy = client.get("/").headers["content-security-policy"]
    assert "unsafe" not in policy and "http" not in policy
    for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy


def test_answers_are_kept_by_nobody_and_assets_for_long(client, send):
    assert send("/analyze").headers["cache-control"] == "no-store"
    assert send("/api/v1/predict").headers["cache-control"] == "no-store"
    assert "immutable" in client.get("/static/macule.css?v=1").headers["cache-control"]
    assert client.get("/static/macule.css").headers["cache-control"] == "no-cache"


def test_the_first_load_is_below_150_kb(client):
    page = client.get("/").text
    assets = set(re.findall(r'(?:href|src)="static/([^"?]+)', page))
    assert {"macule.css", "macule.js"} <= assets
    assert len(page.encode()) + sum((STATIC / name).stat().st_size for name in assets) < 150_000


def test_a_picture_over_the_limit_is_413_and_the_fields_are_kept(client, analyzer, settings: Settings):
    reply = client.post("/analyze", content=body(settings.max_upload_bytes + 1), headers=MULTIPART)
    assert reply.status_code == 413 and 'value="54"' in reply.text
    assert "This picture is too large" in reply.text
    assert not analyzer.seen


def test_a_picture_at_the_limit_passes(client, analyzer, settings: Settings):
    assert client.post("/analyze", content=body(settings.max_upload_bytes), headers=MULTIPART).status_code == 200


def test_a_declared_length_far_over_the_limit_is_refused_unread(client, address):
    reply = client.post(address, content=b"", headers={**MULTIPART, "content-length": "99999999999"})
    assert reply.status_code == 413


def test_a_length_that_lies_does_not_help(client, settings: Settings):
    headers = {**MULTIPART, "content-length": "10"}
    reply = client.post("/api/v1/predict", content=body(settings.max_upload_bytes + 1), headers=headers)
    assert reply.status_code == 413


def test_nothing_touches_the_disk(client, send, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a picture was about to be written to the disk")

    for name in ("TemporaryFile", "NamedTemporaryFile", "mkstemp", "SpooledTemporaryFile"):
        monkeypatch.setattr(tempfile, name, refuse)
    monkeypatch.setattr(starlette.formparsers, "SpooledTemporaryFile", refuse)  # the one that would spool to the disk
    assert send("/analyze", "low.png", png() + b"\0" * 90_000).status_code == 200


def test_nothing_of_the_picture_or_person_is_logged(send, caplog):
    with caplog.at_level(logging.DEBUG, logger="macule"):
        send("/analyze", "jane-doe.png", age="54")
        send("/api/v1/predict", "unreadable_image.png", age="54")
    assert not [record for record in caplog.records if record.name.startswith("macule")]


def test_the_analysis_leaves_the_event_loop(send, analyzer: FakeAnalyzer):
    send("/analyze")
    assert all(name.startswith("macule-analysis") for name in analyzer.threads)


def test_saturated_is_503_with_retry_after_and_then_it_works_again(client, send, analyzer: FakeAnalyzer, address):
    with ThreadPoolExecutor(2) as pool:  # one is analysed, one waits: at_once=1, waiting=1
        started = [pool.submit(send, address, "slow.png") for _ in range(2)]
        while len(analyzer.seen) < 1 or client.app.state.service.gate._places._value > 0:
            threading.Event().wait(0.01)
        refused = send(address, "low.png")
        alive = client.get("/healthz")
        analyzer.hold.set()
        answered = [future.result().status_code for future in started]
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "7")
    assert alive.status_code == 200
    assert answered == [200, 200]
    assert send(address, "low.png").status_code == 200


def test_a_place_is_free_again_after_a_failure(send):
    for _ in range(5):
        assert send("/api/v1/predict", "unreadable_image.png").status_code == 422
        assert send("/api/v1/predict", "bug.png").status_code == 500


def test_importing_the_web_does_no_work_and_loads_no_torch():
    code = "import sys, macule.web; assert 'torch' not in sys.modules and 'onnxruntime' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
