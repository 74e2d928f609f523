"""The page of an evaluation, opened from disk: axe-core in both themes, all sizes, print, and no request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sample_report as sample
from playwright.sync_api import Browser, Page

from macule.exchange import evaluation_page

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)
SIZES = (360, 1280, 3840)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("evaluation")
    for name, report in (("good", sample.REPORT), ("leaky", sample.REPORT | {"leaky": True})):
        evaluation_page.write(report, sample.sections(), folder / f"{name}.html", NOW)
    evaluation_page.write({"leaky": None, "pictures": 0}, (), folder / "empty.html", NOW)
    return {name: folder / f"{name}.html" for name in ("good", "leaky", "empty")}


@pytest.fixture
def opened(chromium: Browser, pages: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Page]:
    name, context = request.param
    window = chromium.new_context(**context)
    page = window.new_page()
    asked: list[str] = []
    broken: list[str] = []
    page.on("request", lambda call: asked.append(call.url.split(":")[0]))
    page.on("console", lambda line: broken.append(line.text))
    page.goto(pages[name].as_uri())
    yield page
    window.close()
    assert asked.count("file") == 1 and set(asked) <= {"file", "data"} and not broken


def context(name: str, width: int, theme: str = "light") -> tuple[str, dict]:
    return name, {"viewport": {"width": width, "height": 900}, "color_scheme": theme}


@pytest.mark.parametrize("opened", [context(name, width, theme) for name, width, theme in (
    ("good", 360, "light"), ("good", 1280, "dark"), ("leaky", 1280, "light"), ("leaky", 360, "dark"),
    ("empty", 1280, "light"))], indirect=True, ids=str)
def test_axe_finds_nothing(opened: Page) -> None:
    assert not [(one["id"], one["nodes"][0]["html"]) for one in axe.Axe().run(opened).response["violations"]]


@pytest.mark.parametrize("opened", [context("good", width) for width in SIZES], indirect=True, ids=str)
def test_no_screen_scrolls_sideways(opened: Page) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("opened", [context("good", width) for width in (360, 1280)], indirect=True, ids=str)
def test_letters_keep_their_size_and_nothing_of_a_chart_leaves_its_frame(opened: Page) -> None:
    sizes = opened.evaluate("[...document.querySelectorAll('.tick')].map(e => e.getBoundingClientRect().height)")
    assert sizes and min(sizes) > 11
    outside = opened.evaluate("""[...document.querySelectorAll('.chart')].flatMap(chart => {
        const frame = chart.getBoundingClientRect();
        return [...chart.querySelectorAll('.tick, circle')].filter(part => {
            const box = part.getBoundingClientRect();
            return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom;
        });
    }).map(e => e.outerHTML)""")
    assert outside == []


@pytest.mark.parametrize("opened", [context("good", width) for width in (360, 1280)], indirect=True, ids=str)
def test_labels_of_an_axis_do_not_touch(opened: Page) -> None:
    touching = opened.evaluate("""[...document.querySelectorAll('.chart')].filter(chart => {
        const boxes = [...chart.querySelectorAll('.tick')].map(e => e.getBoundingClientRect());
        return boxes.some((a, i) => boxes.some((b, j) => i < j && a.left < b.right && b.left < a.right
            && a.top + 3 < b.bottom - 3 && b.top + 3 < a.bottom - 3));
    }).map(chart => chart.querySelector('h3').textContent)""")
    assert touching == []


@pytest.mark.parametrize("opened", [context("good", 1280)], indirect=True, ids=str)
def test_the_contents_stay_in_sight(opened: Page) -> None:
    opened.mouse.wheel(0, 4000)
    opened.wait_for_function("window.scrollY > 1000")
    box = opened.locator(".contents").bounding_box()
    assert box is not None and box["y"] >= 0


@pytest.mark.parametrize("opened", [context("good", 1280)], indirect=True, ids=str)
def test_it_prints_without_its_navigation(opened: Page) -> None:
    opened.emulate_media(media="print")
    assert not opened.locator(".contents").is_visible()
    assert opened.locator("h1").is_visible()
