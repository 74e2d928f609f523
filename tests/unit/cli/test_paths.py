from __future__ import annotations

import os
from pathlib import Path

import pytest
from macule_testing import draw, encode

from macule.cli.paths import expand
from macule.cli.sinks import harmless
from macule.cli.table import printable


def test_a_folder_is_walked_in_order(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.JPEG", "sub/c.png", "notes.txt", "labels.csv", ".hidden.jpg", ".git/d.jpg", "BMI.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("BMI,age")
    (tmp_path / "unnamed").write_bytes(encode(draw()))
    found = expand([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path, _ in found] == ["a.JPEG", "b.jpg", "unnamed", "sub/c.png"]
    assert all(error is None for _, error in found)


def test_a_named_file_is_taken_whatever_it_is(tmp_path: Path) -> None:
    assert expand([tmp_path / "notes.txt", tmp_path / "gone.jpg"]) == [
        (tmp_path / "notes.txt", None),
        (tmp_path / "gone.jpg", None),
    ]


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    [(path, error)] = expand([tmp_path])
    assert path == tmp_path and "no pictures" in str(error)


def test_an_unreadable_folder_is_an_error_and_the_others_are_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(b"x")
    scan = os.scandir

    def deny(path: str) -> object:  # root may read everything, so permissions alone would prove nothing here
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", deny)
    found = expand([tmp_path])
    assert [(path.name, error is None) for path, error in found] == [("a.jpg", True), ("closed", False)]
    assert "Permission denied" in str(found[1][1])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_cells_are_never_formulas(start: str) -> None:
    assert harmless(f"{start}cmd.jpg") == f"'{start}cmd.jpg"
    assert harmless(f"a{start}.jpg") == f"a{start}.jpg"


def test_names_do_not_steer_the_terminal() -> None:
    assert "\x1b" not in printable("\x1b[2Jevil.jpg") and "\n" not in printable("a\nb")
