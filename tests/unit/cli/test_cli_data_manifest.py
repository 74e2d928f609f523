"""`macule data manifest`: counts, rejects, statuses and what is said where only tables are."""

from __future__ import annotations

import csv
import json

import miniature
import pytest

pytest.importorskip("pyarrow", reason="needs the data extra")

from macule.cli.app import run
from macule.data import manifest


@pytest.fixture
def root(tmp_path):
    rows = [miniature.ham_row(str(n // 2), str(n), dx) for n, dx in enumerate(("nv", "nv", "mel", "df"))]
    return miniature.ham10000(tmp_path / "HAM10000", rows)


@pytest.fixture
def make(root, tmp_path):
    def call(*options, dataset="ham10000", folder=root):
        out = tmp_path / "out.parquet"
        return run(["data", "manifest", "--dataset", dataset, "--root", str(folder), "--out", str(out), *options]), out

    return call


def words(text):
    return " ".join(text.split())


def test_the_counts_and_the_hash_are_shown(make, tmp_path, capfd):
    status, out = make("--json", str(tmp_path / "counts.json"))
    shown, read = words(capfd.readouterr().out), manifest.read(out)
    assert status == 0 and read.rows == 4 and read.hash in shown
    for part in ("ham10000 4", "pictures here 4", "lesions by id 2", "class df 1 mel 1 nv 2", "malignant 1 benign 3"):
        assert part in shown
    assert "patients" not in shown and "official part" not in shown
    figures = json.loads((tmp_path / "counts.json").read_text())
    assert figures["hash"] == read.hash and figures["lesions"] == 2 and figures["rejects"] == 0


def test_the_file_is_named_after_the_set_by_default(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["data", "manifest", "--dataset", "ham10000", "--root", "HAM10000"]) == 0
    assert manifest.read(tmp_path / "ham10000.parquet").roots == {"ham10000": root}


def test_the_first_bad_row_ends_it_and_nothing_is_written(make, root, tmp_path, capfd):
    text = (root / "HAM10000_metadata.csv").read_text()
    (root / "HAM10000_metadata.csv").write_text(text.replace(",mel,", ",melanomma,"))
    status, out = make()
    assert status == 1 and not out.exists() and not list(tmp_path.glob("*.partial"))
    said = capfd.readouterr().err
    assert "HAM10000_metadata.csv row 4" in said and "melanomma" in said


def test_bad_rows_go_to_the_rejects(make, root, capfd, tmp_path):
    text = (root / "HAM10000_metadata.csv").read_text()
    (root / "HAM10000_metadata.csv").write_text(text.replace(",mel,", ",melanomma,"))
    next(root.rglob("ISIC_0.jpg")).unlink()
    (root / "HAM10000_images_part_1" / "=1+1.jpg").write_bytes(b"x")
    status, out = make("--keep-going", "--rejects", str(tmp_path / "bad.csv"))
    assert status == 1 and manifest.read(out).rows == 2
    with (tmp_path / "bad.csv").open(newline="") as stream:
        rejects = list(csv.DictReader(stream))
    assert [(row["dataset"], row["file"], row["row"], row["picture_id"]) for row in rejects] == [
        ("ham10000", "HAM10000_metadata.csv", "2", "ISIC_0"), ("ham10000", "HAM10000_metadata.csv", "4", "ISIC_2"),
        ("ham10000", "HAM10000_images_part_1/=1+1.jpg", "", "'=1+1")]
    assert "melanomma" in rejects[1]["reason"]
    captured = capfd.readouterr()
    assert "3 rows or pictures were set aside" in captured.err and "rejected, not in the rows 3" in words(captured.out)


def test_where_no_picture_is_it_is_said_loudly(make, root, capfd):
    for path in root.rglob("*.jpg"):
        path.unlink()
    status, out = make()
    assert status == 0 and manifest.read(out).counts().pictures == 0
    assert "NOT ONE PICTURE" in capfd.readouterr().err


def test_options_of_the_readers(make, tmp_path, capfd):
    miniature.flat(tmp_path / "own" / "a.jpg")
    miniature.table(tmp_path / "own" / "t.csv", ("file", "label", "kind"), [("a.jpg", "melanoma", "x")])
    mapping = ("--map", "picture=file", "--map", "dx=label", "--map", "modality==clinical")
    status, out = make(*mapping, dataset="csv", folder=tmp_path / "own")
    (row,) = manifest.read(out).each()
    assert status == 0 and (row.dx, row.modality, row.picture) == ("mel", "clinical", "a.jpg")
    assert make("--map", "colour=red")[0] == 2
    assert "colour=red" in capfd.readouterr().err


def test_wrong_usage(make, root, capfd):
    assert make(dataset="ham1000")[0] == 1
    assert "known: ham10000" in capfd.readouterr().err
    given = ["data", "manifest", "--dataset", "ham10000", "--root", str(root)]
    assert run([*given, "--out", "nowhere/x.parquet"]) == 2
    assert "there is no folder nowhere" in capfd.readouterr().err
