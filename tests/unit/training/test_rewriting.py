"""A bundle that is changed into a folder: what may be there, and what is left after a failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from macule_testing import write_bundle

from macule.analysis import bundle as bundles
from macule.analysis import shelf
from macule.analysis.bundle import Bundle
from macule.data import swap
from macule.errors import UsageError
from macule.training import rewriting


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return bundles.load(write_bundle(tmp_path / "one"))


def change(bundle: Bundle, out: Path) -> None:
    with rewriting.copy(bundle, out) as made:
        (made / "card.md").write_text("new")


def here(path: Path) -> set[str]:
    return {each.name for each in path.iterdir()}


def test_its_own_folder_keeps_what_else_it_holds(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.folder / "notes.txt").write_text("mine")
    change(bundle, bundle.folder)
    assert (bundle.folder / "notes.txt").read_text() == "mine" and (bundle.folder / "card.md").read_text() == "new"
    assert here(tmp_path) == {"one"}


def test_a_bundle_that_was_there_gives_way(bundle: Bundle, tmp_path: Path) -> None:
    write_bundle(tmp_path / "two", id="other")
    change(bundle, tmp_path / "two")
    assert bundles.load(tmp_path / "two").id == bundle.id and here(tmp_path) == {"one", "two"}


def test_what_a_link_points_to_is_replaced(bundle: Bundle, tmp_path: Path) -> None:
    write_bundle(tmp_path / "disk" / "two", id="other")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "two")
    change(bundle, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and bundles.load(tmp_path / "disk" / "two").id == bundle.id


@pytest.mark.parametrize("kind", ["a file", "a network alone", "a bundle and more", "a hidden folder", "in the bundle"])
def test_what_would_be_lost_is_not_taken(kind: str, bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if kind == "a file":
        out.write_text("years")
    elif kind == "a network alone":
        out.mkdir()
        (out / "model.onnx").write_bytes(b"of another project")
    elif kind == "a bundle and more":
        (write_bundle(out) / "thesis.txt").write_text("years")
    elif kind == "a hidden folder":
        (write_bundle(out) / ".git").mkdir()
    else:
        out = bundle.folder / "new"
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="name another"):
        change(bundle, out)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_came_meanwhile_is_not_taken_either(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a file"), rewriting.copy(bundle, tmp_path / "out"):
        (tmp_path / "out").write_text("years")
    assert (tmp_path / "out").read_text() == "years" and here(tmp_path) == {"one", "out"}


def test_a_new_folder_that_cannot_be_put_there_does_not_cost_the_old(bundle: Bundle, tmp_path: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.replace

    def cut_off(path: Path, to: Path) -> Path:
        if path.name == "new":
            raise KeyboardInterrupt
        return whole(path, to)

    monkeypatch.setattr(Path, "replace", cut_off)
    with pytest.raises(KeyboardInterrupt):
        change(bundle, bundle.folder)
    assert bundles.load(bundle.folder).sha256 == bundle.sha256 and here(tmp_path) == {"one"}


@pytest.mark.parametrize("by", ["folder", "name", "fetched"])
def test_a_bundle_that_a_kill_left_out_of_its_place_is_put_back(by: str, bundle: Bundle, tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    if by == "name":
        monkeypatch.setattr(shelf, "embedded", lambda: tmp_path)
    elif by == "fetched":
        monkeypatch.setenv(shelf.HOME, str(tmp_path))
    bundle.folder.rename(swap._old(bundle.folder))
    rewriting.recover(str(bundle.folder) if by == "folder" else "one")
    assert bundles.load(bundle.folder).sha256 == bundle.sha256 and here(tmp_path) == {"one"}
