"""POST /api/v1/predict: the same object as Result.to_dict(), and errors with one status a class."""

from __future__ import annotations

import pytest
from fake_analyzer import BOUNDARY, ERRORS, MULTIPART, FakeAnalyzer, answer, part, png

from macule import errors
from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.web import faults

API = "/api/v1/predict"


@pytest.mark.parametrize("stem", ["low", "medium", "high", "refused", "unlike"])
def test_answers_with_the_results_own_object(send, stem):
    reply = send(API, f"{stem}.png")
    assert reply.status_code == 200
    assert reply.json() == answer(stem, f"{stem}.png", png()).to_dict()


def test_passes_bytes_name_and_patient_on(send, analyzer: FakeAnalyzer):
    send(API, "low.png", age="54", sex="F", site="back", modality="phone")
    (content, patient, name), = analyzer.seen
    assert (content, name) == (png(), "low.png")
    assert patient == Patient(age=54.0, sex=Sex.FEMALE, site=Site.TRUNK, modality=Modality.CLINICAL)


@pytest.mark.parametrize("fields", [{}, {"age": "", "sex": "", "site": " ", "modality": ""}])
def test_what_is_left_out_or_blank_is_unknown(send, analyzer, fields):
    assert send(API, **fields).status_code == 200
    assert analyzer.seen[0][1] == Patient()


def test_age_zero_is_an_age(send, analyzer):
    send(API, age="0")
    assert analyzer.seen[0][1].age == 0.0


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_of_the_analysis_has_its_status(send, code):
    reply = send(API, f"{code}.png")
    assert reply.status_code == faults.STATUS[ERRORS[code]]
    assert reply.json()["error"]["code"] == code
    assert f"made to fail with {code}" in reply.json()["error"]["message"]


def test_every_error_class_stands_in_the_table():
    def below(kind):
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    ours = {kind for kind in below(errors.MaculeError) if kind.__module__ in (errors.__name__, faults.__name__)}
    assert ours == set(faults.STATUS)


def test_an_unknown_subclass_has_its_parents_status():
    class Stranger(errors.UnreadableImage):
        pass

    assert faults.status_of(Stranger("x")) == 422


@pytest.mark.parametrize(("fields", "named"), [
    ({"age": "400"}, "age"), ({"age": "-3"}, "age"), ({"age": "nan"}, "age"), ({"age": "old"}, "age"),
    ({"sex": "x"}, "sex"), ({"site": "moon"}, "site"), ({"modality": "xray"}, "modality"),
])
def test_bad_metadata_is_422_and_named(send, analyzer, fields, named):
    reply = send(API, **fields)
    assert reply.status_code == 422
    assert reply.json()["error"]["code"] == "invalid_metadata"
    assert reply.json()["error"]["message"].startswith(f"{named} is ")
    assert not analyzer.seen


def test_a_misspelt_field_is_not_lost_in_silence(send):
    reply = send(API, agee="54")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "malformed_request")


def test_no_picture(client):
    reply = client.post(API, files={"age": (None, "54")})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "picture_missing")


def test_a_zero_byte_picture_is_the_analysis_to_refuse(send, analyzer):
    assert send(API, "low.png", b"").status_code == 200
    assert analyzer.seen[0][0] == b""


@pytest.mark.parametrize("body", [
    {"json": {"picture": "x"}}, {"content": b"--x\r\n", "headers": {"content-type": "multipart/form-data"}},
    {"content": b"garbage", "headers": {"content-type": "multipart/form-data; boundary=x"}},
    {"content": b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\nabc',
     "headers": {"content-type": "multipart/form-data; boundary=x"}},
    {"data": {"picture": "text"}},
    {"files": [("picture", ("a.png", b"1")), ("picture", ("b.png", b"2"))]},
    {"files": [("photo", ("a.png", b"1"))]},
    {"files": [("age", (None, b"1")), ("age", (None, b"2")), ("picture", ("a.png", b"1"))]},
    {"files": [("age", (None, b"1" * 5000)), ("picture", ("a.png", b"1"))]},
    {"files": [(f"f{number}", (None, b"1")) for number in range(20)]},
])
def test_a_malformed_form_is_400(client, analyzer, body):
    reply = client.post(API, **body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "malformed_request")
    assert not analyzer.seen


def test_an_empty_file_input_beside_the_picture_is_no_second_picture(client):
    body = part("picture", b"", "") + part("picture", png(), "low.png") + f"--{BOUNDARY}--\r\n".encode()
    assert client.post(API, content=body, headers=MULTIPART).status_code == 200


def test_only_the_last_part_of_a_path_is_kept(send, analyzer):
    assert send(API, "C:\\\\Users\\\\Jane Doe\\\\low.png").json()["image"] == "low.png"
    assert send(API, "/home/jane/low.png").json()["image"] == "low.png"


def test_a_bug_is_500_and_tells_nothing(send):
    reply = send(API, "bug.png")
    assert reply.status_code == 500
    assert reply.json()["error"]["code"] == "internal_error"
    assert "secret" not in reply.text
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_unknown_addresses_and_methods_answer_in_json(client):
    for reply, status in ((client.get("/api/v1/nothing"), 404), (client.get(API), 405)):
        assert reply.status_code == status
        assert set(reply.json()["error"]) == {"code", "message"}


def test_the_schema_describes_the_form(client):
    schema = client.get("/api/v1/openapi.json").json()
    body = schema["paths"][API]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(body["properties"]) == {"picture", "age", "sex", "site", "modality"}
