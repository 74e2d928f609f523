from __future__ import annotations

import json

import pytest
from macule_testing import draw, encode, write_bundle

from macule.cli.app import run


@pytest.fixture
def bundle(tmp_path):
    return str(write_bundle(tmp_path / "tiny"))


@pytest.mark.parametrize(("arguments", "word"), [
    ([], "--compare"),
    (["x.png", "--method", "guess"], "guess"),
    (["--compare", "--dataset", "isic2017"], "--root"),
    (["x.png", "--compare", "--dataset", "isic2017", "--root", "."], "no pictures"),
])
def test_wrong_use_is_told(arguments, word, tmp_path, capsys):
    assert run(["explain", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert word in capsys.readouterr().err


@pytest.mark.training
def test_an_overlay_and_its_figures(bundle, tmp_path):
    pytest.importorskip("torch", reason="needs the training extra")
    (tmp_path / "a").mkdir()
    for place in (tmp_path / "mole.png", tmp_path / "a" / "mole.png"):
        place.write_bytes(encode(draw()))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    pictures = [str(tmp_path / name) for name in ("mole.png", "a", "bad.png")]
    assert run(["explain", *pictures, "--method", "cam", "--class", "mel", "--bundle", bundle, "--out", str(out)]) == 1
    rows = json.loads((out / "explain.json").read_text())
    assert [row.get("overlay") for row in rows] == ["mole.cam.png", "mole.cam.2.png", None]
    assert rows[0]["class"] == "mel"
    assert 0 <= rows[0]["deletion_area"] <= 1
    assert rows[2]["error"]["code"] == "unreadable_image"
    assert (out / "mole.cam.2.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.training
def test_an_unknown_class_is_told(bundle, tmp_path, capsys):
    pytest.importorskip("torch", reason="needs the training extra")
    (tmp_path / "mole.png").write_bytes(encode(draw()))
    assert run(["explain", str(tmp_path / "mole.png"), "--class", "wart", "--bundle", bundle,
                "--out", str(tmp_path / "out")]) == 2
    assert "wart" in capsys.readouterr().err
