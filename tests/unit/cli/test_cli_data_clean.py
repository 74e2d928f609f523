"""`macule data clean`, `export`, `push` and `pull`: what a person sees and the exit status."""

from __future__ import annotations

import csv
import json

import miniature
import pytest
from macule_testing import draw

pytest.importorskip("pyarrow", reason="needs the data extra")

from macule.cli.app import run
from macule.data import manifest, parting, schemes, sources, splitfile


@pytest.fixture
def made(tmp_path):
    rows = [miniature.ham_row(str(n), str(n), dx) for n, dx in enumerate(("nv", "nv", "mel", "df", "bcc"))]
    root = miniature.ham10000(tmp_path / "HAM10000", rows,
                              paint=lambda path: miniature.save(path, draw(seed=sum(path.stem.encode()))))
    miniature.save(next(root.rglob("ISIC_1.jpg")), draw(width=160, height=120))
    return manifest.write(tmp_path / "ham.parquet", sources.load("ham10000", root), roots={"ham10000": root})


def words(text):
    return " ".join(text.split())


def reasons(path):
    return {row.picture_id: row.reason for row in manifest.read(path).each() if row.reason}


def test_clean_writes_reasons_page_and_table(made, tmp_path, capfd):
    out, page = tmp_path / "clean.parquet", tmp_path / "page"
    status = run(["data", "clean", str(made.path), "--out", str(out), "--page", str(page), "--json",
                  str(tmp_path / "c.json")])
    shown = words(capfd.readouterr().out)
    assert status == 0 and reasons(out) == {"ISIC_1": "too small (size 120, limit 224)"}
    assert "size too small 1 20.00%" in shown and "5 pictures were looked at; 1 rows have a reason now" in shown
    assert "1 of 5 pictures" in (page / "index.html").read_text()
    figures = json.loads((tmp_path / "c.json").read_text())
    assert (figures["looked"], figures["flagged"], figures["checks"]) == (5, 1, {"size": 1})


def test_a_decision_is_applied(made, tmp_path, capfd):
    out, page = tmp_path / "clean.parquet", tmp_path / "page"
    assert run(["data", "clean", str(made.path), "--out", str(out), "--page", str(page)]) == 0
    with (page / "review.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[0]["decision"] = "keep"
    with (page / "review.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    capfd.readouterr()
    final = tmp_path / "final.parquet"
    assert run(["data", "clean", str(out), "--decisions", str(page / "review.csv"), "--out", str(final)]) == 0
    assert reasons(final) == {} and "1 kept, 0 dropped, 0 left open" in capfd.readouterr().out


def test_limits_and_accepted_checks(made, tmp_path, capfd):
    out = tmp_path / "clean.parquet"
    assert run(["data", "clean", str(made.path), "--out", str(out), "--limit", "size=100"]) == 0
    assert "size" not in str(reasons(out))
    assert run(["data", "clean", str(made.path), "--out", str(out), "--accept", "size, quality"]) == 0
    assert reasons(out) == {}
    for wrong in (("--limit", "size=big"), ("--limit", "colour=1"), ("--accept", "colour"),
                  ("--decisions", "x.csv", "--accept", "size")):
        assert run(["data", "clean", str(made.path), "--out", str(out), *wrong]) == 2, wrong
    assert run(["data", "clean", str(made.path), "--out", str(made.path)]) == 2
    capfd.readouterr()


def test_damage_is_a_failure(made, tmp_path, capfd):
    next(made.records()).picture.unlink()
    out = tmp_path / "clean.parquet"
    assert run(["data", "clean", str(made.path), "--out", str(out)]) == 1
    assert reasons(out)["ISIC_0"] == "missing"
    capfd.readouterr()


def test_a_model_can_be_asked(made, tmp_path, tiny_bundle, capfd):
    out = tmp_path / "clean.parquet"
    given = ["data", "clean", str(made.path), "--out", str(out), "--bundle", str(tiny_bundle.folder)]
    assert run([*given, "--limit", "distribution=-1"]) == 0
    assert reasons(out)["ISIC_0"].startswith("unlike the model's pictures (distribution ")
    assert reasons(out)["ISIC_1"] == "too small (size 120, limit 224)"
    capfd.readouterr()


def test_export_by_a_split(made, tmp_path, capfd):
    parted = parting.part(manifest.read(made.path), schemes.parse("80/20"))
    splitfile.write(tmp_path / "split.parquet", parted.split)
    given = ["data", "export", str(made.path), "--to", str(tmp_path / "out"), "--split",
             str(tmp_path / "split.parquet")]
    assert run(given) == 0
    shown = words(capfd.readouterr().out)
    counts = {folder: len(list((tmp_path / "out").glob(f"{folder}/*.jpg"))) for folder in
              ("train/benign", "train/malignant", "test/benign", "test/malignant")}
    assert sum(counts.values()) == 5
    assert all(f"{folder}/ {count}" in shown for folder, count in counts.items() if count)
    assert run(given) == 0 and "5 of them were there already" in capfd.readouterr().out


def test_a_leaking_split_is_not_exported_in_silence(made, tmp_path, capfd):
    leaky = splitfile.Made("80/20", "picture", 0, {}, leaky=True)
    splitfile.write(tmp_path / "split.parquet", splitfile.Split(made.hash, leaky, {"ham10000:ISIC_0": "train"}))
    given = ["data", "export", str(made.path), "--to", str(tmp_path / "out"), "--split",
             str(tmp_path / "split.parquet")]
    assert run(given) == 1 and not (tmp_path / "out").exists()
    assert "share lesions, patients or photographs" in capfd.readouterr().err
    assert run([*given, "--allow-leak"]) == 0
    capfd.readouterr()


def test_wrong_words_of_export(made, tmp_path, capfd):
    for wrong in (("--layout", "tree"), ("--link", "soft")):
        assert run(["data", "export", str(made.path), "--to", str(tmp_path / "out"), *wrong]) == 2
    assert "one of copy, hard, symlink is needed" in capfd.readouterr().err


def test_push_and_pull(made, tmp_path, monkeypatch, capfd):
    datasets = pytest.importorskip("datasets", reason="needs the data extra")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    pushed, back = str(tmp_path / "pushed"), tmp_path / "back"
    assert run(["data", "push", str(made.path), "--to", pushed, "--with-pictures"]) == 0
    assert made.hash in capfd.readouterr().out
    assert run(["data", "pull", pushed, "--to", str(back), "--hash", made.hash]) == 0
    assert "pictures here 5" in words(capfd.readouterr().out)
    assert manifest.read(back / "manifest.parquet").hash == made.hash
    assert run(["data", "pull", pushed, "--to", str(back)]) == 2
    assert run(["data", "pull", pushed, "--to", str(tmp_path / "c"), "--root", "ham10000=nowhere"]) == 2
    assert run(["data", "pull", pushed, "--to", str(tmp_path / "c"), "--hash", "00"]) == 1
    capfd.readouterr()


def test_outputs_that_would_overwrite(made, tmp_path, capfd):
    before, out = made.path.read_bytes(), str(tmp_path / "clean.parquet")
    clean, page = ["data", "clean", str(made.path), "--out", out], tmp_path / "page"
    for options, message in (
        (("--json", str(made.path)), "is also read"),
        (("--json", out), "is what --out writes, too"),
        (("--page", str(page), "--json", str(page / "review.csv")), "is what --page DIR writes, too"),
    ):
        page.mkdir(exist_ok=True)
        assert run([*clean, *options]) == 2 and message in words(capfd.readouterr().err)
    assert run(["data", "export", str(made.path), "--to", str(made.path)]) == 2
    assert "is a file and no folder" in words(capfd.readouterr().err)
    assert made.path.read_bytes() == before and not (tmp_path / "clean.parquet").exists()
