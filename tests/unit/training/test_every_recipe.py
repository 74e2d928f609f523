"""Every recipe, with its own network: two steps on drawn pictures, and a bundle that `macule predict` loads."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial

import miniature
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule_testing import draw, encode

from macule.analysis import bundle as bundles
from macule.analysis.pipeline import Analyzer
from macule.cli.app import run as macule
from macule.evaluation import runs
from macule.training import build, export, fit
from macule.training import recipe as recipes
from macule.training.build import Source

pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]

NAMES = [name for name in recipes.names() if name != "sanity"]  # which has a test of its own, whole
SIZES = {"inceptionv3": 96}  # pixels; it cannot read 64
#: The embedded one's groundwork, a cut network, and a deep one's first stages; the slow test runs all, whole.
ALWAYS = {"lite": None, "resnet50-cut-vgg": None, "efficientnet-b4-metadata": 2}
#: From scratch its batch norms know no scale after two steps: its logits are of the order of 1e5, its differences of 1.
LOOSE = {"inceptionv3": 1.0}
BATCH = 4
HAM = ("nv",) * 16 + ("mel",) * 12 + ("bcc",) * 8


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data sets with pictures too few and too small to be good for anything else; caches and runs."""
    root = tmp_path_factory.mktemp("every")
    paint = miniature.drawn(size=(64, 48))
    rows = [miniature.ham_row(f"{n:04}", f"1{n:04}", dx, age=40 + n) for n, dx in enumerate(HAM)]
    miniature.ham10000(root / "HAM10000", rows, paint=paint)
    milk = {f"IL_{n}": code for n, code in enumerate(("NV", "MEL", "BCC") * 2)}
    miniature.milk10k(root / "MILK10k", milk, paint=paint)
    miniature.isic2018(root / "ISIC2018", "Validation", {"ISIC_20": "NV"}, paint=paint)
    miniature.isic2017(root / "ISIC2017", "Test_v2", {"ISIC_30": (1, 0)}, paint=paint)
    return Source(root, root / "work")


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """Fits that a dozen pictures carry."""
    monkeypatch.setattr(fit, "MIN_POSITIVES", 2)
    monkeypatch.setattr(fit, "GATE_DIRECTIONS", 8)


@pytest.fixture
def _quick(monkeypatch):
    """The exporter that takes a tenth of the time; test_export.py compares the two."""
    monkeypatch.setattr(export, "to_onnx", partial(export.to_onnx, exporter="torchscript"))


def short(name, cut=None):
    """The recipe as it is, but for two steps on small pictures and without weights to fetch."""
    made, size = recipes.load(name), SIZES.get(name, 64)
    phases = {f"phases.{number}.{key}": value for number in range(len(made.phases))
              for key, value in (("size", size), ("epochs", 0), ("samples", 2 * BATCH // len(made.phases)))}
    shallow = {} if cut is None else {"network.cut": cut}
    return made.changed({
        **phases, **shallow, "serving.size": size, "serving.views": min(2, made.serving.views), "engine.batch": BATCH,
        "network.pretrained": "no", "sampling.target": 14, "split.train": 0.5, "split.calibration": 0.3,
        "split.test": 0.2, "split.search": False})


def check(wanted, place, monkeypatch):
    monkeypatch.setattr(export, "TOLERANCE", LOOSE.get(wanted.name, export.TOLERANCE))
    steps = []
    run = build.build(wanted, place, None, log=lambda _: None, show=lambda row: steps.append(row["step"]))
    analyzer = Analyzer(bundles.load(run / "bundle"))
    answer = analyzer.analyze(encode(draw())).assessment
    found = runs.read(run)
    assert found.status == "finished"
    assert not found.start.pretrained
    assert max(steps) == 1
    assert analyzer.bundle.id == wanted.name
    assert sum(each.probability for each in answer.diagnoses) == pytest.approx(1, abs=1e-5)
    with np.load(run / "predictions.npz") as kept:
        assert np.isfinite(kept["test_logits"]).all()
        assert kept["test_logits"].shape == (found.pictures["test"], 11)
    shutil.rmtree(run)  # all of them together are gigabytes


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("name", ALWAYS)
def test_a_recipe_trains_and_its_bundle_answers(name, place, monkeypatch):
    check(short(name, ALWAYS[name]), place, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_exports_as_it_does_in_earnest(name, place, tmp_path, monkeypatch):
    check(short(name), Source(place.root, tmp_path), monkeypatch)


@pytest.mark.usefixtures("_quick")
def test_the_command_line_trains_one_and_predicts_with_it(place, tmp_path, capfd):
    settings = ("phases.0.size=64", "phases.0.epochs=0", f"phases.0.samples={2 * BATCH}", "serving.size=64",
                f"engine.batch={BATCH}", "network.pretrained=no", "split.train=0.5", "split.calibration=0.3",
                "split.test=0.2", "split.search=false")
    picture = tmp_path / "mole.png"
    picture.write_bytes(encode(draw()))
    assert macule(["train", "mobilenetv3", "--data", str(place.root), "--work", str(tmp_path), "--out",
                   str(tmp_path / "bundle"), *(part for each in settings for part in ("--set", each))]) == os.EX_OK
    capfd.readouterr()
    assert macule(["predict", str(picture), "--bundle", str(tmp_path / "bundle"), "--json"]) == os.EX_OK
    answer = json.loads(capfd.readouterr().out)
    assert answer["bundle"]["id"] == "mobilenetv3"
    assert len(answer["diagnoses"]) == 11
