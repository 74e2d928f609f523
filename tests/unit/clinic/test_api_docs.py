"""The documentation is true: its examples run, its receiver takes what macule sends, its page names every route."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from clinic_testing import Clock, add_exam, make_app, png
from fastapi import FastAPI
from live import serve
from machine_client import Machine
from starlette.testclient import TestClient

from macule.records import couriers, webhooks
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.policy import BY_SCOPE
from macule.records.webhooks import Event
from macule.web.clinic.api import handbook
from macule.web.clinic.api.examples import receive_webhook

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
#: The order in which a reader would try them; what one gives the next one needs.
ORDER = (
    "read_model", "read_consent_text", "send_picture", "list_exams", "read_exam", "read_result", "read_picture",
    "read_heatmap", "read_report", "decide", "record_biopsy", "register_patient", "correct_patient", "give_consent",
    "add_lesion", "add_webhook",
)


class Links(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.feed(html)

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name == "href" and str(value).startswith("#"):
                self.targets.append(str(value)[1:])


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_every_example_runs(clinic: Clinic, tmp_path: Path, clock: Clock) -> None:
    assert sorted(ORDER) == sorted(path.stem for path in handbook.EXAMPLES.glob("*.sh"))
    (tmp_path / "spot.png").write_bytes(png())
    app = make_app(clinic)
    key = Machine(app, clinic).secret
    with serve(app) as port:
        known = {"MACULE": f"http://127.0.0.1:{port}", "KEY": key, "TODAY": clock.now.date().isoformat()}
        for name in ORDER:
            done = _run(handbook.EXAMPLES / f"{name}.sh", tmp_path, known)
            if name == "send_picture":
                known |= {"EXAM": done["exam"]["id"], "ETAG": f'"{done["exam"]["version"]}"'}
            if name == "register_patient":
                known["PATIENT"] = done["id"]
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "heatmap.png").read_bytes()[1:4] == b"PNG"


def _run(script: Path, folder: Path, known: dict[str, str]) -> dict[str, dict[str, str]]:
    """`--fail-with-body` is asked for by the environment, so that the examples stay short."""
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    done = subprocess.run(["bash", "-eu", str(script)], cwd=folder, capture_output=True, text=True, check=False,
                          timeout=60, env=os.environ | known | {"HOME": str(folder), "CURL_HOME": str(folder)})
    assert done.returncode == 0, f"{script.name}: {done.stderr} {done.stdout[:500]}"
    return dict(json.loads(done.stdout)) if done.stdout.startswith("{") else {}


def test_the_receiver_takes_what_macule_sends(clinic: Clinic, clock: Clock, tmp_path: Path) -> None:
    clock.now = datetime.now(UTC)  # the receiver looks at its own clock
    port = _free_port()
    with clinic.work(SYSTEM) as work:
        added = webhooks.subscribe(work, seals=clinic.seals, url=f"http://127.0.0.1:{port}/", private=True,
                                   events=[Event.EXAM_ANSWERED])
    program = handbook.EXAMPLES / "receive_webhook.py"
    with subprocess.Popen([sys.executable, str(program), added.secret, str(port)], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as receiver:
        try:
            exam = add_exam(clinic)
            (parcel,) = couriers.claim(clinic, limit=2)
            deadline = time.monotonic() + 20
            while webhooks_pending(clinic):
                assert time.monotonic() < deadline
                couriers.deliver(clinic, parcel, private=True, jitter=lambda: 0.0)
                time.sleep(0.02)
            assert receiver.stdout is not None
            assert receiver.stdout.readline().split() == ["exam.answered", exam.id, "answered"]
        finally:
            receiver.kill()


def webhooks_pending(clinic: Clinic) -> bool:
    with clinic.reading() as session:
        return webhooks.latest(session)[0].delivered_at is None


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.mark.parametrize(("change", "fine"), [
    ("", True), ("body", False), ("secret", False), ("late", False), ("early", False), ("no header", False),
])
def test_the_receiver_refuses_what_is_not_genuine(clock: Clock, change: str, fine: bool, database_url: str) -> None:
    body = b'{"id":"1"}'
    header = couriers.signature(b"secret", body, at=clock.now)
    now = clock.now.timestamp() + {"late": 301, "early": -301}.get(change, 299)
    told = receive_webhook.genuine(
        "other" if change == "secret" else "secret", "" if change == "no header" else header,
        body + b" " * (change == "body"), now=now,
    )
    assert told is fine


def test_the_page_is_public_and_names_every_route_and_scope(app: FastAPI) -> None:
    nobody = TestClient(app)
    page, schema = nobody.get("/api"), nobody.get("/api/v1/openapi.json").json()
    assert page.status_code == 200 and len(page.content) < 150_000
    assert "<script" not in page.text.replace("<script defer", "")
    for path, item in schema["paths"].items():
        assert path.startswith("/api/v1/") and path in page.text
        for operation in item.values():
            assert operation["summary"] in page.text and set(operation["x-scopes"]) <= set(BY_SCOPE)
            assert operation["x-scopes"] and operation["security"] == [{"key": []}]
            for status in ("401", "403", "422"):
                reference = operation["responses"][status]["content"]["application/json"]["schema"]["$ref"]
                assert reference.endswith("/ErrorReply")
    links = Links(page.text)
    assert len(links.ids) == len(set(links.ids)) and set(links.targets) <= set(links.ids)
