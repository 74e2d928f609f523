"""Events go into the outbox with what made them, and come out signed, at least once, never into our own network."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from clinic_testing import Clock, add_exam
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from macule.errors import Conflict, NoSuchRecord, RecordInvalid
from macule.records import couriers, outbound, webhooks
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.tables import Delivery, Exam, Webhook
from macule.records.webhooks import Event


@dataclass
class Receiver:
    """A server that answers `status` and keeps what it got."""

    status: int = 204
    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def listening(secure: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((dict(self.headers.items()), body))
            self.send_response(receiver.status)
            self.send_header("Location", f"{receiver.url}/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if secure is not None:
        server.socket = secure.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as one:
        yield one


def _subscribe(clinic: Clinic, url: str, *events: Event) -> webhooks.Subscribed:
    with clinic.work(SYSTEM) as work:
        return webhooks.subscribe(work, seals=clinic.seals, url=url, events=events or tuple(Event), private=True)


def _announce(clinic: Clinic, exam: Exam, event: Event = Event.EXAM_ANSWERED) -> None:
    with clinic.work(SYSTEM) as work:
        webhooks.announce(work, event=event, exam=work.get(Exam, exam.id))


def _deliver(clinic: Clinic) -> None:
    for parcel in couriers.claim(clinic, limit=10):
        couriers.deliver(clinic, parcel, private=True, jitter=lambda: 0.0)


def _deliveries(clinic: Clinic) -> list[Delivery]:
    with clinic.reading() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def test_a_delivery_is_signed_and_tells_only_the_headline(clinic: Clinic, receiver: Receiver, clock: Clock) -> None:
    exam = add_exam(clinic)
    added = _subscribe(clinic, receiver.url, Event.BIOPSY_RECORDED)
    _announce(clinic, exam, Event.BIOPSY_RECORDED)
    _announce(clinic, exam, Event.EXAM_FAILED)  # not asked for
    _deliver(clinic)
    (headers, body), = receiver.got
    (row,) = _deliveries(clinic)
    assert row.delivered_at == clock.now and row.next_at is None and row.last_status == 204
    stamp, _, digest = headers["Macule-Signature"].partition(",v1=")
    assert stamp == f"t={int(clock.now.timestamp())}" and headers["Macule-Delivery"] == row.id
    signed = f"{int(clock.now.timestamp())}.".encode() + body
    assert digest == hmac.new(added.secret.encode(), signed, hashlib.sha256).hexdigest()
    told = json.loads(body)
    assert told["event"] == "biopsy.recorded" and told["exam"]["id"] == exam.id
    assert set(told) == {"id", "event", "created_at", "exam"}
    assert set(told["exam"]) == {"id", "patient_id", "lesion_id", "state", "review_state"}


def test_an_event_that_is_undone_is_not_told(clinic: Clinic, receiver: Receiver) -> None:
    exam = add_exam(clinic)
    _subscribe(clinic, receiver.url, Event.BIOPSY_RECORDED)
    with pytest.raises(RuntimeError), clinic.work(SYSTEM) as work:
        webhooks.announce(work, event=Event.BIOPSY_RECORDED, exam=work.get(Exam, exam.id))
        raise RuntimeError
    assert _deliveries(clinic) == []


def test_the_secret_is_not_in_the_database(clinic: Clinic) -> None:
    added = _subscribe(clinic, "http://127.0.0.1:9/x")
    assert added.secret.encode() not in added.webhook.secret
    assert webhooks.secret_of(clinic.seals, added.webhook) == added.secret.encode()


def test_failures_are_repeated_with_growing_pauses_and_given_up(
    clinic: Clinic, receiver: Receiver, clock: Clock
) -> None:
    receiver.status = 503
    _subscribe(clinic, receiver.url, Event.REVIEW_DECIDED)
    _announce(clinic, add_exam(clinic), Event.REVIEW_DECIDED)
    pauses = []
    for _ in range(couriers.ATTEMPTS):
        _deliver(clinic)
        (row,) = _deliveries(clinic)
        if row.next_at is not None:
            pauses.append((row.next_at - clock.now).total_seconds())
            _deliver(clinic)  # not due yet
            clock.now = row.next_at
    assert pauses == [10, 30, 90, 270, 810, 2430, 7290, 21600, 21600]
    assert len(receiver.got) == couriers.ATTEMPTS and row.next_at is None and row.delivered_at is None
    assert (row.last_status, row.last_error) == (503, "refused")
    receiver.status = 200
    with clinic.work(SYSTEM) as work:
        webhooks.redeliver(work, delivery_id=row.id)
    _deliver(clinic)
    assert _deliveries(clinic)[0].delivered_at == clock.now
    assert len({json.loads(body)["id"] for _, body in receiver.got}) == 1


@pytest.mark.parametrize(("status", "reason", "over"), [(302, "redirected", False), (410, "refused", True)])
def test_a_redirect_is_not_followed_and_gone_is_final(
    clinic: Clinic, receiver: Receiver, status: int, reason: str, over: bool
) -> None:
    receiver.status = status
    _subscribe(clinic, receiver.url, Event.REVIEW_DECIDED)
    _announce(clinic, add_exam(clinic), Event.REVIEW_DECIDED)
    _deliver(clinic)
    (row,) = _deliveries(clinic)
    assert len(receiver.got) == 1 and row.last_error == reason and (row.next_at is None) is over


def test_a_dead_courier_is_replaced_after_its_lease(clinic: Clinic, receiver: Receiver, clock: Clock) -> None:
    _subscribe(clinic, receiver.url, Event.REVIEW_DECIDED)
    _announce(clinic, add_exam(clinic), Event.REVIEW_DECIDED)
    assert len(couriers.claim(clinic, limit=10)) == 1
    assert couriers.claim(clinic, limit=10) == []
    clock.now += couriers.LEASE
    _deliver(clinic)
    assert len(receiver.got) == 1


def test_the_job_sends_in_its_own_threads_and_forgets_what_is_old(
    clinic: Clinic, receiver: Receiver, clock: Clock
) -> None:
    _subscribe(clinic, receiver.url, Event.REVIEW_DECIDED)
    exam = add_exam(clinic)
    _announce(clinic, exam, Event.REVIEW_DECIDED)
    job = couriers.job(private=True)
    assert job(clinic) and not job(clinic)
    for thread in threading.enumerate():
        if thread.name == "macule-courier":
            thread.join(10)
    assert _deliveries(clinic)[0].delivered_at == clock.now
    clock.now += webhooks.KEPT + timedelta(seconds=1)
    assert not job(clinic) and _deliveries(clinic) == []


def test_a_disabled_webhook_is_told_nothing_more(clinic: Clinic, receiver: Receiver) -> None:
    added = _subscribe(clinic, receiver.url, Event.REVIEW_DECIDED)
    exam = add_exam(clinic)
    _announce(clinic, exam, Event.REVIEW_DECIDED)
    with clinic.work(SYSTEM) as work:
        webhooks.disable(work, webhook_id=added.webhook.id)
    _announce(clinic, exam, Event.REVIEW_DECIDED)
    _deliver(clinic)
    (row,) = _deliveries(clinic)
    assert receiver.got == [] and row.last_error == "disabled"
    with pytest.raises(Conflict, match="disabled"), clinic.work(SYSTEM) as work:
        webhooks.redeliver(work, delivery_id=row.id)
    with pytest.raises(NoSuchRecord), clinic.work(SYSTEM) as work:
        webhooks.redeliver(work, delivery_id="nothing")


def test_a_secret_that_cannot_be_read_holds_up_nobody_else(clinic: Clinic, receiver: Receiver) -> None:
    spoilt = _subscribe(clinic, receiver.url, Event.REVIEW_DECIDED)
    _subscribe(clinic, receiver.url, Event.REVIEW_DECIDED)
    with clinic.work(SYSTEM) as work:
        work.get(Webhook, spoilt.webhook.id).secret = spoilt.webhook.secret[:-1] + b"x"
    _announce(clinic, add_exam(clinic), Event.REVIEW_DECIDED)
    _deliver(clinic)
    assert len(receiver.got) == 1
    assert sorted(row.last_error or "" for row in _deliveries(clinic)) == ["", "secret_damaged"]


@pytest.mark.parametrize("url", [
    "http://example.org/", "ftp://example.org/", "https://", "https://user:pass@example.org/", "https://example.org/#a",
    "https://127.0.0.1/", "https://[::1]/", "https://localhost./", "https://10.1.2.3/", "https://169.254.169.254/latest",
    "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[fe80::1%25eth0]/", "https://224.0.0.1/",
    "https://example.org:0/", "https://example.org:99999/", "https://exa mple.org/", "https://example.org/\r\nX: y",
    "https://example.org/\x00", "javascript:alert(1)", "", "https://printer.local/", "https://ex\\ample.org/",
    "https://[64:ff9b:1::7f00:1]/", "https://[fec0::1]/", "https://[::7f00:1]/", "https://[5f00::1]/",
    "https://100.64.0.1/", "https://[2002:7f00:1::]/", "https://пример.рф/",
])
def test_addresses_of_our_own_network_are_refused(url: str) -> None:
    with pytest.raises(RecordInvalid) as caught:
        outbound.checked_url(url, private=False)
    assert "url" in caught.value.fields


def test_public_and_allowed_private_addresses_pass() -> None:
    assert outbound.checked_url("https://example.org:8443/a?b=c", private=False) == "https://example.org:8443/a?b=c"
    assert outbound.checked_url("http://127.0.0.1:9/x", private=True) == "http://127.0.0.1:9/x"
    assert all(map(outbound.public, ("8.8.8.8", "2a00:1450::1", "64:ff9b::808:808", "::ffff:8.8.8.8")))


def test_a_name_that_leads_inside_is_not_connected_to(receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]
    for name, reason in ((f"http://localhost:{port}/", "private_address"), ("http://2130706433/", "private_address")):
        with pytest.raises(outbound.NotDelivered, match=reason):
            outbound.post(name, body=b"{}", headers={}, private=False)
    assert receiver.got == []


def test_what_is_no_web_server_and_what_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(outbound, "WHOLE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(outbound.NotDelivered):  # accepted by the kernel, never answered
            outbound.post(url, body=b"{}", headers={}, private=True)
    with pytest.raises(outbound.NotDelivered, match="no_connection"):
        outbound.post(url, body=b"{}", headers={}, private=True)
    with pytest.raises(outbound.NotDelivered, match="certificate"), listening() as plain:
        outbound.post(plain.url.replace("http:", "https:"), body=b"{}", headers={}, private=True)
    with pytest.raises(outbound.NotDelivered, match="no_such_host"):
        outbound.post("http://nothing.invalid/", body=b"{}", headers={}, private=True)


def test_over_https_the_certificate_is_that_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = _certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # trusted, as if an authority had signed it
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with listening(context) as receiver:
        port = receiver.url.rpartition(":")[2]
        assert outbound.post(f"https://localhost:{port}/in?a=b", body=b"{}", headers={"X": "1"}, private=True) == 204
        with pytest.raises(outbound.NotDelivered, match="certificate"):
            outbound.post(f"https://127.0.0.1:{port}/", body=b"{}", headers={}, private=True)
    assert [headers["Host"] for headers, _ in receiver.got] == [f"localhost:{port}"]


def _certificate(folder: Path, name: str) -> Path:
    """One file with a key and its own signature of it."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    today = datetime.now(UTC)
    signed = (
        made.serial_number(1).not_valid_before(today - timedelta(days=1)).not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(plain + signed.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize("events", [[], ["exam.answered", "everything"]])
def test_events_must_be_known(clinic: Clinic, events: list[str]) -> None:
    with pytest.raises(RecordInvalid, match="choose from"), clinic.work(SYSTEM) as work:
        webhooks.subscribe(work, seals=clinic.seals, url="https://example.org/", events=events, private=False)
