"""axe-core, both themes; small and large screens; zoom; reduced motion."""

from __future__ import annotations

import pytest
from fake_analyzer import png
from playwright.sync_api import Page, expect

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

STATES = (
    "empty", "low.png", "medium.png", "high.png", "unlike.png", "refused.png", "unreadable_image.png", "age", "card",
)
SIZES = {360: 740, 768: 1024, 1280: 860, 2560: 1440, 3840: 2160}


def bring(page: Page, state: str) -> None:
    """The page into one of STATES."""
    if state == "card":
        page.click("text=About the model")
        return
    if state == "empty":
        return
    page.fill("#age", "400" if state == "age" else "54")
    name = "high.png" if state == "age" else state
    page.set_input_files("#picture", {"name": name, "mimeType": "image/png", "buffer": png()})
    page.click("#send")
    expect(page.locator("#verdict")).to_be_focused()
    for details in page.locator("details").all():
        details.evaluate("element => element.open = true")


def contexts(width: int) -> list[dict]:
    size = {"width": width, "height": SIZES[width]}
    return [{"viewport": size, "color_scheme": theme} for theme in ("light", "dark")]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("page", [
    contexts(360)[0], contexts(1280)[1],
    *(pytest.param(more, marks=pytest.mark.slow) for more in (contexts(360)[1], contexts(1280)[0])),
], indirect=True, ids=str)
def test_axe_finds_nothing_serious(page: Page, state: str):
    bring(page, state)
    found = axe.Axe().run(page).response["violations"]
    serious = [(one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found
               if one["impact"] in ("serious", "critical")]
    assert not serious


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("page", [
    contexts(360)[0], *(pytest.param(contexts(width)[0], marks=pytest.mark.slow) for width in SIZES if width > 360),
], indirect=True, ids=str)
def test_no_screen_scrolls_sideways(page: Page, state: str):
    bring(page, state)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("page", [{"viewport": {"width": 320, "height": 256}}], indirect=True)
@pytest.mark.parametrize("state", ["empty", "high.png", "refused.png"])
def test_400_percent_zoom_reflows(page: Page, state: str):
    """WCAG 2.2, 1.4.10: 1280 px at 400 % is 320 px."""
    bring(page, state)
    assert page.evaluate("document.documentElement.scrollWidth <= 320")


@pytest.mark.parametrize("page", [contexts(360)[0]], indirect=True, ids=str)
def test_targets_are_large_enough_for_a_thumb(page: Page):
    """WCAG 2.2, 2.5.8 asks for 24 px; the form's own controls have 44."""
    for selector in ("#picture", "#age", "#sex", "#site", "#modality", "#send"):
        box = page.locator(selector).bounding_box()
        assert box and box["height"] >= 44 and box["width"] >= 44, selector


@pytest.mark.parametrize("page", [{"reduced_motion": "reduce"}], indirect=True)
def test_reduced_motion_stands_still(page: Page):
    page.evaluate("document.getElementById('progress').hidden = false")
    assert page.locator("#progress-bar").evaluate("bar => getComputedStyle(bar).animationName") == "none"


def test_the_heat_is_told_in_words(page: Page):
    bring(page, "high.png")
    expect(page.locator("[data-heat]")).to_have_attribute(
        "alt", "Heatmap for Melanoma: the brightest area lies upper left of centre."
    )


def test_nothing_is_fetched_from_elsewhere(page: Page, address: str):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    bring(page, "high.png")
    assert asked and all(url.startswith((address, "data:", "blob:")) for url in asked)
