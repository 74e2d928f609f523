"""Files that are not what they say, say too much, or are made to break who reads them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Any

import pytest
from clinic_testing import add_lesion, png, sign_in
from fastapi import FastAPI
from hostile import check
from machine_client import Machine
from PIL import Image, PngImagePlugin
from sqlalchemy import func, select

from macule.records import consent
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.tables import Exam, Lesion

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HIDDEN = b"<script>hidden4711()</script>"
BOUNDARY = "x4711"


def _jpeg(**about: Any) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png())).convert("RGB").save(buffer, "JPEG", quality=95, **about)
    return buffer.getvalue()


def _zip(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("page.html", content)
    return buffer.getvalue()


def _talking_png() -> bytes:
    told = PngImagePlugin.PngInfo()
    told.add_text("Comment", HIDDEN.decode())
    told.add_itxt("XML:com.adobe.xmp", HIDDEN.decode())
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png())).save(buffer, "PNG", pnginfo=told)
    return buffer.getvalue()


def _located_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = HIDDEN.decode()
    exif.get_ifd(0x8825)[1] = "N"
    return _jpeg(exif=exif.tobytes(), comment=HIDDEN)


def _png_that_claims(width: int, height: int) -> bytes:
    """A small file that says it unpacks to width x height, and holds 20 MB in 20 KB."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 20_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


KEPT = {
    "JPEG with a zip behind it": lambda: _jpeg() + _zip(HIDDEN) + HIDDEN,
    "PNG with a page behind it": lambda: png() + HIDDEN,
    "PNG that talks": _talking_png,
    "JPEG that tells where": _located_jpeg,
}
REFUSED = {
    "nothing": lambda: b"",
    "a page": lambda: b"<!doctype html>" + HIDDEN,
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="hidden4711()"/>',
    "XML that includes": lambda: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "GIF that is a page": lambda: b"GIF89a/*" + HIDDEN,
    "zip bomb": lambda: _zip(b"\0" * 20_000_000),
    "PNG bomb": lambda: _png_that_claims(60_000, 60_000),
    "wide PNG": lambda: _png_that_claims(2_000_000_000, 1),
    "half a PNG": lambda: png()[: len(png()) // 2],
    "head of a PNG": lambda: png()[:30],
    "head of a JPEG": lambda: _jpeg()[:200],
    "PDF": lambda: b"%PDF-1.7\n" + HIDDEN,
    "program": lambda: b"MZ" + bytes(500),
    "noise": lambda: bytes(range(256)) * 40,
}
NAMES = (
    "../../../../etc/passwd", "..\\..\\boot.ini", 'a".png', "a\\\".png", "spot.php.png", "spot.png\x00.exe",
    "<script>x()</script>.png", "\u202egnp.exe", "a" * 3000 + ".png", "con", ".", "", "{{4711*4711}}.png",
    "a;filename*=UTF-8''evil.html", "caf\u00e9 \U0001f600.png",
)


@pytest.fixture
def lesion(clinic: Clinic) -> Lesion:
    lesion = add_lesion(clinic)
    with clinic.work(SYSTEM) as work:
        consent.give(work, patient_id=lesion.patient_id, scope="care")
    return lesion


@pytest.fixture
def machine(app: FastAPI, clinic: Clinic) -> Machine:
    return Machine(app, clinic)


def _send(machine: Machine, lesion: Lesion, picture: bytes, name: str = "spot.png", kind: str = "image/png") -> Any:
    files = {"picture": (name, picture, kind)}
    return machine.post("/api/v1/exams", data={"lesion_id": lesion.id}, files=files)


def test_what_is_hidden_in_a_picture_does_not_come_out(machine: Machine, lesion: Lesion, clinic: Clinic) -> None:
    for name, make in KEPT.items():
        sent = _send(machine, lesion, make(), name, "application/x-msdownload")
        assert sent.status_code == 201, f"{name}: {sent.text}"
        served = machine.get(f"{sent.headers['Location']}/picture")
        assert served.status_code == 200 and served.headers["Content-Type"] in ("image/png", "image/jpeg"), name
        assert served.headers["X-Content-Type-Options"] == "nosniff"
        assert b"hidden4711" not in served.content and b"PK\x03\x04" not in served.content, name
        assert not Image.open(io.BytesIO(served.content)).getexif().get_ifd(0x8825), name
    with clinic.reading() as session:
        for exam in session.scalars(select(Exam)):
            assert b"hidden4711" not in clinic.store.get(exam.picture)


def test_what_is_no_picture_is_refused_and_leaves_nothing(machine: Machine, lesion: Lesion, clinic: Clinic) -> None:
    for name, make in REFUSED.items():
        reply = _send(machine, lesion, make())
        assert reply.status_code in (400, 413, 415, 422), f"{name}: {reply.status_code} {reply.text}"
        assert set(reply.json()["error"]) <= {"code", "message", "fields"}, name
        check(reply, name)
    with clinic.reading() as session:
        assert session.scalar(select(func.count()).select_from(Exam)) == 0
    assert list(clinic.store.addresses()) == []


def test_a_file_name_is_only_a_name(app: FastAPI, clinic: Clinic, lesion: Lesion) -> None:
    nurse = sign_in(app, clinic, Role.NURSE)
    machine = Machine(app, clinic)
    for name in NAMES:
        sent = _raw(machine, f'form-data; name="picture"; filename="{name}"', lesion)
        check(sent, f"name {name[:40]!r}")
        if sent.status_code != 201:
            continue
        check(nurse.get(f"/exams/{sent.json()['exam']['id']}"), f"page after {name[:40]!r}")
        shown = sent.json()["result"]["image"]
        assert "/" not in shown and "\\" not in shown and len(shown) <= 255, name
    check(nurse.get(f"/lesions/{lesion.id}"), "page of all of them")


def _raw(machine: Machine, disposition: str, lesion: Lesion) -> Any:
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="lesion_id"\r\n\r\n{lesion.id}\r\n'
        f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\nContent-Type: image/png\r\n\r\n"
    ).encode("utf-8", "surrogatepass") + png() + f"\r\n--{BOUNDARY}--\r\n".encode()
    return _body(machine, body)


def _body(machine: Machine, body: bytes, kind: str = f"multipart/form-data; boundary={BOUNDARY}") -> Any:
    return machine.post("/api/v1/exams", content=body, headers={"Content-Type": kind})


def test_forms_that_are_made_to_break_a_parser(machine: Machine, lesion: Lesion) -> None:
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'.encode()
    end = f"--{BOUNDARY}--\r\n".encode()
    bodies = {
        "thousands of parts": part * 5000 + end,
        "header of a megabyte": f"--{BOUNDARY}\r\nX-Long: {'A' * 1_000_000}\r\n\r\n1\r\n".encode() + end,
        "thousands of headers": f"--{BOUNDARY}\r\n".encode() + b"X-A: 1\r\n" * 20_000 + b"\r\n1\r\n" + end,
        "field of a megabyte": part.replace(b"1\r\n", b"A" * 1_000_000 + b"\r\n") + end,
        "no end": part,
        "nothing": b"",
        "no boundary in it": b"A" * 1000,
        "no name": f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\n1\r\n".encode() + end,
        "same field twice": part + part + end,
        "header without colon": f"--{BOUNDARY}\r\nContent-Disposition\r\n\r\n1\r\n".encode() + end,
        "bytes that are no text": f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=".encode()
                                  + b'"\xff\xfe"\r\n\r\n\xff\r\n' + end,
    }
    for name, body in bodies.items():
        reply = _body(machine, body)
        assert 400 <= reply.status_code < 500 and reply.json()["error"]["code"], f"{name}: {reply.status_code}"
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'A' * 9000}",
                 "multipart/mixed; boundary=x", "text/plain", "image/png", ""):
        assert 400 <= _body(machine, part + end, kind).status_code < 500, kind


def test_json_that_is_made_to_break_a_parser(machine: Machine) -> None:
    bodies = {
        "deep": b'{"pseudonym":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "deep objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        "long": b'{"pseudonym": "' + b"A" * 1_000_000 + b'"}',
        "numbers": b'{"pseudonym": "P", "birth_year": 1e400}',
        "huge integer": b'{"pseudonym": "P", "birth_year": ' + b"9" * 5000 + b"}",
        "NaN": b'{"pseudonym": "P", "birth_year": NaN}',
        "NUL": b'{"pseudonym": "P\\u0000"}',
        "half a character": b'{"pseudonym": "P\\ud800"}',
        "half a character as a name": b'{"\\ud800": 1, "pseudonym": "P"}',
        "not UTF-8": b'{"pseudonym": "\xff"}',
        "twice": b'{"pseudonym": "P", "pseudonym": ["Q"]}',
        "list": b"[]", "null": b"null", "nothing": b"", "text": b"hello", "half": b'{"pseudonym"',
        "other types": b'{"pseudonym": {"a": 1}, "birth_year": "x", "sex": 5, "skin_type": true}',
        "unknown field": b'{"pseudonym": "P", "id": "1", "version": 9}',
    }
    for name, body in bodies.items():
        reply = machine.post("/api/v1/patients", content=body, headers={"Content-Type": "application/json"})
        assert reply.status_code in (400, 413, 422), f"{name}: {reply.status_code} {reply.text[:200]}"
        assert len(reply.content) < 20_000 and reply.json()["error"]["message"], name
    as_form = machine.post("/api/v1/patients", files={"pseudonym": ("a", b"A" * 3_000_000)})
    assert as_form.status_code == 400
