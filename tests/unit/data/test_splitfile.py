from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

pa = pytest.importorskip("pyarrow", reason="needs the data extra")
import pyarrow.parquet as pq  # noqa: E402

from macule.data import splitfile  # noqa: E402
from macule.data.splitfile import Made, Split  # noqa: E402
from macule.errors import DatasetError, UsageError  # noqa: E402

MANIFEST = "ab" * 32
MADE = Made("70/15/15", "patient", 3, {"train": 0.7, "val": 0.15, "test": 0.15}, "cd" * 32)
SPLIT = Split(MANIFEST, MADE, {"ham10000:ISIC_1": "train", "csv:a:b ä": "val", "ham10000:ISIC_3": "test"})


def folds(count, *, shares=True):
    names = [f"fold{n}" for n in range(count)]
    made = Made(f"kfold:{count}", "patient", 0, dict.fromkeys(names, 1 / count) if shares else {})
    return Split(MANIFEST, made, {f"made:{n}": f"fold{n % count}" for n in range(3 * count)})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "split.parquet"


def test_round_trip(path):
    splitfile.write(path, SPLIT)
    assert splitfile.read(path, manifest=MANIFEST) == SPLIT
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_the_file(path):
    """What other programs may rely on."""
    splitfile.write(path, SPLIT)
    table = pq.read_table(path)
    assert table.column_names == ["dataset", "picture_id", "part"]
    assert table.to_pylist()[1] == {"dataset": "csv", "picture_id": "a:b ä", "part": "val"}
    assert table.schema.metadata[b"macule.manifest"] == MANIFEST.encode()
    assert json.loads(table.schema.metadata[b"macule.scheme"]) == {
        "scheme": "70/15/15", "by": "patient", "seed": 3, "shares": {"train": 0.7, "val": 0.15, "test": 0.15},
        "links_sha256": "cd" * 32, "leaky": False,
    }


def test_a_leaking_split_says_so(path):
    leaky = replace(SPLIT, made=replace(MADE, leaky=True))
    splitfile.write(path, leaky)
    assert splitfile.read(path, manifest=MANIFEST).made.leaky is True


def test_another_manifest_is_refused(path):
    splitfile.write(path, SPLIT)
    with pytest.raises(DatasetError, match=r"parts the manifest abababababab\.\.\., but the one given is ffffffffffff"):
        splitfile.read(path, manifest="f" * 64)


def test_an_empty_split(path):
    splitfile.write(path, replace(SPLIT, parts={}))
    assert splitfile.read(path, manifest=MANIFEST).parts == {}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "1", "train"), ("a", "1", "test")], "a:1 stands in two rows"),
        ([("a", "1", None)], "has an empty cell"),
        ([("a", "1", "train"), ("a", "2", "exam")], "has the parts exam, train; train, val and test, or folds"),
        ([("a", "1", "train"), ("a", "2", "fold1")], "has the parts fold1, train"),
    ],
)
def test_rows_that_are_wrong(path, rows, message):
    splitfile.write(path, SPLIT)
    kept = pq.read_schema(path).metadata
    table = pa.table([pa.array(column, pa.string()) for column in zip(*rows, strict=True)],
                     names=["dataset", "picture_id", "part"])
    pq.write_table(table.replace_schema_metadata(kept), path)
    with pytest.raises(DatasetError, match=message):
        splitfile.read(path, manifest=MANIFEST)


def test_what_is_no_split_file(path):
    with pytest.raises(DatasetError, match=r"split\.parquet is no file"):
        splitfile.read(path, manifest=MANIFEST)
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(DatasetError, match="no split file, or is damaged"):
        splitfile.read(path, manifest=MANIFEST)
    pq.write_table(pa.table({"part": ["train"]}), path)
    with pytest.raises(DatasetError, match="no split file, or is damaged"):
        splitfile.read(path, manifest=MANIFEST)
    splitfile.write(path, SPLIT)
    pq.write_table(pq.read_table(path).drop_columns(["dataset"]), path)
    with pytest.raises(DatasetError, match="has the columns picture_id, part;"):
        splitfile.read(path, manifest=MANIFEST)


def test_a_broken_write_leaves_the_old_file(path, monkeypatch):
    splitfile.write(path, SPLIT)
    before = path.read_bytes()

    def broken(*_args, **_options):
        raise OSError("no space left")

    monkeypatch.setattr(pq, "write_table", broken)
    with pytest.raises(OSError, match="no space"):
        splitfile.write(path, replace(SPLIT, parts={}))
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1


# Roles


def test_parts_are_their_own_roles():
    assert SPLIT.roles() == {"train": "train", "val": "val", "test": "test"} and not SPLIT.rotating
    with pytest.raises(UsageError, match="the fold is 'fold0', but this split has the parts train, val, test"):
        SPLIT.roles("fold0")


def test_the_next_fold_validates():
    assert folds(4).roles("fold1") == {"fold0": "train", "fold1": "test", "fold2": "val", "fold3": "train"}
    assert folds(4).roles("fold3") == {"fold0": "val", "fold1": "train", "fold2": "train", "fold3": "test"}
    assert folds(12).roles("fold9")["fold10"] == "val", "in the order of numbers, not of letters"
    assert folds(2).roles("fold0") == {"fold0": "test", "fold1": "train"}


def test_centres_stand_in_alphabetical_order():
    made = Made("leave-one-centre-out", "patient", 0, {})
    split = Split(MANIFEST, made, {f"made:{n}": f"centre:{name}" for n, name in enumerate(("c", "a", "b"))})
    assert split.roles("centre:c") == {"centre:a": "val", "centre:b": "train", "centre:c": "test"}


@pytest.mark.parametrize("fold", [None, "fold9"])
def test_a_fold_must_be_named(fold):
    with pytest.raises(UsageError, match="one of fold0, fold1, fold2 is needed: give it with --fold"):
        folds(3).roles(fold)


def test_a_part_that_is_no_text(path):
    splitfile.write(path, SPLIT)
    kept = pq.read_schema(path).metadata
    table = pa.table({"dataset": ["a"], "picture_id": ["1"], "part": [1]})
    pq.write_table(table.replace_schema_metadata(kept), path)
    with pytest.raises(DatasetError, match="has a cell that is no text"):
        splitfile.read(path, manifest=MANIFEST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shares": 5}, "shares of macule.scheme in its metadata is 5"),
        ({"shares": {"train": "0.7"}}, "shares of macule.scheme"),
        ({"leaky": "no"}, "leaky of macule.scheme in its metadata is 'no'"),
        ({"seed": True}, "seed of macule.scheme"),
        ({"links_sha256": 1}, "links_sha256 of macule.scheme"),
        ({"colour": "red"}, "has scheme, .*colour; by, leaky"),
        ({"scheme": None}, "scheme of macule.scheme in its metadata is None"),
    ],
)
def test_a_scheme_that_was_edited(path, change, message):
    _write_scheme(path, {**asdict(MADE), **change})
    with pytest.raises(DatasetError, match=message):
        splitfile.read(path, manifest=MANIFEST)


@pytest.mark.parametrize("scheme", [[], {}, None, 5, {"scheme": "80/20"}])
def test_a_scheme_that_lacks_something(path, scheme):
    _write_scheme(path, scheme)
    with pytest.raises(DatasetError, match=r"macule\.scheme in its metadata has .*are expected: make the split anew"):
        splitfile.read(path, manifest=MANIFEST)


def _write_scheme(path, scheme):
    splitfile.write(path, SPLIT)
    table = pq.read_table(path)
    kept = {**table.schema.metadata, b"macule.scheme": json.dumps(scheme).encode()}
    pq.write_table(table.replace_schema_metadata(kept), path)
