"""A nurse with a phone: a real Chromium looks at a drawn spot through its fake camera."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from clinic_testing import Signed, add_lesion, add_user, make_app, make_clinic
from fastapi import FastAPI
from live import serve
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from sqlalchemy import select

from macule import examples
from macule.analysis import bundle
from macule.analysis.pipeline import Analyzer
from macule.examples import Kind
from macule.records import consent
from macule.records.clinic import Clinic, utc_now
from macule.records.domain import Actor, Role
from macule.records.tables import Exam, Lesion

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True, "permissions": ["camera"]}


@dataclass
class Camera:
    """What the fake camera films: a file of JPEGs, opened anew whenever the page starts the camera."""

    file: Path
    spot: Image.Image

    def film(self, picture: Image.Image) -> None:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=95, subsampling=2)
        self.file.write_bytes(buffer.getvalue() * 8)

    def sharp(self) -> None:
        self.film(self.spot)

    def blurred(self) -> None:
        self.film(self.spot.filter(ImageFilter.GaussianBlur(9)))


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Camera:
    drawn = Image.fromarray(examples.draw(examples.preset(Kind.NAEVUS), seed=8000))
    side = min(drawn.size)
    square = drawn.crop((0, 0, side, side)).resize((720, 720), Image.Resampling.LANCZOS)
    return Camera(tmp_path_factory.mktemp("camera") / "spot.mjpeg", square)


@pytest.fixture(scope="module")
def seeing(chromium: Browser, camera: Camera) -> Iterator[Browser]:
    """A Chromium with the camera."""
    camera.sharp()
    program = os.environ.get("MACULE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    flags = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera.file}"]
    browser = chromium.browser_type.launch(executable_path=program, args=[*FLAGS, *flags])
    yield browser
    browser.close()


@dataclass
class Place:
    clinic: Clinic
    app: FastAPI
    nurse: Actor
    root: str

    def lesion(self) -> Lesion:
        lesion = add_lesion(self.clinic)
        with self.clinic.work(self.nurse) as work:
            consent.give(work, patient_id=lesion.patient_id, scope="care")
        return lesion

    def sign_in(self, context: BrowserContext) -> None:
        token = Signed(self.app, self.clinic, self.nurse).cookies["macule"]
        context.add_cookies([{"name": "macule", "value": token, "url": self.root}])

    def exams(self, lesion: Lesion) -> list[Exam]:
        with self.clinic.reading() as session:
            return list(session.scalars(select(Exam).where(Exam.lesion_id == lesion.id).order_by(Exam.id)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    clinic = make_clinic(tmp_path_factory.mktemp("clinic"), Analyzer(bundle.load()), clock=utc_now)  # type: ignore[arg-type]
    app = make_app(clinic)
    with serve(app) as port:
        yield Place(clinic, app, add_user(clinic, Role.NURSE), f"http://127.0.0.1:{port}")


@pytest.fixture
def phone(seeing: Browser, place: Place, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = seeing.new_context(**PHONE, **getattr(request, "param", {}))
    place.sign_in(context)
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda line: broken.append(line.text) if "Content Security Policy" in line.text else None)
    yield page
    context.close()
    assert not broken


def aim(page: Page, place: Place, lesion: Lesion) -> None:
    page.goto(f"{place.root}/lesions/{lesion.id}/capture")
    expect(page.locator("#capture")).to_have_attribute("data-state", "live")


def take(page: Page) -> None:
    page.tap("[data-shoot]")
    expect(page.locator("#capture")).to_have_attribute("data-state", "still")


def test_blurred_then_taken_again_then_answered(phone: Page, place: Place, camera: Camera) -> None:
    lesion = place.lesion()
    camera.blurred()
    aim(phone, place, lesion)
    expect(phone.locator("[data-hint]")).to_have_text("Hold still, or tap to focus")
    expect(phone.locator("[data-say]")).to_have_text("Hold still, or tap to focus")
    phone.tap("#modality-dermoscopic")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    for name in ("shoot", "choose"):
        box = phone.locator(f"[data-{name}]").bounding_box()
        assert box and min(box["width"], box["height"]) >= 44 and box["y"] + box["height"] <= 740, name
    take(phone)
    expect(phone.locator("[data-hint]")).to_contain_text("This looks blurred")
    phone.tap("[data-send]")
    expect(phone.locator("h1")).to_have_text("This picture cannot be judged")
    expect(phone.locator(".changes")).to_contain_text("Blurred")

    camera.sharp()
    phone.tap("text=Take it again")
    expect(phone.locator("#modality-dermoscopic")).to_be_checked()
    expect(phone.locator("[data-hint]")).to_have_text("Good. Take the picture")
    take(phone)
    phone.tap("[data-send]")
    expect(phone.locator("#verdict")).to_have_text("Low risk")
    expect(phone.locator(".plate .heat")).to_have_css("opacity", "1")
    phone.tap("label[for=heat]")
    expect(phone.locator(".plate .heat")).to_have_css("opacity", "0")
    refused, answered = place.exams(lesion)
    assert (refused.state, answered.state, answered.retake_of) == ("refused", "answered", refused.id)
    assert answered.modality == "dermoscopic" and answered.width == answered.height == 720


@pytest.mark.slow
def test_no_connection_keeps_the_picture_and_sends_it_by_itself(phone: Page, place: Place, camera: Camera) -> None:
    lesion = place.lesion()
    camera.sharp()
    aim(phone, place, lesion)
    take(phone)
    phone.context.set_offline(True)
    phone.tap("[data-send]")
    expect(phone.locator("[data-note]")).to_contain_text("no connection")
    expect(phone.locator("[data-still]")).to_be_visible()
    phone.context.set_offline(False)
    expect(phone.locator("#verdict")).to_be_visible()
    assert len(place.exams(lesion)) == 1


def test_an_answer_that_was_lost_on_its_way_is_no_second_exam(phone: Page, place: Place, camera: Camera) -> None:
    lesion = place.lesion()
    camera.sharp()
    aim(phone, place, lesion)
    take(phone)
    lost = []

    def lose_the_first(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.fetch())
            route.abort()
        else:
            route.continue_()

    phone.route("**/capture", lose_the_first)
    phone.tap("[data-send]")
    expect(phone.locator("[data-note]")).to_have_text("It did not arrive. Your picture is still here.")
    assert len(place.exams(lesion)) == 1
    phone.tap("[data-send]")
    expect(phone.locator("#verdict")).to_be_visible()
    assert len(place.exams(lesion)) == 1


@pytest.mark.slow
def test_a_session_that_ended_does_not_cost_the_picture(phone: Page, place: Place, camera: Camera) -> None:
    lesion = place.lesion()
    camera.sharp()
    aim(phone, place, lesion)
    take(phone)
    phone.context.clear_cookies()
    phone.tap("[data-send]")
    expect(phone.locator("[data-note]")).to_contain_text("signed out")
    expect(phone.locator("[data-note] a")).to_have_attribute("href", "/login")
    place.sign_in(phone.context)  # in another window; another session has another token
    phone.tap("[data-send]")
    expect(phone.locator("#verdict")).to_be_visible()
    assert len(place.exams(lesion)) == 1


@pytest.mark.slow
def test_by_keyboard_and_by_file(phone: Page, place: Place, camera: Camera) -> None:
    lesion = place.lesion()
    camera.sharp()
    aim(phone, place, lesion)
    phone.focus("#modality-clinical")
    for _ in range(2):
        phone.keyboard.press("Tab")
        if phone.evaluate("document.activeElement.matches('[data-shoot]')"):
            break
    phone.keyboard.press("Enter")
    expect(phone.locator("[data-send]")).to_be_focused()
    phone.keyboard.press("Shift+Tab")
    phone.keyboard.press("Enter")
    expect(phone.locator("[data-shoot]")).to_be_focused()
    with phone.expect_file_chooser() as chooser:
        phone.tap("[data-choose]")
    chooser.value.set_files({"name": "drawing.svg", "mimeType": "image/svg+xml", "buffer": b"<svg xmlns='http://www.w3.org/2000/svg'/>"})
    phone.tap("[data-send]")
    expect(phone.locator("[data-note]")).to_contain_text("This kind of file cannot be used")
    assert place.exams(lesion) == []


@pytest.mark.parametrize("phone", [{"java_script_enabled": False}], indirect=True)
def test_without_javascript(phone: Page, place: Place, camera: Camera) -> None:
    lesion = place.lesion()
    buffer = io.BytesIO()
    camera.spot.save(buffer, "PNG")
    phone.goto(f"{place.root}/lesions/{lesion.id}/capture")
    expect(phone.locator("[data-stage]")).to_be_hidden()
    phone.set_input_files("#picture", {"name": "spot.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
    phone.tap("text=Send the picture")
    expect(phone.locator("#verdict")).to_be_visible()
    assert len(place.exams(lesion)) == 1
