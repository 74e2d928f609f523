"""pairs.csv: as macule writes it, and as hands and spreadsheets leave it."""

from __future__ import annotations

import codecs
import csv
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs the data extra")

from macule.data import audit, links
from macule.data.audit import Twins
from macule.data.duplicates import Pair
from macule.data.manifest import Row
from macule.errors import DatasetError

HEAD = ",".join(links.COLUMNS)
NAMES = ("=cmd|'x'!A1", "a\u2028b\u0085c", "two\nlines, \"quoted\"", "'-apostrophe")

PAIR = Pair(0, 1, None)


def row(name):
    return Row(dataset="made", picture_id=name, group=f"made:{name}")


def given(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pairs.csv"


@pytest.mark.parametrize("name", NAMES)
def test_any_id_comes_back(path, name):
    audit.write_pairs(path, [Twins(row(name), row("b"), PAIR)])
    read = links.read(path)
    assert read.pairs == 1
    assert read.of(f"made:{name}", "none") == read.of("made:b", "none") is not None


def test_no_id_is_a_formula(path):
    audit.write_pairs(path, [Twins(row(NAMES[0]), row("@b"), PAIR)])
    with path.open(newline="") as stream:
        (cells,) = csv.DictReader(stream)
    assert cells["first_picture"] == "'" + NAMES[0] and cells["second_picture"] == "'@b"


def test_an_audit_may_find_nothing(path):
    assert links.read(given(path, HEAD + "\n")).pairs == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{HEAD}\na,1,a:1,a,{'2' * 140_000},a:2\n", "line 2 is no CSV .field larger than field limit"),
        (f'{HEAD}\na,1,a:1,a,"2,a:2\na,3,a:3,a,4,a:4\n', "line 3 is no CSV .unexpected end of data"),
        (f"{HEAD}\na,1,a:1,a,2,a:2\na,é,a:é,a,2,a:2\n".encode("latin-1"), "pairs.csv line 3 is no UTF-8 text"),
        (codecs.BOM_UTF8 + HEAD.encode() + b"\n\xff", "pairs.csv line 2 is no UTF-8 text"),
        (f"{HEAD}\n".encode("utf-16"), "pairs.csv is UTF-16 text; UTF-8 is expected"),
    ],
)
def test_what_is_no_table(path, content, message):
    with pytest.raises(DatasetError, match=message):
        links.read(given(path, content))


def test_how_many_pairs_concern_a_manifest(path):
    found = links.read(given(path, f"{HEAD}\na,1,a:L1,b,2,b:2\na,3,a:L1,a,4,a:4\nb,2,b:2,b,5,b:5\n"))
    assert found.concerns(["a:1"]) == 1
    assert found.concerns(["a:L1", "a:4"]) == 2
    assert found.concerns(["c:1", "1"]) == found.concerns([]) == 0
