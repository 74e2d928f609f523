"""`macule data manifest`: counts, rejects, statuses and what is said where only tables are."""

from __future__ import annotations

import csv
import json

import miniature
import miniature_sets
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


def test_no_file_of_the_data_set_is_overwritten(make, root, tmp_path, capfd):
    table = root / "HAM10000_metadata.csv"
    before = table.read_bytes()
    given = ["data", "manifest", "--dataset", "ham10000", "--root", str(root)]
    for option in ("--out", "--rejects", "--json"):
        assert run([*given, "--out", str(tmp_path / "x.parquet"), option, str(table)]) == 2
        assert f"{option} {table} is a file of the data set" in words(capfd.readouterr().err)
    own = tmp_path / "own.csv"
    miniature.table(own, ("picture", "dx"), [("a.jpg", "nv")])
    assert run(["data", "manifest", "--dataset", "csv", "--root", str(own), "--out", str(own)]) == 2
    named = tmp_path / "study.rejects.csv"
    own.rename(named)
    assert run(["data", "manifest", "--dataset", "csv", "--root", str(named), "--keep-going", "--out",
                str(tmp_path / "study.parquet")]) == 2
    assert table.read_bytes() == before and named.read_text().startswith("picture,dx")
    assert not (tmp_path / "x.parquet").exists()


def test_outputs_are_files_of_their_own(make, root, tmp_path, capfd):
    out = tmp_path / "out.parquet"
    for options, message in (
        (("--json", str(out)), "is what --out writes, too"),
        (("--keep-going", "--json", str(tmp_path / "out.rejects.csv")), "is what --rejects writes, too"),
        (("--json", str(tmp_path)), "is a folder"),
        (("--json", str(root / "HAM10000_metadata.csv" / "x")), "is a file and no folder"),
    ):
        assert make(*options)[0] == 2 and message in words(capfd.readouterr().err)
    assert not out.exists()


def test_tables_alone_where_a_few_pictures_are_here(make, tmp_path, capfd):
    rows = [(f"PAT_{n}", n, "False", 50, "", "", "ARM", "", "NEV", f"PAT_{n}_{n}_1.png", "False") for n in range(5)]
    folder = miniature_sets.pad_ufes_20(tmp_path / "PAD-UFES-20", rows)
    for path in sorted(folder.rglob("*.png"))[:4]:
        path.unlink()
    assert make(dataset="pad-ufes-20", folder=folder)[0] == 1
    assert "is listed but is not under" in words(capfd.readouterr().err)
    status, out = make("--tables", dataset="pad-ufes-20", folder=folder)
    counts = manifest.read(out).counts()
    assert status == 0 and (counts.rows, counts.pictures) == (5, 1)
    assert "4 of 5 PICTURES are NOT here" in words(capfd.readouterr().err)


def test_a_csv_that_lists_an_absent_picture(make, tmp_path, capfd):
    own = tmp_path / "own"
    miniature.flat(own / "a.jpg")
    miniature.table(own / "t.csv", ("picture", "dx"), [("gone.jpg", "nv"), ("a.jpg", "mel")])
    assert make(dataset="csv", folder=own)[0] == 1
    assert "t.csv row 2: the picture gone.jpg is listed but" in words(capfd.readouterr().err)
    status, out = make("--keep-going", dataset="csv", folder=own)
    assert status == 1 and [row.picture_id for row in manifest.read(out).each()] == ["a"]
    status, out = make("--tables", dataset="csv", folder=own)
    assert status == 0 and [row.picture for row in manifest.read(out).each()] == [None, "a.jpg"]


@pytest.mark.parametrize("keep_going", [(), ("--keep-going",)])
def test_a_table_without_rows(make, root, keep_going, capfd):
    table = root / "HAM10000_metadata.csv"
    table.write_text(table.read_text().splitlines()[0] + "\n")
    status, out = make(*keep_going)
    assert status == 1 and not out.exists()
    assert "HAM10000_metadata.csv: the table has no rows" in words(capfd.readouterr().err)
