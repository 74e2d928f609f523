"""One folder in place of another: after whatever cut it off, the old one or the new one is there, whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from macule.data import swap


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return folder(tmp_path / "work" / "new", "new")


def folder(path: Path, says: str) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_text(says)
    return path


def says(path: Path) -> str:
    return (path / "file").read_text()


def here(path: Path) -> set[str]:
    return {each.name for each in path.iterdir()}


@pytest.mark.parametrize("before", ["nothing", "an empty folder", "a folder"])
def test_a_folder_takes_its_place(before: str, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if before == "an empty folder":
        out.mkdir()
    elif before == "a folder":
        folder(out, "old")
    swap.put(made, out)
    assert says(out) == "new" and here(tmp_path) == {"out", "work"} and here(tmp_path / "work") == set()


@pytest.mark.parametrize("error", [KeyboardInterrupt, PermissionError])
def test_the_old_one_comes_back_if_the_new_one_does_not(error: type[BaseException], made: Path, tmp_path: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    out, whole = folder(tmp_path / "out", "old"), Path.replace

    def cut_off(path: Path, to: Path) -> Path:
        if path == made:
            raise error
        return whole(path, to)

    monkeypatch.setattr(Path, "replace", cut_off)
    with pytest.raises(error):
        swap.put(made, out)
    assert says(out) == "old" and says(made) == "new" and here(tmp_path) == {"out", "work"}


def test_a_kill_between_the_two_is_mended_at_the_next_call(made: Path, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    out = folder(tmp_path / "out", "old")
    with monkeypatch.context() as patch:
        patch.setattr(swap, "recover", lambda *_, **__: None)  # a killed process recovers nothing
        patch.setattr(Path, "replace", _only_the_first(Path.replace))
        with pytest.raises(SystemExit):
            swap.put(made, out)
    assert not out.exists()
    swap.recover(out)
    assert says(out) == "old" and here(tmp_path) == {"out", "work"}


def _only_the_first(replace):
    done = []

    def once(path, to):
        if done:
            raise SystemExit
        done.append(path)
        return replace(path, to)
    return once


def test_a_kill_after_the_two_leaves_nothing_behind(made: Path, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    out = folder(tmp_path / "out", "old")
    with monkeypatch.context() as patch:
        patch.setattr(swap, "recover", lambda *_, **__: None)
        swap.put(made, out)
    assert len(here(tmp_path)) == 3
    swap.recover(out)
    assert says(out) == "new" and here(tmp_path) == {"out", "work"}


def test_where_nothing_was_cut_off_nothing_is_done(tmp_path: Path) -> None:
    swap.recover(folder(tmp_path / "out", "old"))
    swap.recover(tmp_path / "none")
    assert says(tmp_path / "out") == "old" and here(tmp_path) == {"out"}
