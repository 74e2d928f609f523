from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from macule_testing import content, draw, encode, write_bundle

from macule import examples
from macule.analysis.batch import in_order
from macule.analysis.bundle import Bundle, load
from macule.analysis.patient import Patient
from macule.analysis.pipeline import Analyzer
from macule.analysis.result import Result, Risk
from macule.errors import BundleInvalid, MaculeError, UnreadableImage
from macule.evaluation import not_lesions
from macule.taxonomy import Diagnosis


def changed(tmp_path: Path, **changes: object) -> Analyzer:
    return Analyzer(load(write_bundle(tmp_path / "changed", **changes)))


def test_a_picture_is_answered_in_full(analyzer: Analyzer, picture: Path) -> None:
    result = analyzer.analyze(picture)
    answer = result.assessment
    assert answer is not None and result.quality.usable
    assert result.image == str(picture)
    assert sum(ranked.probability for ranked in answer.diagnoses) == pytest.approx(1)
    assert {ranked.code for ranked in answer.diagnoses} == set(Diagnosis)
    assert answer.heatmap.shape == (4, 4) and answer.heatmap.max() == 1
    assert answer.heatmap_of is answer.diagnoses[0].code is Diagnosis.NV
    assert answer.embedding.shape == (3,)
    assert set(result.to_dict()) == {
        "image",
        "bundle",
        "quality",
        "diagnoses",
        "malignant",
        "risk",
        "cannot_exclude",
        "in_distribution",
        "advice",
        "disclaimer",
    }


def test_bytes_and_path_agree(analyzer: Analyzer, picture: Path) -> None:
    by_bytes = analyzer.analyze(picture.read_bytes(), name=str(picture))
    assert by_bytes == analyzer.analyze(picture)
    assert analyzer.analyze(picture.read_bytes()).image == "picture"


def test_a_refused_picture_has_no_diagnoses(analyzer: Analyzer) -> None:
    result = analyzer.analyze(encode(np.zeros((1, 1, 3), np.uint8)))
    assert result.assessment is None and not result.quality.usable
    assert "Move closer" in result.advice and "diagnoses" not in result.to_dict()


def test_what_is_known_of_the_patient_counts(analyzer: Analyzer, picture: Path) -> None:
    def share(patient: Patient | None) -> float:
        answer = analyzer.analyze(picture, patient=patient).assessment
        assert answer is not None
        return next(ranked.probability for ranked in answer.diagnoses if ranked.code is Diagnosis.BCC)

    assert share(Patient(age=90)) > share(Patient(age=50)) == share(None) > share(Patient(age=10))


def test_turning_the_picture_changes_nothing_with_eight_views(tmp_path: Path) -> None:
    eight = changed(tmp_path, preprocessing=content("")["preprocessing"] | {"views": 8})
    rgb = draw(width=300, height=300)
    upright, turned = (eight.analyze(encode(np.ascontiguousarray(view))).assessment for view in (rgb, np.rot90(rgb)))
    assert upright is not None and turned is not None
    assert upright.malignant == pytest.approx(turned.malignant, abs=1e-6)
    assert np.allclose(np.rot90(upright.heatmap), turned.heatmap, atol=1e-4)


def test_with_a_crop_the_heatmap_still_lies_in_the_whole_picture(tmp_path: Path) -> None:
    armed = {"version": 2, "arms": ["lesion_crop"]}
    cropping = changed(tmp_path, preprocessing=content("")["preprocessing"] | armed)
    rgb = np.random.default_rng(0).normal((215, 170, 145), 7, (300, 400, 3))
    cv2.circle(rgb, (130, 110), 40, (90, 50, 40), -1)
    source = encode(rgb.clip(0, 255).astype(np.uint8))
    cropped, whole = cropping.analyze(source), Analyzer(load(write_bundle(tmp_path / "whole"))).analyze(source)
    assert cropped.assessment is not None and whole.assessment is not None
    assert cropped.assessment.malignant > whole.assessment.malignant  # the dark spot fills more of what is seen
    heat = cropped.assessment.heatmap
    rows, columns = heat.shape
    warm_rows, warm_columns = np.nonzero(heat)
    assert heat.max() == 1 and cropped.thumbnail is not None and cropped.thumbnail.shape == (300, 400, 3)
    # The spot with its margin reaches from 62 to 198 px and from 42 to 178 px.
    assert warm_columns.min() / columns > 0.1 and (warm_columns.max() + 1) / columns < 0.56
    assert warm_rows.min() / rows > 0.1 and (warm_rows.max() + 1) / rows < 0.67
    assert whole.assessment.heatmap.shape == (4, 4)


def test_a_picture_unlike_those_known_is_never_low_risk(tmp_path: Path, picture: Path) -> None:
    never = {"probability": 1.0, "sensitivity": 0.5}
    low = content("")["thresholds"] | {"medium": never, "high": never, "cannot_exclude": {}}
    known = changed(tmp_path, thresholds=low).analyze(picture)
    gate = {"file": "gate.npz", "threshold": 1e-9, "quantile": 0.995}
    unknown = changed(tmp_path, thresholds=low, gate=gate).analyze(picture)
    assert known.assessment is not None and unknown.assessment is not None
    assert (known.assessment.risk, unknown.assessment.risk) == (Risk.LOW, Risk.MEDIUM)
    assert "do not rely on its numbers" in unknown.advice
    assert "do not rely" not in known.advice


def test_the_thumbnail_is_small_and_upright(analyzer: Analyzer) -> None:
    result = analyzer.analyze(encode(draw(width=1500, height=1000), "JPEG"))
    assert result.thumbnail is not None and max(result.thumbnail.shape) == 640
    assert analyzer.analyze(encode(draw())).thumbnail is not None


def test_many_answer_in_order_and_errors_stay_with_their_source(analyzer: Analyzer) -> None:
    good = [encode(draw(seed=seed)) for seed in range(5)]
    sources = [good[0], b"", *good[1:], b"text"]
    answers = list(analyzer.analyze_many(sources, workers=3))
    assert [source for source, _ in answers] == sources
    assert [type(answer) for _, answer in answers] == [Result, UnreadableImage, *[Result] * 4, UnreadableImage]
    assert answers[0][1] == analyzer.analyze(sources[0])


def test_many_read_no_further_than_asked() -> None:
    read = []

    def sources() -> object:
        for number in range(100):
            read.append(number)
            yield number

    answers = in_order(lambda number: number * 2, sources(), workers=2)  # type: ignore[arg-type]
    assert [next(answers) for _ in range(3)] == [(0, 0), (1, 2), (2, 4)]
    assert len(read) <= 3 + 4
    answers.close()  # type: ignore[attr-defined]
    assert len(read) <= 3 + 4 and threading.active_count() < 20


def test_a_fault_of_the_environment_ends_the_batch() -> None:
    def fail(number: int) -> int:
        raise BundleInvalid("broken")

    with pytest.raises(BundleInvalid):
        list(in_order(fail, range(3), workers=2))


def test_many_survive_errors_of_their_own() -> None:
    def fail(number: int) -> int:
        if number == 1:
            raise UnreadableImage("broken")
        return number

    answers = [answer for _, answer in in_order(fail, range(3), workers=2)]
    assert isinstance(answers[1], MaculeError) and answers[::2] == [0, 2]


def test_an_answer_that_is_no_number_is_refused(
    tiny_bundle: Bundle, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Analyzer(tiny_bundle)
    run = broken._network.run
    monkeypatch.setattr(broken._network, "run", lambda *args: _with_nan(run(*args)))
    with pytest.raises(BundleInvalid, match="not finite"):
        broken.analyze(picture)


def _with_nan(output):  # type: ignore[no-untyped-def]
    output.logits[:] = np.nan
    return output


def test_the_embedded_bundle_answers(default_bundle: Bundle) -> None:
    result = Analyzer(default_bundle).analyze(encode(examples.draw(examples.preset("naevus"), size=(400, 300), seed=0)))
    assert result.assessment is not None and result.assessment.plausible
    assert result.to_dict()["quality"]["checks"]["familiar"]["passed"]
    assert result.bundle.id == default_bundle.id


def test_the_embedded_bundle_refuses_what_is_no_lesion(default_bundle: Bundle) -> None:
    """Kinds that its gate was never shown: a page of text, a square code, fabric."""
    analyzer = Analyzer(default_bundle)
    for kind in ("text", "codes", "fabric"):
        for rgb in not_lesions.generate(kind, 2, 5):
            assert analyzer.analyze(not_lesions.encoded(rgb)).assessment is None
