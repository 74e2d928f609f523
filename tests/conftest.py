"""Fixtures for every test. No network, no picture that the tests did not draw."""

from __future__ import annotations

from pathlib import Path

import pytest
from macule_testing import draw, encode, write_bundle

from macule.analysis import bundle as bundles
from macule.analysis.bundle import Bundle
from macule.analysis.pipeline import Analyzer


@pytest.fixture(autouse=True)
def _no_bundle_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(bundles.ENVIRONMENT, raising=False)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A loaded bundle of a few numbers, with the interface of a real one."""
    return bundles.load(write_bundle(tmp_path_factory.mktemp("bundles") / "tiny"))


@pytest.fixture(scope="session")
def analyzer(tiny_bundle: Bundle) -> Analyzer:
    return Analyzer(tiny_bundle)


@pytest.fixture(scope="session")
def default_bundle() -> Bundle:
    """The embedded bundle."""
    return bundles.load()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file that can be judged."""
    path = tmp_path / "mole.png"
    path.write_bytes(encode(draw()))
    return path
