"""`macule data split` and `macule data project`, from a manifest of miniature sets."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace

import miniature
import pytest

pytest.importorskip("pyarrow", reason="needs the data extra")

from macule.cli.app import run
from macule.data import links, manifest, sources, splitfile

CLASSES = ("nv", "nv", "nv", "mel", "bkl", "df")


def _own_bytes(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"picture {path.stem}")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """60 lesions with two pictures each; every picture is of its own."""
    place = tmp_path_factory.mktemp("data")
    rows = [miniature.ham_row(f"{n // 2:07}", f"{n:07}", CLASSES[n // 2 % 6]) for n in range(120)]
    root = miniature.ham10000(place / "HAM10000", rows, paint=_own_bytes)
    records = sources.load("ham10000", root)
    return manifest.write(place / "ham.parquet", records, roots={"ham10000": root})


@pytest.fixture
def split(made, tmp_path):
    def call(*options, scheme="70/15/15"):
        out, figures = tmp_path / "split.parquet", tmp_path / "split.json"
        status = run(["data", "split", str(made.path), "--scheme", scheme, "--out", str(out), "--json", str(figures),
                      *options])
        return status, splitfile.read(out, manifest=made.hash), json.loads(figures.read_text())

    return call


def shown(capfd):
    return " ".join(capfd.readouterr().out.split())


def test_a_split_is_written_and_shown(split, capfd):
    status, written, figures = split()
    assert status == 0 and not written.made.leaky and len(written.parts) == 120
    said = shown(capfd)
    assert "LEAKY" not in said and "No two parts share a photograph, lesion or patient" in said
    assert "split.parquet" in said
    assert figures["pictures"] == {"train": 84, "val": 18, "test": 18} and figures["leaky"] is False
    assert 8 <= figures["classes"]["test"]["nv"] <= 10
    lesions = {}
    for name, part in written.parts.items():
        lesions.setdefault(int(name[-7:]) // 2, set()).add(part)
    assert all(len(parts) == 1 for parts in lesions.values())


def test_a_split_by_picture_is_leaky_on_every_row_and_in_the_file(split, capfd):
    status, written, figures = split("--by", "picture", scheme="80/20")
    assert status == 0 and written.made.leaky and written.made.by == "picture" and figures["leaky"] is True
    rows = [line for line in capfd.readouterr().out.splitlines() if line.strip().startswith(("train", "test", "LEAKY"))]
    assert rows and all(row.strip().startswith("LEAKY") for row in rows)
    (leak,) = figures["leaks"]
    assert leak["by_kind"]["same lesion"] == leak["leaking"] > 12
    assert leak["leaking_melanomas"] <= leak["melanomas"] == 4


def test_links_keep_pairs_together(split, made, tmp_path, capfd):
    header = "first_dataset,first_picture,first_group,second_dataset,second_picture,second_group"
    pairs = tmp_path / "pairs.csv"
    chain = [f"ham10000,ISIC_{2 * n:07},ham10000:HAM_{n:07},ham10000,ISIC_{2 * n + 2:07},ham10000:HAM_{n + 1:07}"
             for n in range(20)]
    pairs.write_text("\n".join([header, *chain]))
    _, written, figures = split("--links", str(pairs))
    assert len({written.parts[f"ham10000:ISIC_{n:07}"] for n in range(42)}) == 1
    assert written.made.links_sha256 == figures["links_sha256"] == hashlib.sha256(pairs.read_bytes()).hexdigest()


def test_folds(split, capfd):
    _, written, figures = split(scheme="kfold:5")
    assert figures["pictures"] == dict.fromkeys([f"fold{n}" for n in range(5)], 24)
    assert written.roles("fold4")["fold0"] == "val" and not written.made.leaky


def test_centres(split, capfd):
    _, written, figures = split(scheme="leave-one-centre-out")
    assert figures["pictures"] == {"centre:vidir_modern": 120} and figures["unplaced"] == 0
    assert written.roles("centre:vidir_modern") == {"centre:vidir_modern": "test"}


def test_the_seed(split):
    (_, one, _), (_, again, _), (_, other, _) = split(), split("--seed", "0"), split("--seed", "1")
    assert one == again != other and other.made.seed == 1


def test_rows_with_a_reason_are_left_out(made, tmp_path, capfd):
    import pyarrow as pa

    table = made.table()
    reasons = ["blurred" if n < 20 else None for n in range(120)]
    column = table.schema.get_field_index("reason")
    cleaned = table.set_column(column, table.schema.field(column), pa.array(reasons, pa.string()))
    with manifest.Writer(tmp_path / "clean.parquet", roots=made.roots) as writer:
        for batch in cleaned.to_batches():
            writer.add(batch)
    assert run(["data", "split", str(tmp_path / "clean.parquet"), "--scheme", "80/20"]) == 0
    said = shown(capfd)
    assert "20 rows are left out: the manifest gives a reason against them." in said
    assert "Not written: give --out FILE.parquet." in said


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--scheme", "best"), 2, "the scheme is 'best'"),
        (("--scheme", "80/20", "--by", "hospital"), 2, "--by is 'hospital'; one of patient, lesion, duplicate"),
        (("--scheme", "official"), 1, "120 of 120 pictures have no official part (ham10000:ISIC_0000000, ...)"),
        (("--scheme", "80/20", "--links", "nowhere.csv"), 1, "nowhere.csv is no file"),
        (("--scheme", "80/20", "--out", "nowhere/split.parquet"), 2, "there is no folder nowhere"),
    ],
)
def test_what_is_refused(made, capfd, options, status, message):
    assert run(["data", "split", str(made.path), *options]) == status
    said = capfd.readouterr()
    assert message in " ".join(said.err.split()) and "Traceback" not in said.err


def test_the_manifest_is_not_overwritten(made, capfd):
    before = made.path.read_bytes()
    assert run(["data", "split", str(made.path), "--scheme", "80/20", "--out", str(made.path)]) == 2
    assert "is also read: name another file" in capfd.readouterr().err and made.path.read_bytes() == before


# Projection


def test_what_a_projection_loses(made, tmp_path, capfd):
    out, figures = tmp_path / "labels.csv", tmp_path / "figures.json"
    command = ["data", "project", str(made.path), "--to", "pad6", "--out", str(out), "--json", str(figures)]
    assert run(command) == 0
    said = shown(capfd)
    assert "20 of 120 rows have no label in pad6." in said and "20 are df (Dermatofibroma)" in said
    found = json.loads(figures.read_text())
    assert found["before"] == {"bkl": 20, "df": 20, "mel": 20, "nv": 60}
    assert found["after"] == {"ACK": 0, "BCC": 0, "MEL": 20, "NEV": 60, "SCC": 0, "SEK": 20}
    assert found["lost"] == {"rows": 20, "no_class": {"df": 20}, "lumped": 0, "unlabelled": 0}
    with out.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 120 and rows[0] == {
        "dataset": "ham10000", "picture_id": "ISIC_0000000", "label": "NEV", "lost": ""}
    assert rows[-1]["label"] == "" and rows[-1]["lost"] == "its class has no place there"


def test_a_vocabulary_that_there_is_not(made, capfd):
    assert run(["data", "project", str(made.path), "--to", "ham8"]) == 2
    assert "no vocabulary 'ham8'" in capfd.readouterr().err


@pytest.mark.parametrize("verb", [("split", "--scheme", "80/20"), ("project", "--to", "ham7")])
def test_two_outputs_in_one_file(made, tmp_path, capfd, verb):
    name, *options = verb
    both = str(tmp_path / "both")
    assert run(["data", name, str(made.path), *options, "--out", both, "--json", both]) == 2
    assert "is what --out writes, too" in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize(("rows", "status"), [("ddi,1,ddi:1,ddi,2,ddi:2\n", 1), ("", 0)])
def test_links_of_other_data_sets_are_refused(made, tmp_path, capfd, rows, status):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(f"{','.join(links.COLUMNS)}\n{rows}")
    assert run(["data", "split", str(made.path), "--scheme", "80/20", "--links", str(pairs)]) == status
    assert ("none of the 1 pairs of" in " ".join(capfd.readouterr().err.split())) == bool(rows)


def test_no_id_of_a_projection_is_a_formula(tmp_path):
    rows = [miniature.ham_row("1", "1", "nv")]
    root = miniature.ham10000(tmp_path / "HAM10000", rows, paint=_own_bytes)
    records = [replace(each, picture_id="=1+1") for each in sources.load("ham10000", root)]
    own = manifest.write(tmp_path / "own.parquet", records, roots={"ham10000": root})
    out = tmp_path / "labels.csv"
    assert run(["data", "project", str(own.path), "--to", "ham7", "--out", str(out)]) == 0
    assert out.read_text().splitlines()[1] == "ham10000,'=1+1,nv,"
