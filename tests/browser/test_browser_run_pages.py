"""The page of a run and of several, opened from disk: axe-core in both themes, all sizes, print, and no request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import miniature_runs as drawn
import pytest
from playwright.sync_api import Browser, Page

from macule.evaluation import runs
from macule.evaluation.runs import Start
from macule.exchange import compare_page, run_page

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

SIZES = (360, 768, 1280, 2560)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    good = runs.read(drawn.make(folder / "good"))
    leaky = runs.read(drawn.make(folder / "leaky", skill=0.9, seed=2, leaky=True, warnings=["12 pictures are gone."],
                                 start=Start("vgg16", "scratch: no weights here", False)))
    empty = runs.read(drawn.make(folder / "empty", epochs=0, metrics=False))
    compare_page.write([good, leaky, empty], folder / "compared.html", now=NOW)
    return {"compared": folder / "compared.html"} | {
        run.folder.name: run_page.write(run, now=NOW) for run in (good, leaky, empty)}


@pytest.fixture
def opened(chromium: Browser, pages: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Page]:
    name, context = request.param
    window = chromium.new_context(**context)
    page = window.new_page()
    asked: list[str] = []
    page.on("request", lambda call: asked.append(call.url))
    page.goto(pages[name].as_uri())
    yield page
    window.close()
    assert len(asked) == 1  # the page itself


def context(name: str, width: int, theme: str = "light") -> tuple[str, dict]:
    return name, {"viewport": {"width": width, "height": 900}, "color_scheme": theme}


@pytest.mark.parametrize("opened", [context(name, width, theme) for name, width, theme in (
    ("good", 360, "light"), ("good", 1280, "dark"), ("leaky", 360, "dark"), ("leaky", 1280, "light"),
    ("empty", 1280, "light"), ("compared", 360, "light"), ("compared", 1280, "dark"))], indirect=True, ids=str)
def test_axe_finds_nothing(opened: Page) -> None:
    assert not [one["id"] for one in axe.Axe().run(opened).response["violations"]]


@pytest.mark.parametrize("opened", [context(name, width) for name in ("good", "leaky", "compared") for width in SIZES],
                         indirect=True, ids=str)
def test_no_screen_scrolls_sideways(opened: Page) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("opened", [context("good", width) for width in (360, 1280)], indirect=True, ids=str)
def test_letters_keep_their_size_and_nothing_of_a_chart_leaves_its_frame(opened: Page) -> None:
    sizes = opened.evaluate("[...document.querySelectorAll('.plot .tick')].map(e => e.getBoundingClientRect().height)")
    assert sizes and min(sizes) > 11
    outside = opened.evaluate("""[...document.querySelectorAll('.chart')].flatMap(chart => {
        const frame = chart.getBoundingClientRect();
        return [...chart.querySelectorAll('.tick, .phase, circle')].filter(part => {
            const box = part.getBoundingClientRect();
            return box.left < frame.left || box.right > frame.right || box.bottom > frame.bottom;
        });
    }).length""")
    assert outside == 0


@pytest.mark.parametrize("opened", [context("good", 1280)], indirect=True, ids=str)
def test_labels_of_an_axis_do_not_touch(opened: Page) -> None:
    touching = opened.evaluate("""[...document.querySelectorAll('.chart')].map(chart => {
        const boxes = [...chart.querySelectorAll('.tick, .phase')].map(e => e.getBoundingClientRect());
        return boxes.some((a, i) => boxes.some((b, j) => i < j && a.left < b.right && b.left < a.right
            && a.top + 3 < b.bottom - 3 && b.top + 3 < a.bottom - 3));
    })""")
    assert touching == [False] * 4
