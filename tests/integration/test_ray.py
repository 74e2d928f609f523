"""The same audit on a local Ray with two workers."""

from __future__ import annotations

import numpy as np
import pytest
from miniature import save

from macule.analysis.patient import Patient
from macule.analysis.pipeline import Analyzer
from macule.data import duplicates, engine
from macule.data.engine import Local
from macule.data.record import Record
from macule.evaluation import predictions
from macule.examples import draw, preset
from macule.taxonomy import Diagnosis

pytest.importorskip("ray", reason="needs the ray extra")

pytestmark = pytest.mark.slow  # starts a Ray of its own


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    drawn = [draw(preset(kind), size=(320, 240), seed=seed)
             for seed, kind in enumerate(("naevus", "irregular-pigmented", "stuck-on-keratosis"))]
    for number, rgb in enumerate([*drawn, *(rgb[::-1] for rgb in drawn), drawn[0][8:-8, 10:-10]]):
        save(folder / f"{number}.jpg", rgb)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def ray():
    made = engine.make("ray", workers=2)
    yield made
    import ray

    ray.shutdown()


def test_the_same_pairs_as_without(tmp_path, pictures, ray):
    here = duplicates.search(pictures, tmp_path / "here", engine=Local(2))
    there = duplicates.search(pictures, tmp_path / "there", engine=ray)
    assert len(here.pairs) >= 4 and there == here


def test_answers_come_in_order(ray):
    assert list(ray.map(str, range(300))) == [str(number) for number in range(300)]
    assert list(ray.map(str, [])) == []


def test_the_same_scores_as_without(default_bundle, pictures, ray):
    readable = [path for path in pictures if path.stem != "broken"]
    nv = frozenset({Diagnosis.NV})
    records = [Record(path, "ham10000", path.stem, nv, path.stem, Patient()) for path in pictures]
    here = predictions.predict(Analyzer(default_bundle), records)
    there = predictions.predict(default_bundle.folder, records, engine=ray)
    assert np.array_equal(here.shares, there.shares) and here.records == there.records
    assert (here.failed, there.failed) == (1, 1) and len(here.records) + here.refused == len(readable)
