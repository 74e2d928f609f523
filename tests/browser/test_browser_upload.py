"""Every way in, and what a person meets on the way: chooser, drop, keyboard, no JavaScript, errors."""

from __future__ import annotations

import base64
import re

import pytest
from fake_analyzer import FakeAnalyzer, png
from playwright.sync_api import Page, expect

ONE = re.compile(r"^(Low|Medium|High) risk")


def picture(name: str, content: bytes | None = None) -> dict:
    return {"name": name, "mimeType": "image/png", "buffer": png() if content is None else content}


def send(page: Page, name: str, content: bytes | None = None) -> None:
    page.set_input_files("#picture", picture(name, content))
    page.click("#send")


def drop(page: Page, target: str, name: str) -> None:
    encoded = base64.b64encode(png()).decode()
    transfer = page.evaluate_handle(
        """([name, encoded]) => {
            const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, {type: "image/png"}));
            return transfer;
        }""",
        [name, encoded],
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event(target, event, {"dataTransfer": transfer})


def expect_answer(page: Page, title: str) -> None:
    expect(page.locator("#verdict")).to_have_text(title)
    expect(page.locator("#verdict")).to_be_focused()
    expect(page.locator("#verdict")).to_be_in_viewport()


def test_by_the_file_chooser(page: Page):
    with page.expect_file_chooser() as chooser:
        page.click("#picture")
    chooser.value.set_files(picture("high.png"))
    expect(page.locator("#preview")).to_be_visible()
    expect(page.locator("#picture-name")).to_have_text("high.png")
    page.click("#send")
    expect_answer(page, "High risk")
    expect(page.locator("#status")).to_have_text("Answer ready: High risk")
    expect(page).to_have_title("High risk · Macule")
    assert page.url.endswith("/"), "the answer is swapped in, the page is not left"


@pytest.mark.parametrize("target", ["#lens", "footer.colophon"])
def test_by_dropping(page: Page, target: str):
    drop(page, target, "medium.png")
    expect(page.locator("#preview")).to_be_visible()
    page.click("#send")
    expect_answer(page, "Medium risk")


def test_by_keyboard_alone(page: Page):
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#picture")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(picture("low.png"))
    for key in ("Tab", "5", "4", "Tab", "f", "Tab", "h", "Tab", "Tab"):
        page.keyboard.press(key)
    expect(page.locator("#send")).to_be_focused()
    page.keyboard.press("Enter")
    expect_answer(page, "Low risk")
    expect(page.locator(".provenance")).to_contain_text("age 54; Female; Head or neck")
    page.keyboard.press("Tab")
    expect(page.locator(".likelihood summary")).to_be_focused()


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_without_javascript(page: Page):
    page.set_input_files("#picture", picture("high.png"))
    page.fill("#age", "54")
    page.click("#send")
    expect(page.locator("#verdict")).to_have_text("High risk")
    expect(page.locator("#verdict")).to_be_focused()
    expect(page.locator(".plate img")).to_have_count(2)
    expect(page.locator("#age")).to_have_value("54")
    expect(page.locator("[data-blend]")).to_be_hidden()
    send(page, "unreadable_image.png")
    expect(page.locator("#verdict")).to_have_text("This file cannot be read as a picture")


@pytest.mark.parametrize("page", [{"has_touch": True, "is_mobile": True, "viewport": {"width": 360, "height": 740}}],
                         indirect=True)
def test_with_the_phones_camera(page: Page):
    expect(page.locator("#camera")).to_have_attribute("capture", "environment")
    with page.expect_file_chooser() as chooser:
        page.tap("#camera")
    chooser.value.set_files(picture("high.png"))
    expect(page.locator("#picture-name")).to_have_text("high.png")
    page.tap("#send")
    expect_answer(page, "High risk")


def test_a_mouse_gets_no_camera_button(page: Page):
    expect(page.locator("#camera-pick")).to_be_hidden()


def test_a_wrong_age_keeps_picture_and_fields(page: Page, analyzer: FakeAnalyzer):
    page.fill("#age", "400")
    page.select_option("#site", "trunk")
    send(page, "high.png")
    expect(page.locator("#age-message")).to_contain_text("from 0 to 120")
    expect(page.locator("#age")).to_have_attribute("aria-invalid", "true")
    expect_answer(page, "Please correct one field")
    page.click(".wrong a")
    expect(page.locator("#age")).to_be_focused()
    page.fill("#age", "40")
    page.click("#send")
    expect_answer(page, "High risk")
    expect(page.locator("#age-message")).to_be_empty()
    expect(page.locator("#age")).not_to_have_attribute("aria-invalid", "true")
    assert analyzer.seen[-1][1].age == 40.0


def test_no_picture(page: Page):
    page.click("#send")
    expect_answer(page, "No picture yet")
    expect(page.locator("#picture-message")).to_have_text("Choose a picture first.")
    page.click("text=Go back to the picture")
    expect(page.locator("#picture")).to_be_focused()


def test_a_refused_picture_leads_to_another(page: Page):
    send(page, "refused.png")
    expect_answer(page, "This picture cannot be judged")
    expect(page.locator(".changes")).to_contain_text("Hold still")
    with page.expect_file_chooser() as chooser:
        page.click("text=Use another picture")
    chooser.value.set_files(picture("low.png"))
    page.click("#send")
    expect_answer(page, "Low risk")


def test_too_large_is_told_before_anything_is_sent(page: Page, analyzer: FakeAnalyzer):
    before = len(analyzer.seen)
    send(page, "huge.png", b"x" * 2_000_001)
    expect(page.locator("#picture-message")).to_contain_text("too large")
    expect(page.locator("#picture")).to_be_focused()
    assert len(analyzer.seen) == before


def test_a_file_that_cannot_be_previewed_can_still_be_sent(page: Page):
    page.set_input_files("#picture", picture("low.heic", b"not for browsers"))
    expect(page.locator("#picture-name")).to_contain_text("cannot show this kind of file")
    expect(page.locator("#preview")).to_be_hidden()
    page.click("#send")
    expect_answer(page, "Low risk")


def test_an_answer_is_marked_when_the_form_has_moved_on(page: Page):
    send(page, "low.png")
    expect_answer(page, "Low risk")
    expect(page.locator("[data-stale]")).to_be_hidden()
    page.set_input_files("#picture", picture("high.png"))
    expect(page.locator("[data-stale]")).to_contain_text("this answer is for low.png")


def test_a_lost_connection_is_told_and_nothing_is_lost(page: Page):
    page.route("**/analyze", lambda route: route.abort())
    page.fill("#age", "54")
    send(page, "low.png")
    expect_answer(page, "No answer from the server")
    page.unroute("**/analyze")
    page.click("#send")
    expect_answer(page, "Low risk")
    expect(page.locator("#age")).to_have_value("54")


def test_a_proxys_own_error_page_is_not_swapped_in(page: Page):
    page.route("**/analyze", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    send(page, "low.png")
    expect_answer(page, "No answer from the server")


def test_progress_is_shown_and_a_second_press_sends_nothing(page: Page, analyzer: FakeAnalyzer):
    analyzer.hold.clear()
    before = len(analyzer.seen)
    send(page, "slow.png")
    expect(page.locator("#progress-text")).to_have_text("Looking at the picture")
    expect(page.locator("#status")).to_have_text("Looking at the picture")
    expect(page.locator("#intake")).to_have_attribute("aria-busy", "true")
    page.keyboard.press("Enter")  # the button keeps the focus; Playwright's own click would wait for it to be enabled
    analyzer.hold.set()
    expect_answer(page, "Low risk")
    expect(page.locator("#progress")).to_be_hidden()
    assert len(analyzer.seen) == before + 1


def test_the_heatmaps_strength_and_switch(page: Page):
    send(page, "high.png")
    expect_answer(page, "High risk")
    heat = page.locator("[data-heat]")
    expect(heat).to_have_css("opacity", "1")
    page.focus("[data-heat-strength]")
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    expect(heat).to_have_css("opacity", "0.5")
    page.click("[data-heat-toggle]")
    expect(heat).to_have_css("opacity", "0")
    expect(page.locator("[data-heat-toggle]")).to_have_attribute("aria-pressed", "false")
    page.click("[data-heat-toggle]")
    expect(heat).to_have_css("opacity", "0.5")
