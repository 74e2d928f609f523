"""`macule bundle` as a person and a program meet it; what it does in full: tests/unit/data/test_bundle_fetch.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import file_server
import pytest
from macule_testing import write_bundle

from macule import bundles
from macule.analysis import shelf
from macule.cli.app import run
from macule.cli.exit import DONE, ENVIRONMENT, WRONG_USAGE

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(shelf.HOME, str(tmp_path / "home"))
    monkeypatch.delenv(shelf.MIRROR, raising=False)
    return tmp_path / "home"


@pytest.fixture
def macule(capfd: pytest.CaptureFixture[str]) -> Call:
    """Runs a command. Returns: (exit status, standard output without its layout, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        status = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return status, " ".join(out.split()), err

    return call


@pytest.fixture
def archive(tmp_path: Path, macule: Call) -> Path:
    out = tmp_path / "accurate.zip"
    assert macule("bundle", "pack", write_bundle(tmp_path / "made", id="accurate"), "--out", out)[0] == DONE
    return out


@pytest.fixture
def site(archive: Path) -> Iterator[file_server.Site]:
    with file_server.serve(file_server.Site({"/accurate.zip": archive.read_bytes()})) as site:
        yield site


def test_the_list(macule: Call, archive: Path) -> None:
    status, shown, _ = macule("bundle", "list")
    assert status == DONE
    assert f"{bundles.DEFAULT} * embedded" in shown and "accurate not here" in shown
    assert "make model VARIANT=accurate" in shown
    macule("bundle", "fetch", archive)
    status, shown, _ = macule("bundle", "list")
    assert "accurate fetched 0.0 MB - 32 1 - CC BY-NC 4.0" in shown and "make model" not in shown


def test_the_list_for_programs(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bundle", "list", "--json"]) == DONE
    rows = {row["name"]: row for row in map(json.loads, capfd.readouterr().out.splitlines())}
    embedded, absent = rows[bundles.DEFAULT], rows["accurate"]
    assert embedded["chosen"] and embedded["where"] == "embedded" and embedded["bytes"] > 0 and embedded["sha256"]
    assert absent["where"] == "not here" and absent["folder"] is None and "MACULE_BUNDLES" in absent["get"]


def test_a_speed_that_was_measured_is_shown(macule: Call, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "fast", id="fast", metrics={"speed": {"one_view_ms": 3.25}})
    macule("bundle", "fetch", folder)
    assert "fast fetched 0.0 MB - 32 1 3.2 ms" in macule("bundle", "list")[1]


def test_a_damaged_bundle_is_told(macule: Call, home: Path, archive: Path) -> None:
    macule("bundle", "fetch", archive)
    (home / "accurate" / "model.onnx").write_bytes(b"altered")
    status, shown, _ = macule("bundle", "list")
    assert status == ENVIRONMENT and "accurate damaged" in shown and "SHA-256" in shown


def test_what_packing_prints_is_what_fetching_needs(macule: Call, tmp_path: Path, site: file_server.Site,
                                                    archive: Path) -> None:
    status, shown, _ = macule("bundle", "pack", tmp_path / "made", "--out", tmp_path / "again.zip")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert status == DONE and f'sha256 = "{digest}" bytes = {archive.stat().st_size}' in shown
    status, shown, _ = macule("bundle", "fetch", f"{site.url}/accurate.zip", "--sha256", digest)
    assert status == DONE and f"SHA-256 {digest}, as expected" in shown and "licence CC BY-NC 4.0" in shown
    status, shown, _ = macule("bundle", "fetch", f"{site.url}/accurate.zip", "--sha256", digest)
    assert status == DONE and "was here already" in shown and len(site.asked) == 1


def test_a_fetched_bundle_answers_by_its_name(macule: Call, archive: Path, picture: Path,
                                              monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert macule("predict", picture, "--bundle", "accurate")[0] == ENVIRONMENT
    monkeypatch.setenv(shelf.MIRROR, str(tmp_path))
    assert macule("bundle", "fetch", "accurate")[0] == DONE
    status, shown, _ = macule("predict", picture, "--bundle", "accurate", "--json")
    assert status == DONE and json.loads(shown)["bundle"]["id"] == "accurate"
    monkeypatch.setenv("MACULE_BUNDLE", "accurate")
    assert json.loads(macule("predict", picture, "--json")[1])["bundle"]["id"] == "accurate"
    status, shown, _ = macule("bundle", "remove", "accurate")
    assert status == DONE and "accurate was removed" in shown
    assert "not here" in macule("predict", picture, "--json")[2]


def test_another_folder_for_them(macule: Call, archive: Path, tmp_path: Path, home: Path) -> None:
    assert macule("bundle", "fetch", archive, "--to", tmp_path / "other")[0] == DONE
    assert (tmp_path / "other" / "accurate" / "bundle.json").is_file() and not home.exists()
    assert macule("bundle", "remove", "accurate", "--to", tmp_path / "other")[0] == DONE


@pytest.mark.parametrize(("arguments", "status", "told"), [
    (("fetch", "accurate"), ENVIRONMENT, "make model VARIANT=accurate"),
    (("fetch", bundles.DEFAULT), WRONG_USAGE, "nothing to fetch"),
    (("fetch", "http://example.org/a.zip"), WRONG_USAGE, "not https"),
    (("remove", "accurate"), ENVIRONMENT, "no bundle 'accurate' was fetched"),
    (("pack", "nowhere", "--out", "x.zip"), ENVIRONMENT, "no bundle 'nowhere'"),
    (("pack", bundles.DEFAULT, "--out", "/nonesuch/x.zip"), WRONG_USAGE, "in no folder that exists"),
])
def test_what_goes_wrong_is_told(arguments: tuple[str, ...], status: int, told: str, macule: Call) -> None:
    found, _, error = macule("bundle", *arguments)
    assert found == status and told in error
