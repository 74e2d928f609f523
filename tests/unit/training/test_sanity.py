"""`macule train sanity`, whole: drawn, trained, exported, calibrated, scored; and it has to be nearly always right."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.analysis import bundle as bundles
from macule.analysis import image, quality
from macule.analysis.pipeline import Analyzer
from macule.cli.app import run as macule
from macule.errors import MaculeError
from macule.evaluation import runs
from macule.training import sanity

pytestmark = [pytest.mark.training, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    place = tmp_path_factory.mktemp("sanity")
    assert macule(["train", "sanity", "--work", str(place)]) == 0
    return place


@pytest.fixture(scope="module")
def run(work):
    (path,) = runs.find(work)
    return path


def test_more_than_98_percent_are_found(run):
    found = sanity.found(run)
    assert found.pictures >= 100
    assert found.sensitivity > 0.98
    assert found.specificity > 0.98


def test_the_bundle_says_the_same(run, work):
    analyzer = Analyzer(bundles.load(run / "bundle"))
    with np.load(run / "predictions.npz") as kept:
        names = [str(name).removeprefix("folder:") for name in kept["test"][::5]]
    answers = [analyzer.analyze((work / "sanity" / "folder" / f"{name}.jpg").read_bytes()) for name in names]
    assert all(answer.quality.usable for answer in answers)
    called = [answer.assessment.malignant >= 0.5 for answer in answers]
    assert called == [name.startswith("malignant") for name in names]


def test_the_same_pictures_are_drawn_every_time(tmp_path, monkeypatch):
    monkeypatch.setattr(sanity, "EACH", 3)
    one, other = (sanity.draw(tmp_path / name) for name in ("one", "other"))
    found = [{path.relative_to(root): path.read_bytes() for path in root.rglob("*.jpg")} for root in (one, other)]
    assert found[0] == found[1]
    assert len(set(found[0].values())) == 6


def test_what_is_drawn_stays_and_what_is_missing_is_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sanity, "EACH", 2)
    first, second = sorted(sanity.draw(tmp_path).rglob("*.jpg"))[:2]
    first.write_bytes(b"mine")
    content = second.read_bytes()
    second.unlink()
    sanity.draw(tmp_path)
    assert first.read_bytes() == b"mine"
    assert second.read_bytes() == content


@pytest.mark.parametrize("malignant", [False, True])
def test_serving_takes_every_picture(malignant):
    for number in range(5):
        rgb = sanity.picture(np.random.default_rng(number), malignant=malignant)
        assert rgb.shape == (sanity.SIDE, sanity.SIDE, 3)
        assert quality.assess(image.Picture(rgb, sanity.SIDE, sanity.SIDE, "JPEG")).usable


def test_another_run_is_no_sanity_run(run, tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").write_bytes((run / "bundle" / "bundle.json").read_bytes())
    np.savez(tmp_path / "predictions.npz", test=np.array(["ham10000:ISIC_1"]), test_logits=np.zeros((1, 11)))
    with pytest.raises(MaculeError, match="no sanity run"):
        sanity.found(tmp_path)
