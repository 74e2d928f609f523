"""The pages as a browser without JavaScript gets them."""

from __future__ import annotations

import re
from html import unescape

import pytest
from fake_analyzer import BOUNDARY, ERRORS, MULTIPART, FakeAnalyzer, answer, part, png
from starlette.testclient import TestClient

from macule.analysis.patient import Modality, Sex, Site
from macule.analysis.result import DISCLAIMER
from macule.taxonomy import Diagnosis
from macule.web import Settings, create_app, faults


def words(html: str) -> str:
    """What a person reads."""
    html = re.sub(r"<template.*?</template>", "", html, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_the_first_page(client):
    reply = client.get("/")
    assert reply.status_code == 200
    assert 'enctype="multipart/form-data"' in reply.text
    for value in (*Sex, *Site, *Modality):
        assert f'<option value="{value}">' in reply.text
    assert reply.text.count('<option value="">Not known</option>') == 3


@pytest.mark.parametrize(("stem", "title"), [("low", "Low risk"), ("medium", "Medium risk"), ("high", "High risk")])
def test_an_answer(send, stem, title):
    reply = send("/analyze", f"{stem}.png", age="54", site="trunk")
    page = words(reply.text)
    assert reply.status_code == 200
    assert f"<title>{title} · Macule</title>" in reply.text
    assert re.search(rf'<h2 id="verdict"[^>]*tabindex="-1" autofocus>{title}</h2>', reply.text)
    assert reply.text.count("data:image/jpeg;base64,") == 2
    assert answer(stem, f"{stem}.png", png()).advice in page and "upper left of centre" in page
    assert all(code.entry.name in page and code.entry.plain in page for code in Diagnosis)
    assert "fake-1" in page and "ab" * 8 in page and 'href="model-card"' in reply.text


def test_the_numbers_of_an_answer(send):
    page = words(send("/analyze", "high.png").text)
    assert "77\xa0% probability of cancer" in page or "77 % probability of cancer" in page
    assert "Cannot be ruled out: Melanoma ." in page or "Cannot be ruled out: Melanoma." in page


def test_what_was_typed_is_kept(send):
    reply = send("/analyze", "low.png", age="54", sex="male", site="trunk", modality="clinical")
    assert 'value="54"' in reply.text
    for value in ("male", "trunk", "clinical"):
        assert f'<option value="{value}" selected>' in reply.text


def test_a_picture_unlike_the_training_pictures_warns(send):
    assert "unlike those macule learned from" in words(send("/analyze", "unlike.png").text)
    assert "unlike those macule learned from" not in words(send("/analyze", "low.png").text)


def test_a_refused_picture_says_what_to_change(send):
    reply = send("/analyze", "refused.png")
    page = words(reply.text)
    assert reply.status_code == 200
    assert "This picture cannot be judged" in page
    assert "In focus: no. Hold still, tap on the spot to focus." in page
    assert "Low risk" not in page


def test_a_wrong_age_is_told_beside_the_age_and_the_rest_is_kept(send, analyzer: FakeAnalyzer):
    reply = send("/analyze", "low.png", age="400", sex="male")
    assert reply.status_code == 422
    message = re.search(r'id="age-message">(.*?)</p>', reply.text)
    assert message and "0 to 120" in message[1]
    assert re.search(r'<input id="age"[^>]*value="400"[^>]*aria-invalid="true"', reply.text, re.S)
    assert '<option value="male" selected>' in reply.text
    assert re.search(r'id="sex-message"></p>', reply.text)
    assert not analyzer.seen


def test_every_wrong_field_is_told_at_once(send):
    reply = send("/analyze", "low.png", age="x", site="moon")
    assert "Please correct 2 fields" in words(reply.text)
    assert reply.text.count('aria-invalid="true"') == 2


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_has_its_status_and_a_readable_page(send, code):
    reply = send("/analyze", f"{code}.png", age="54")
    assert reply.status_code == faults.STATUS[ERRORS[code]]
    assert 'id="verdict"' in reply.text and f"<code>{code}</code>" in reply.text
    assert 'value="54"' in reply.text


def test_no_picture(client):
    body = part("picture", b"", "") + part("age", b"54") + f"--{BOUNDARY}--\r\n".encode()
    reply = client.post("/analyze", content=body, headers=MULTIPART)
    assert reply.status_code == 400
    assert re.search(r'id="picture-message">Choose a picture first', reply.text)
    assert 'value="54"' in reply.text


def test_what_people_type_and_name_is_escaped(send):
    evil = '"><script>alert(1)</script>'
    for reply in (send("/analyze", "low.png", age=evil), send("/analyze", "<img src=x>.png")):
        assert "<script>alert" not in reply.text and "<img src=x>" not in reply.text


def test_no_page_holds_inline_script_or_style(send, client):
    for html in (client.get("/").text, send("/analyze", "high.png").text, send("/analyze", "refused.png").text,
                 client.get("/model-card").text, client.get("/nothing").text):
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', html)


def test_every_page_says_that_it_is_no_medical_device(send, client):
    for reply in (client.get("/"), send("/analyze", "high.png"), send("/analyze", "refused.png"),
                  send("/analyze", "low.png", age="400"), client.get("/model-card"), client.get("/nothing")):
        assert DISCLAIMER in words(reply.text)
    assert send("/api/v1/predict").json()["disclaimer"] == DISCLAIMER


def test_opening_an_answers_address_leads_to_the_form(client):
    reply = client.get("/analyze", follow_redirects=False)
    assert (reply.status_code, reply.headers["location"]) == (303, "./")


def test_a_bug_is_a_page_that_tells_nothing(send):
    reply = send("/analyze", "bug.png")
    assert reply.status_code == 500 and "secret" not in reply.text
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_the_model_card_shows_markdown_and_no_raw_html(client, analyzer, tmp_path):
    object.__setattr__(analyzer.bundle, "folder", tmp_path)
    (tmp_path / "card.md").write_text("# Measured\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n<script>x</script>\n")
    html = client.get("/model-card").text
    assert "<h2>Measured</h2>" in html and "<td>1</td>" in html
    assert "<script>x" not in html and "style=" not in html


def test_health_and_readiness(client):
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready", "bundle": {"id": "fake-1", "sha256": "ab" * 32}}


def test_before_the_model_is_loaded(settings: Settings):
    client = TestClient(create_app(settings=settings))  # not entered: the lifespan has not run
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    reply = client.post("/analyze", files={"picture": ("low.png", png())})
    assert reply.status_code == 503 and "still starting" in words(reply.text)
