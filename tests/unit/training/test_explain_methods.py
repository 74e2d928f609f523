from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("captum", reason="needs the extra `explain`")
pytest.importorskip("lime", reason="needs the extra `explain`")

import cv2
from macule_testing import draw, encode

from macule.analysis.patient import Patient
from macule.cli import explain as command
from macule.data.record import Record
from macule.errors import DatasetError, MissingExtra, UsageError
from macule.evaluation import heatmaps
from macule.taxonomy import Diagnosis
from macule.training.explain import compare, methods

pytestmark = pytest.mark.training

MEL = list(Diagnosis).index(Diagnosis.MEL)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for n in range(3):
        rgb = draw(seed=n)
        (folder / f"{n}.png").write_bytes(encode(rgb))
        mask = np.zeros(rgb.shape[:2], np.uint8)
        cv2.ellipse(mask, (200, 150), (80, 75), 20, 0, 360, 255, -1)
        (folder / f"{n}_mask.png").write_bytes(encode(mask))
        found.append(Record(folder / f"{n}.png", "drawn", str(n), frozenset({Diagnosis.MEL}), f"drawn:{n}", Patient(),
                            mask=folder / f"{n}_mask.png"))
    return found


@pytest.fixture(scope="module")
def subject(tiny_bundle, records):
    """Of the tiny bundle, for which dark cells speak for melanoma."""
    case = heatmaps.case(tiny_bundle, records[0])
    return compare.load(tiny_bundle).subject(tiny_bundle, case, MEL)


# Grad-CAM++ drops negative gradients, and darkness is a negative one: it is tried on a real network below.
@pytest.mark.parametrize("name", [name for name in methods.METHODS if name != "grad-cam++"])
def test_every_method_finds_the_dark_spot(name, subject):
    heat = compare.shown(methods.METHODS[name](subject), subject)
    assert heat.shape == (32, 32)
    assert (heat.min(), heat.max()) == (pytest.approx(0, abs=1e-6), pytest.approx(1, abs=0.05))
    share, _ = heatmaps.inside(heat, subject.case.mask)
    # LIME hides a piece behind its mean colour, which this network of mean colours hardly notices.
    assert share > (1.2 if name == "lime" else 1.5) * subject.case.mask.mean()


@pytest.mark.parametrize("name", ["shap", "lime"])
def test_the_seed_decides_what_is_drawn(name, subject):
    np.testing.assert_allclose(methods.METHODS[name](subject), methods.METHODS[name](subject))


def test_the_embedded_graphs_own_map_is_grad_cam(default_bundle, records):
    case, model = heatmaps.case(default_bundle, records[0]), compare.load(default_bundle)
    first = int(model.ask(case.tensor[None], case.patient[None])[0].argmax())
    subject = model.subject(default_bundle, case, first)
    assert compare.own_against_grad_cam(subject) > 0.999
    # For one picture and a linear head the two differ only in how they weigh channels.
    assert heatmaps.pearson(methods.grad_cam_plus_plus(subject), methods.grad_cam(subject)) > 0.5


def test_a_missing_package_is_named(subject, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(methods.importlib, "import_module", absent)
    with pytest.raises(MissingExtra, match=r"lime is not installed.*explain"):
        methods.lime(subject)


def test_a_graph_without_pooled_features_is_told_so(subject, monkeypatch):
    monkeypatch.setattr(subject.network, "features", ())
    with pytest.raises(UsageError, match="integrated-gradients"):
        methods.grad_cam(subject)


def test_the_comparison_has_every_method_and_both_controls(tiny_bundle, records):
    found = compare.measure(tiny_bundle, records, methods=("cam", "grad-cam", "occlusion"), sample=2, randomised=1)
    assert list(found["methods"]) == ["cam", "grad-cam", "occlusion", "centre", "random"]
    assert found["pictures"] == 2
    for name, row in found["methods"].items():
        assert row["deletion_area"]["n"] == row["pointing"]["n"] == 2
        assert row["all_randomised"]["n"] == (0 if name in compare.CONTROLS else 1)
    assert found["own_map_against_grad_cam"]["n"] == 2
    table = compare.markdown(found)
    assert table.count("\n") == 2 + 5
    assert "(control)" in table


def test_nothing_to_compare_on_is_told(tiny_bundle):
    with pytest.raises(DatasetError):
        compare.measure(tiny_bundle, [])


def test_the_command_knows_every_method():
    assert tuple(methods.METHODS) == command.NAMES
