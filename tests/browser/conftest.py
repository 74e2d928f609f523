"""A real server, a real headless Chromium. Without one the tests are skipped; MACULE_CHROMIUM names another program."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "web"))  # the fake analyzer is shared

playwright = pytest.importorskip("playwright.sync_api")

from fake_analyzer import FakeAnalyzer  # noqa: E402
from live import serve  # noqa: E402

from macule.web import Settings, create_app  # noqa: E402

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[playwright.Browser]:
    program = os.environ.get("MACULE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        pytest.skip("no Chromium here: apt-get install chromium, or set MACULE_CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def analyzer() -> FakeAnalyzer:
    return FakeAnalyzer()


@pytest.fixture(scope="session")
def address(analyzer: FakeAnalyzer) -> Iterator[str]:
    with serve(create_app(settings=Settings(max_upload_bytes=2_000_000), analyzer=analyzer)) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def page(chromium: playwright.Browser, address: str, request: pytest.FixtureRequest) -> Iterator[playwright.Page]:
    """The empty page. Parametrize indirectly with options of a browser context. Any script error fails the test."""
    context = chromium.new_context(**getattr(request, "param", {"viewport": {"width": 1280, "height": 860}}))
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda line: broken.append(line.text) if "Content Security Policy" in line.text else None)
    # Playwright starts to intercept choosers with the first listener, without waiting: `expect_file_chooser` alone
    # loses the race against a key press on a busy machine.
    page.on("filechooser", lambda _: None)
    page.goto(address)
    yield page
    context.close()
    assert not broken
