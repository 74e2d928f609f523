from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
from macule_testing import draw, encode
from onnx import numpy_helper

from macule.analysis.patient import Patient
from macule.data.record import Record
from macule.exchange.sections import explanations as shown
from macule.taxonomy import Diagnosis
from macule.training.explain import randomisation


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for n in range(4):
        (folder / f"{n}.png").write_bytes(encode(draw(seed=n, width=400 + 30 * n)))
        found.append(Record(folder / f"{n}.png", "drawn", str(n), frozenset({Diagnosis.MEL}), f"drawn:{n}", Patient()))
    return found


@pytest.fixture(scope="module")
def model(default_bundle):
    return onnx.load(str(default_bundle.model))


def _weights(model):
    return {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}


def test_layers_from_the_classifier_down(model):
    layers = randomisation.layers(model)
    assert randomisation.classifier(model) == 1
    assert _weights(model)[layers[0][0]].shape[0] == len(Diagnosis)
    assert _weights(model)[layers[-1][0]].shape[1] == 3  # reads the picture
    names = [name for layer in layers for name in layer]
    assert len(names) == len(set(names))


def test_only_the_layers_asked_for_change_and_keep_their_spread(model):
    count = 3
    changed = _weights(randomisation.destroyed(model, count, seed=1))
    named = {name for layer in randomisation.layers(model)[:count] for name in layer}
    for name, before in _weights(model).items():
        assert (name in named) != np.array_equal(before, changed[name])
        if name in named and before.size > 500:
            assert changed[name].std() == pytest.approx(before.std(), rel=0.1)
    again = _weights(randomisation.destroyed(model, count, seed=1))
    assert all(np.array_equal(again[name], changed[name]) for name in changed)


def test_the_map_of_the_embedded_bundle_changes(default_bundle, records, monkeypatch):
    monkeypatch.setattr(randomisation, "DRAWS", 1)
    monkeypatch.setattr(randomisation, "SHARES", (1.0,))
    found = randomisation.measure(default_bundle, records, sample=2)
    assert found["pictures"] == 2
    assert [step["layers"] for step in found["steps"]] == [1, found["layers"]]
    for step in found["steps"]:
        assert step["rank_correlation"]["value"] < 0.9
        assert step["similarity"]["value"] < 0.9


def test_a_map_that_ignores_the_weights_fails(tiny_bundle, records, monkeypatch):
    monkeypatch.setattr(randomisation, "destroyed", lambda model, _count, **_: model)
    found = randomisation.measure(tiny_bundle, records)
    assert all(step["rank_correlation"]["value"] == pytest.approx(1) for step in found["steps"])
    assert all(step["similarity"]["value"] == pytest.approx(1) for step in found["steps"])
    assert found["passed"] is not True
    texts = " ".join(getattr(block, "text", "") for block in shown._of_randomisation(found | {"passed": False}))
    assert "does not clearly depend" in texts


def test_torch_is_not_needed():
    import subprocess

    code = "import sys; from macule.training.explain import randomisation; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
