"""CSV files for people: no cell is run as a formula, and a failure leaves the old file."""

from __future__ import annotations

import pytest

from macule.data.atomic import writing
from macule.spreadsheet import harmless, restored


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "'=1", "''@", " =1+1", "\n=1+1", "' -1"])
def test_a_formula_is_text_and_comes_back(cell):
    assert harmless(cell) == f"'{cell}"
    assert restored(harmless(cell)) == cell


@pytest.mark.parametrize("cell", ["", "ISIC_0000001", "a=b", "'quoted'", "'"])
def test_other_cells_stay(cell):
    assert harmless(cell) == restored(cell) == cell


def test_a_file_appears_when_complete(tmp_path):
    path = tmp_path / "a.csv"
    with writing(path) as stream:
        stream.write("old\r\n")
        assert not path.exists()
    assert path.read_bytes() == b"old\r\n"
    with pytest.raises(ZeroDivisionError), writing(path) as stream:
        stream.write("half" * 10_000)
        raise ZeroDivisionError
    assert path.read_bytes() == b"old\r\n"
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


def test_what_a_link_points_to_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    path = tmp_path / "link.csv"
    path.symlink_to(tmp_path / "there" / "a.csv")
    with writing(path) as stream:
        stream.write("new")
    assert path.is_symlink() and (tmp_path / "there" / "a.csv").read_text() == "new"
