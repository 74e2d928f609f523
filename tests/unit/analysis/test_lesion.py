"""One answer to several pictures of a lesion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from macule_testing import content, draw, encode, write_bundle

from macule.analysis.bundle import load
from macule.analysis.lesion import MOST, LesionResult, distinct
from macule.analysis.patient import Modality, Patient
from macule.analysis.pipeline import Analyzer
from macule.analysis.result import Answer, Risk
from macule.errors import InvalidMetadata, UnreadableImage, UsageError
from macule.taxonomy import Diagnosis

SPOTS = ((20, 10, 5), (90, 50, 40), (160, 120, 100))
DARK, FAIR, PALE = (encode(draw(spot=spot, seed=seed)) for seed, spot in enumerate(SPOTS))
SMALL = encode(np.zeros((1, 1, 3), np.uint8))


def answered(result: LesionResult) -> Answer:
    assert result.answer is not None
    return result.answer


def shares(answer: Answer | None) -> np.ndarray:
    assert answer is not None
    found = {ranked.code: ranked.probability for ranked in answer.diagnoses}
    return np.array([found[code] for code in Diagnosis])


def changed(tmp_path: Path, **changes: object) -> Analyzer:
    return Analyzer(load(write_bundle(tmp_path / "changed", **changes)))


def test_one_picture_gives_exactly_what_it_gives_alone(analyzer: Analyzer) -> None:
    patient = Patient(age=70)
    alone = analyzer.analyze(FAIR, patient=patient)
    result = analyzer.analyze_lesion([FAIR], patient=patient)
    assert result.shots[0].result == alone and result.advice == alone.advice
    assert alone.assessment is not None and result.shots[0].heatmap is not None
    assert answered(result).to_dict() == alone.assessment.to_dict()
    assert np.array_equal(shares(result.answer), shares(alone.assessment))
    assert np.array_equal(result.shots[0].heatmap, alone.assessment.heatmap)


def test_several_are_answered_by_the_mean_of_their_logits(analyzer: Analyzer) -> None:
    """The softmax of a mean of logits is the normalised geometric mean, at any temperature."""
    result = analyzer.analyze_lesion([DARK, FAIR, PALE])
    each = np.array([shares(analyzer.analyze(one).assessment) for one in (DARK, FAIR, PALE)])
    expected = np.exp(np.log(each).mean(axis=0))
    assert np.allclose(shares(result.answer), expected / expected.sum())
    assert not np.allclose(shares(result.answer), each.mean(axis=0), atol=1e-3)


def test_the_order_does_not_matter_to_the_last_digit(analyzer: Analyzer) -> None:
    forwards, backwards = (answered(analyzer.analyze_lesion(order))
                           for order in ([DARK, FAIR, PALE], [PALE, FAIR, DARK]))
    assert forwards == backwards and np.array_equal(shares(forwards), shares(backwards))


def test_a_picture_given_twice_counts_once(analyzer: Analyzer, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(DARK)
    (tmp_path / "b.png").write_bytes(DARK)
    once = analyzer.analyze_lesion([DARK, PALE])
    twice = analyzer.analyze_lesion([tmp_path / "a.png", PALE, tmp_path / "b.png"])
    assert twice.answer == once.answer and len(twice.shots) == 2
    assert twice.shots[0].copies == (str(tmp_path / "b.png"),)
    assert "copies" not in twice.shots[1].to_dict()


def test_what_cannot_be_judged_is_left_out_and_named(analyzer: Analyzer, tmp_path: Path) -> None:
    result = analyzer.analyze_lesion([SMALL, FAIR, b"text", tmp_path / "gone.jpg"], names=["s", "f", "t", "g"])
    assert answered(result) == answered(analyzer.analyze_lesion([FAIR]))
    assert [shot.alone is not None for shot in result.shots] == [False, True, False, False]
    assert isinstance(result.shots[2].error, UnreadableImage)
    assert "Picture 1 was left out: Move closer" in result.advice and "Picture 3 was left out" in result.advice
    told = result.to_dict()["pictures"]
    assert [(one["image"], one["counted"]) for one in told] == [("s", False), ("f", True), ("t", False), ("g", False)]
    assert not told[0]["quality"]["usable"] and told[3]["error"]["code"] == "input_not_found"


def test_without_a_picture_that_can_be_judged_there_is_no_answer(analyzer: Analyzer) -> None:
    result = analyzer.analyze_lesion([SMALL, b"text"])
    assert result.answer is None and "diagnoses" not in result.to_dict() and "agreement" not in result.to_dict()
    assert result.advice.startswith("None of these pictures can be judged. Picture 1: Move closer")
    assert analyzer.analyze_lesion([SMALL]).advice == analyzer.analyze(SMALL).advice
    assert analyzer.analyze_lesion([b"text"]).advice.startswith("This picture cannot be judged.")


def test_one_unfamiliar_picture_makes_the_lesion_unfamiliar(tmp_path: Path, analyzer: Analyzer) -> None:
    looks = [(analyzer.bundle.gate.score(analyzer.embedding(one)), one) for one in (DARK, PALE)]
    (near, known), (far, strange) = sorted(looks)
    gate = {"file": "gate.npz", "threshold": (near + far) / 2, "quantile": 0.995}
    never = {"probability": 1.0, "sensitivity": 0.5}
    low = content("")["thresholds"] | {"medium": never, "high": never, "cannot_exclude": {}}
    gated = changed(tmp_path, gate=gate, thresholds=low)
    familiar, mixed = gated.analyze_lesion([known]), gated.analyze_lesion([known, strange])
    assert answered(familiar).in_distribution and answered(familiar).risk is Risk.LOW
    assert not answered(mixed).in_distribution and answered(mixed).risk is Risk.MEDIUM
    assert "Picture 2 does not look like" in mixed.advice and "Picture 1" not in mixed.advice


def test_pictures_that_disagree_are_told(tmp_path: Path) -> None:
    limits = content("")["thresholds"] | {"medium": {"probability": 0.45, "sensitivity": 0.9},
                                          "high": {"probability": 0.99, "sensitivity": 0.5}, "cannot_exclude": {}}
    told = changed(tmp_path, thresholds=limits)
    dark, pale = (encode(np.clip(draw().astype(int) + shift, 0, 255).astype(np.uint8)) for shift in (-110, 40))
    result = told.analyze_lesion([dark, pale, FAIR])
    malignant = [each.malignant for each in result.alone]
    assert not result.agree and answered(result).risk is Risk.LOW
    assert "Picture 1 alone looks more suspicious than all together" in result.advice
    assert result.to_dict()["agreement"] == {
        "counted": 3, "same_first": False,
        "malignant": {"least": round(min(malignant), 6), "most": round(max(malignant), 6)}}
    # Each heatmap explains the first diagnosis of all together, not the picture's own.
    own, shown = result.shots[0].alone, result.shots[0].heatmap
    assert own is not None and shown is not None
    assert own.heatmap_of is Diagnosis.MEL is not answered(result).diagnoses[0].code
    assert not np.array_equal(own.heatmap, shown)


def test_each_picture_has_its_own_modality() -> None:
    given = distinct([DARK, PALE], Patient(age=50), [Modality.DERMOSCOPIC, None], None)
    assert [one.patient for one in given] == [Patient(age=50, modality=Modality.DERMOSCOPIC), Patient(age=50)]
    shared = distinct([DARK, PALE], Patient(modality=Modality.CLINICAL), None, None)
    assert {one.patient.modality for one in shared} == {Modality.CLINICAL}


@pytest.mark.parametrize("kinds", [(None, Modality.CLINICAL), (Modality.CLINICAL, None)])
def test_of_one_picture_what_is_known_holds(kinds: tuple[Modality | None, ...]) -> None:
    (only,) = distinct([DARK, DARK], Patient(), kinds, None)
    assert only.patient.modality is Modality.CLINICAL


def test_wrong_requests_are_refused(analyzer: Analyzer) -> None:
    with pytest.raises(InvalidMetadata, match="same picture"):
        analyzer.analyze_lesion([DARK, DARK], modalities=list(Modality), names=["a", "b"])
    with pytest.raises(InvalidMetadata, match="1 modalities are given for 2 pictures"):
        analyzer.analyze_lesion([DARK, PALE], modalities=[None])
    for count in (0, MOST + 1):
        with pytest.raises(UsageError, match=f"has {count} pictures"):
            analyzer.analyze_lesion([DARK] * count)


def test_the_python_face_answers_lesions(analyzer: Analyzer) -> None:
    import macule

    result = macule.analyze_lesion([DARK, PALE], modalities=list(macule.Modality), bundle=analyzer.bundle, views=2)
    assert isinstance(result, macule.LesionResult) and result.views == result.to_dict()["views"] == 2
