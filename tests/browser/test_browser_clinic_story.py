"""The whole story in a real browser: from a blurred picture to a report, through two people's hands."""

from __future__ import annotations

from collections.abc import Iterator

import pypdfium2
import pytest
from clinic_place import PASSWORD, ClinicPlace, address_of, jpeg, opened
from playwright.sync_api import Browser, Page, expect

from macule.records import audit_check
from macule.records.domain import Role


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicPlace]:
    with opened(tmp_path_factory.mktemp("story")) as place:
        yield place


def sign_in(chromium: Browser, place: ClinicPlace, role: Role, **options: object) -> Page:
    page = chromium.new_context(**options).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(10_000)
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(place.root)
    page.fill("#email", address_of(role))
    page.fill("#password", PASSWORD)
    page.click("button:has-text('Sign in')")
    expect(page.locator(".who")).to_contain_text(f"The {role.value}")
    return page


def send(page: Page, picture: bytes) -> None:
    page.set_input_files("#picture", {"name": "spot.jpg", "mimeType": "image/jpeg", "buffer": picture})
    page.click("[data-send]")


def test_from_a_blurred_picture_to_a_report(chromium: Browser, place: ClinicPlace) -> None:
    nurse = sign_in(chromium, place, Role.NURSE, viewport={"width": 390, "height": 844}, has_touch=True)
    exam = captured(nurse)
    reader = sign_in(chromium, place, Role.DERMATOLOGIST, viewport={"width": 1440, "height": 900})
    committed_then_overridden(reader, exam)
    biopsied(reader)
    counted(reader)
    printed(reader, nurse, exam)
    with place.clinic.reading() as session:
        assert audit_check.verify(session).whole


def captured(page: Page) -> str:
    """The nurse registers, asks for consent, is refused once and gets an answer. Returns: the exam's id."""
    page.click("text=New patient")
    page.fill("#pseudonym", "P-7001")
    page.fill("#birth_year", "1958")
    page.select_option("#sex", "female")
    page.click("button:has-text('Register')")
    page.click("text=The patient agrees to pictures")
    page.get_by_role("link", name="Back", exact=True).click()
    page.get_by_role("link", name="New spot").first.click()
    page.select_option("#region", "front.left_forearm")
    page.click("text=Go on to the picture")
    send(page, jpeg(blur=9))
    expect(page.locator("h1")).to_have_text("This picture cannot be judged")
    expect(page.locator(".changes")).to_contain_text("Blurred")
    page.click("text=Take it again")
    send(page, jpeg())
    expect(page.locator("#verdict")).to_contain_text("risk")
    return page.url.rpartition("/")[2].partition("?")[0].partition("#")[0]


def committed_then_overridden(page: Page, exam: str) -> None:
    """The dermatologist says first what they see; only then is the machine's answer on the page."""
    page.goto(page.url.partition("/worklist")[0] + "/worklist")
    page.click(f"a[href*='{exam}'] >> nth=0")
    before = page.content()
    assert "Store my diagnosis" in before and "% " not in page.locator(".desk").inner_text()
    assert f"/exams/{exam}/heatmap" not in before
    page.check("#own-mel", force=True)
    page.click("text=Store my diagnosis")
    expect(page.locator("#answer")).to_be_visible()
    page.check("#decision-override", force=True)
    page.select_option("#final_code", "mel")
    page.select_option("#reason", "morphology")
    page.check("#management-biopsy", force=True)
    page.fill("#note", "Atypical network at 3 o'clock.")
    page.click("text=Store the decision")
    expect(page.locator(".case-head-state")).to_contain_text("Decided")


def biopsied(page: Page) -> None:
    page.select_option("#code", "nv")
    page.fill("#reported_on", page.get_attribute("#reported_on", "max") or "")
    page.click("text=Store the result")
    expect(page.locator("#biopsy")).to_contain_text("Melanocytic naevus")


def counted(page: Page) -> None:
    page.click("nav >> text=Dashboard")
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("main")).to_contain_text("override", ignore_case=True)


def printed(reader: Page, nurse: Page, exam: str) -> None:
    """Both wordings, fetched with the sessions of those who may read them."""
    root = reader.url.split("/dashboard")[0]
    doctor = reader.request.get(f"{root}/exams/{exam}/report.pdf?audience=doctor")
    patient = nurse.request.get(f"{root}/exams/{exam}/report.pdf?audience=patient")
    assert (doctor.status, patient.status) == (200, 200)
    for answer, words in ((doctor, "Melanoma"), (patient, "not a medical device")):
        document = pypdfium2.PdfDocument(answer.body())
        text = " ".join(page.get_textpage().get_text_bounded() for page in document)
        assert words in " ".join(text.split())
    assert nurse.request.get(f"{root}/exams/{exam}/report.pdf?audience=doctor").status == 403
