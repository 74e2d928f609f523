from __future__ import annotations

import csv
import json
import shutil

import miniature
import pytest

pytest.importorskip("pyarrow", reason="needs the data extra")

from macule.cli.app import run
from macule.data import links, manifest, parting, schemes, sources, splitfile
from macule.examples import draw, preset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """HAM10000 with four lesions; one of them stands in MILK10k too."""
    root = tmp_path_factory.mktemp("data")
    miniature.ham10000(root / "HAM10000", [
        miniature.ham_row(f"000000{n}", f"000000{n}", dx) for n, dx in enumerate(("nv", "mel", "bkl", "nv"))
    ], paint=miniature.drawn(size=(240, 180)))
    other = draw(preset("arborising-vessels"), size=(240, 180), seed=500)  # another seed: another skin
    miniature.milk10k(root / "MILK10k", {"IL_1": "MEL"}, paint=lambda path: miniature.save(path, other))
    twin = next(path for path in root.rglob("ISIC_0000001.jpg"))
    shutil.copy(twin, root / "MILK10k" / "MILK10k_Training_Input" / "IL_1" / "ISIC_9000001.jpg")
    return root


@pytest.fixture(scope="module")
def audited(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("audit")
    assert run(["data", "audit", "--root", str(data), "--out", str(out), "--json", str(out / "figures.json")]) == 0
    return out


def pairs(out):
    with (out / "pairs.csv").open(newline="", encoding="utf-8") as stream:
        return [(row["first_picture"], row["second_picture"], row["kind"]) for row in csv.DictReader(stream)]


def test_the_lesion_under_two_ids_is_found(audited, capsys):
    assert pairs(audited) == [("ISIC_0000001", "ISIC_9000001", "exact")]
    figures = json.loads((audited / "audit.json").read_text())
    assert figures == json.loads((audited / "figures.json").read_text())
    assert figures["pictures"] == {"ham10000": 4, "milk10k": 2} and figures["exact"] == 1
    (between,) = figures["between"]
    assert (between["first"], between["second"], between["agreeing"]) == ("ham10000", "milk10k", 1)
    assert "ISIC_9000001" in (audited / "index.html").read_text(encoding="utf-8")


def test_pairs_are_what_splits_and_the_guard_read(audited):
    read = links.read(audited / "pairs.csv")
    assert read.pairs == 1
    assert read.of("ham10000:ISIC_0000001", "ham10000:HAM_0000001") == read.of("milk10k:ISIC_9000001", "milk10k:IL_1")


def test_a_split_that_parts_the_twins_is_told(audited, tmp_path, capsys):
    made = manifest.read(audited / "manifest.parquet")
    keys = [f"{row.dataset}:{row.picture_id}" for row in made.each()]
    parts = {key: "test" if key.startswith("milk10k") else "train" for key in keys}
    made_by = splitfile.Made("by hand", "picture", 0, {})
    splitfile.write(tmp_path / "bad.parquet", splitfile.Split(made.hash, made_by, parts))
    arguments = ["data", "audit", str(audited / "manifest.parquet"), "--out", str(tmp_path / "out"), "--split",
                 str(tmp_path / "bad.parquet")]
    assert run(arguments) == 1
    shown = capsys.readouterr().out
    assert "LEAKY" in shown and "bad.parquet" in shown
    parted = parting.part(made, schemes.parse("80/20"), links=links.read(audited / "pairs.csv"))
    splitfile.write(tmp_path / "good.parquet", parted.split)
    assert run([*arguments[:-1], str(tmp_path / "good.parquet")]) == 0
    assert "no two parts share" in capsys.readouterr().out


def test_many_equal_files_do_not_hide_a_turned_copy(tmp_path):
    lesion = draw(preset("irregular-pigmented"), size=(240, 180), seed=7)
    rows = [miniature.ham_row(f"00000{n:02}", f"00000{n:02}", "nv") for n in range(13)]
    turned = iter([lesion] * 12 + [lesion[::-1, ::-1]])
    miniature.ham10000(tmp_path / "HAM10000", rows, paint=lambda path: miniature.save(path, next(turned)))
    assert run(["data", "audit", "--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    found = pairs(tmp_path / "out")
    assert [kind for _, _, kind in found].count("exact") == 11
    assert ("ISIC_0000000", "ISIC_0000012", "near") in found


def test_two_splits_of_one_name_are_both_told(audited, tmp_path, capsys):
    made = manifest.read(audited / "manifest.parquet")
    for by in ("picture", "patient"):
        parted = parting.part(made, schemes.parse("50/50"), by=schemes.By(by), links=links.read(audited / "pairs.csv"))
        (tmp_path / by).mkdir()
        parts = parted.split.parts | ({"ham10000:ISIC_0000001": "train", "milk10k:ISIC_9000001": "test"}
                                      if by == "picture" else {})
        splitfile.write(tmp_path / by / "s.parquet", splitfile.Split(made.hash, parted.split.made, parts))
    options = [word for by in ("picture", "patient") for word in ("--split", str(tmp_path / by / "s.parquet"))]
    assert run(["data", "audit", str(audited / "manifest.parquet"), "--out", str(tmp_path / "out"), *options]) == 1
    figures = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert {name: each["leaky"] for name, each in figures["splits"].items()} == {
        str(tmp_path / "picture" / "s.parquet"): True, str(tmp_path / "patient" / "s.parquet"): False}


def test_a_wrong_split_is_told_before_the_search(audited, tmp_path, capsys):
    assert run(["data", "audit", str(audited / "manifest.parquet"), "--out", str(tmp_path / "out"), "--split",
                str(tmp_path / "no.parquet")]) in (1, 2)
    assert "no.parquet" in capsys.readouterr().err and not (tmp_path / "out" / "pairs.csv").exists()


def test_several_manifests_are_audited_together(data, tmp_path):
    for dataset in ("ham10000", "milk10k"):
        root = data / sources.find(dataset).folder
        assert run(["data", "manifest", "--dataset", dataset, "--root", str(root), "--out",
                    str(tmp_path / f"{dataset}.parquet")]) == 0
    assert run(["data", "audit", str(tmp_path / "ham10000.parquet"), str(tmp_path / "milk10k.parquet"), "--out",
                str(tmp_path / "out")]) == 0
    assert len(pairs(tmp_path / "out")) == 1


def test_an_unreadable_picture_is_counted_and_the_status_says_so(data, tmp_path, capsys):
    root = tmp_path / "data"
    shutil.copytree(data, root)
    next(root.rglob("ISIC_0000002.jpg")).write_bytes(b"no picture")
    assert run(["data", "audit", "--root", str(root), "--out", str(tmp_path / "out")]) == 1
    assert "1 pictures could not be read" in capsys.readouterr().out
    assert "ham10000:ISIC_0000002" in json.loads((tmp_path / "out" / "audit.json").read_text())["unreadable"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either manifests or --root"),
        (["x.parquet", "--root", "."], "either manifests or --root"),
        (["--root", "{empty}"], "holds none of the folders HAM10000"),
        (["{empty}/no.parquet"], "no.parquet is no file"),
        (["--root", "{data}", "--engine", "spark"], "the engine is 'spark'; one of local, ray"),
        (["--root", "{data}", "--json", "{empty}/no/where.json"], "there is no folder"),
    ],
)
def test_wrong_usage(data, tmp_path, capsys, arguments, message):
    filled = [each.format(empty=tmp_path, data=data) for each in arguments]
    assert run(["data", "audit", "--out", str(tmp_path / "out"), *filled]) in (1, 2)
    assert message in capsys.readouterr().err
