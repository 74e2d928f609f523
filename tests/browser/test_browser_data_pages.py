"""Pages that are one file, opened from disk: axe-core in both themes, small and large screens, no request."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from miniature import save
from playwright.sync_api import Browser, Page

from macule.data.audit import Audit, Twins
from macule.data.duplicates import Pair
from macule.data.duplicates.confirm import Agreement
from macule.data.guard import Example, Leak, LeakReport
from macule.data.kinship import Kind
from macule.data.manifest.row import Row
from macule.exchange import audit as pages

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

SIZES = (360, 768, 1280, 2560)


def row(dataset: str, number: int, dx: str) -> Row:
    return Row(dataset=dataset, picture_id=f"ISIC_{number:07}", lesion_id=f"HAM_{number:07}", picture=f"{number}.jpg",
               group=f"{dataset}:{number}", dx=dx, labels=(dx,), sha256="0" * 64)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    twins = [Twins(row("ham10000", n, "mel"), row("milk10k", n, "nv" if n % 2 else "mel"),
                   Pair(0, 1, Agreement(6, 0.4 + n / 20, 90.0, 1.8, bool(n)))) for n in range(6)]
    for number in range(5):  # the last one is gone since
        save(folder / f"{number}.jpg", np.full((90, 120, 3), (200, 160, 140), np.uint8))
    leak = Leak("train", "test", 50, 4, 4, 8, 4, {Kind.LINK: 4}, Example("ham10000:1", "milk10k:1", Kind.LINK))
    shared = {("ham10000", "milk10k"): {Kind.LESION: 3}}
    found = Audit("0" * 64, {"ham10000": 10015, "milk10k": 6292}, 99, twins, shared,
                  {"ham10000:ISIC_1": "ISIC_1.jpg is damaged"},
                  {"random.parquet": LeakReport((leak,)), "ours.parquet": LeakReport(())})
    pages.write(folder, found, roots={"ham10000": folder, "milk10k": folder}, samples=4,
                now=datetime(2026, 11, 21, tzinfo=UTC))
    return folder / "index.html"


@pytest.fixture
def opened(chromium: Browser, audited: Path, request: pytest.FixtureRequest) -> Page:
    context = chromium.new_context(**request.param)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda call: asked.append(call.url))
    page.goto(audited.as_uri())
    yield page
    context.close()
    assert all(url.startswith(("file:", "data:")) for url in asked)


def contexts(width: int) -> list[dict]:
    return [{"viewport": {"width": width, "height": 900}, "color_scheme": theme} for theme in ("light", "dark")]


@pytest.mark.parametrize("opened", [*contexts(360), *contexts(1280)], indirect=True, ids=str)
def test_axe_finds_nothing(opened: Page):
    assert not [one["id"] for one in axe.Axe().run(opened).response["violations"]]


@pytest.mark.parametrize("opened", [contexts(width)[0] for width in SIZES], indirect=True, ids=str)
def test_no_screen_scrolls_sideways(opened: Page):
    assert opened.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
