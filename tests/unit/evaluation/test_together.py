"""One answer a lesion: the same as the analyzer gives for these pictures, and counted as what it is."""

from __future__ import annotations

import csv
import dataclasses
import json
from functools import partial

import miniature
import numpy as np
import pytest
from macule_testing import draw

from macule.analysis.calibration import Calibration, MalignantSum
from macule.analysis.patient import Modality, Patient
from macule.analysis.pipeline import Analyzer
from macule.cli.app import run
from macule.data.record import Record
from macule.evaluation import lesions, not_lesions, outliers, service
from macule.evaluation import predictions as answers
from macule.evaluation.exam import Exam
from macule.evaluation.predictions import CODES
from macule.exchange import evaluation_folder
from macule.taxonomy import Diagnosis

SPOTS = ((20, 10, 5), (90, 50, 40), (160, 120, 100))


@pytest.fixture
def analyzer(tiny_bundle):
    return Analyzer(tiny_bundle, views=2)


def record(path, group, *, label="mel", **patient):
    return Record(path, "ham10000", path.stem, frozenset({Diagnosis(label)}), f"ham10000:{group}",
                  Patient(**{"age": 40.0, "modality": Modality.DERMOSCOPIC, **patient}), centre="a")


@pytest.fixture
def pictures(tmp_path):
    """Three of one lesion, one of them by camera, and the first of them again under another name."""
    paths = [tmp_path / f"{place}.png" for place in range(4)]
    for place, spot in enumerate(SPOTS):
        miniature.save(paths[place], draw(seed=place, spot=spot))
    paths[3].write_bytes(paths[0].read_bytes())
    kinds = (Modality.DERMOSCOPIC, Modality.CLINICAL, Modality.DERMOSCOPIC, Modality.DERMOSCOPIC)
    return [record(path, "one", modality=kind) for path, kind in zip(paths, kinds, strict=True)]


def test_a_lesion_is_answered_as_the_analyzer_answers_it(analyzer, tiny_bundle, pictures):
    said = lesions.together(answers.predict(analyzer, pictures), tiny_bundle)
    result = analyzer.analyze_lesion([each.picture for each in pictures], patient=Patient(age=40.0),
                                     modalities=[each.patient.modality for each in pictures])
    by_code = {each.code: each.probability for each in result.answer.diagnoses}
    assert said.shares[0] == pytest.approx([by_code[code] for code in CODES], abs=1e-12)
    assert said.risks == [result.answer.risk.value]
    assert bool(said.admitted[0]) is result.answer.in_distribution
    assert [code for code, held in zip(CODES, said.excluded_not[0], strict=True) if held] == list(
        result.answer.cannot_exclude)
    assert len(said.members[0]) == 3  # the fourth is the first again
    alone = answers.predict(analyzer, pictures)
    assert np.abs(said.shares[0] - alone.shares.mean(axis=0)).max() > 1e-3  # not the mean of probabilities


@pytest.mark.parametrize("how", [Calibration(0.7), Calibration(2.5), Calibration(0.7, MalignantSum(
    1.2, tuple(np.linspace(-1, 1, len(CODES)))))])
def test_it_is_the_mean_of_the_logits_that_is_calibrated(how):
    logits = np.random.default_rng(0).normal(0, 4, (3, len(CODES)))
    wanted = how.shares(logits.mean(axis=0, keepdims=True))[0]
    assert lesions.pooled(how.shares(logits), how) == pytest.approx(wanted)
    assert np.isfinite(lesions.pooled(np.eye(len(CODES))[:2], how)).all()  # shares of 0 have no logarithm


@pytest.fixture
def predict(fake, make_record):
    def of(**groups):
        return answers.predict(fake, [make_record(stem, group=f"ham10000:{group}")
                                      for group, stems in groups.items() for stem in stems])

    return of


def test_refused_and_unreadable_pictures_are_left_out_of_their_lesion(predict, tiny_bundle):
    said = predict(whole=("mel-mel-1", "mel-nv-2"), partly=("nv-nv-3", "nv-refused-4", "nv-broken-5"),
                   unseen=("bcc-refused-6", "bcc-broken-7"), dark=("mel-broken-8",))
    found = lesions.together(said, tiny_bundle)
    assert [each.group for each in found.records] == ["ham10000:whole", "ham10000:partly"]
    assert [each.group for each in found.refused] == ["ham10000:unseen"]
    assert [each.group for each in found.failed] == ["ham10000:dark"]
    assert found.shares[1] == pytest.approx(said.shares[2]) and found.shares.sum(axis=1) == pytest.approx([1, 1])
    counts = lesions.Counts.of(said, found)
    assert (counts.pictures, counts.lesions, counts.several, counts.partly, counts.unanswered) == (3, 2, 1, 1, 2)
    assert found.only(np.array([False, True])).members == [found.members[1]]


def test_what_pictures_state_differently_is_not_stated_of_the_lesion(tmp_path):
    one = record(tmp_path / "a", "x", label="mel", site=None)
    two = dataclasses.replace(record(tmp_path / "b", "x", label="nv", modality=Modality.CLINICAL), centre="b")
    both = lesions.merged([one, two])
    assert (both.patient.age, both.patient.modality, both.centre) == (40.0, None, None)
    assert both.labels == {Diagnosis.MEL, Diagnosis.NV} and both.picture_id == "a"
    said = answers.Predictions([both], np.zeros((1, len(CODES))))
    assert said.targets[0] == answers.NO_CLASS and np.isnan(said.suspicious[0])
    assert lesions.merged([one]) is one


def test_one_row_without_any_answer(predict, tiny_bundle):
    found = lesions.together(predict(dark=("mel-refused-1",)), tiny_bundle)
    assert found.shares.shape == (0, len(CODES)) and len(found.refused) == 1


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    labels = {f"IL_{place}": label for place, label in enumerate(("MEL", "NV", "BCC", "NV", "MEL", "NV"))}
    folder = tmp_path_factory.mktemp("data") / "MILK10k"
    return miniature.milk10k(folder, labels, paint=miniature.drawn(size=(320, 240)))


@pytest.fixture(scope="module")
def command(tiny_bundle, root):
    return ["evaluate", "--bundle", str(tiny_bundle.folder), "--dataset", "milk10k", "--root", str(root), "--threads",
            "1", "--by", "lesion"]


def test_the_report_says_what_its_answers_are_of(command, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(not_lesions, "kinds", lambda: ("text",))
    monkeypatch.setattr(outliers, "measure", partial(outliers.measure, per_kind=1))
    assert run([*command, "--views", "2", "--report", str(tmp_path)]) == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert "12 pictures, 6 lesions, 0 refused, 6 lesions answered from several" in printed
    told = json.loads((tmp_path / evaluation_folder.JSON).read_text())
    assert (told["by"], told["views"], told["pictures"], told["lesions"]) == ("lesion", 2, 12, 6)
    assert told["diagnosis"]["single_class"] == 6 and told["accuracy"]["n"] == 6
    made = told["provenance"]
    assert made["exam"]["pictures"] == 12 and made["run"]["views"] == 2 and "--by lesion" in made["run"]["command"]
    page = (tmp_path / evaluation_folder.PAGE).read_text(encoding="utf-8")
    assert "One answer a lesion: 12 answered pictures of 6 lesions" in page and "Views of a picture" in page
    with (tmp_path / evaluation_folder.CSV).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image"].count("+") for row in rows] == [1] * 6 and len({row["group"] for row in rows}) == 6
    items = told["mistakes"]["items"]
    assert all(len(item["pictures"]) == 2 and name in item["pictures"] for name, item in items.items())
    shown = (tmp_path / evaluation_folder.MISTAKES).read_text(encoding="utf-8")
    assert "Answered from 2 pictures: milk10k:" in shown and "<img" in shown


def test_what_asks_the_network_again_is_of_pictures(tiny_bundle, root):
    found = service.examine(tiny_bundle, service.Asked("milk10k", root, "all", by="lesion"), threads=1, resamples=20)
    assert len(found.exam.predictions.records) == 6 and len(found.pictures.predictions.records) == 12
    alone = service.examine(tiny_bundle, service.Asked("milk10k", root, "all"), threads=1, resamples=20)
    assert isinstance(alone.exam, Exam) and alone.pictures is alone.exam and "together" not in alone.report


@pytest.mark.parametrize(("options", "words"), [
    (("--by", "patient"), "--by is 'patient'"), (("--views", "3"), "views is 3"),
    (("--apart-from", "ham10000"), "--apart-from ham10000 needs --links"),
    (("--apart-from", "ham1000"), "--apart-from is 'ham1000'; one of ham10000, "),
    (("--apart-from", "ham10000", "--apart-from", "milk10k"), "--apart-from is milk10k, the very set that is scored")])
def test_what_cannot_be_asked(command, capfd, options, words):
    assert run([*command, *options]) == 2
    assert words in capfd.readouterr().err
