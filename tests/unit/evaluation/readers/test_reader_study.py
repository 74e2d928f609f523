"""A study whose figures can be counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from macule.errors import DatasetError, InputNotFound, UsageError
from macule.evaluation.readers import readings, service
from macule.examples.reader_study import DESIGNS, Design, simulate, write_study

HEAD = "reader,picture,diagnosis,confidence,with_ai"
TRUTH = "picture,diagnosis,lesion\na,mel,1\nb,bcc,2\nc,nv,3\nd,naevus,4\ne,benign,5\nf,malignant,6\n"
MODEL = "image,malignant,risk\na.jpg,0.9,high\nb.jpg,0.3,medium\nc.jpg,0.2,medium\nd.jpg,0.1,low\ne.jpg,0.05,low\n"


def lines(reader, arm, calls, confidence="80"):
    return [f"{reader},{picture},{call},{confidence},{arm}" for picture, call in zip("abcdef", calls, strict=False)]


@pytest.fixture
def write(tmp_path):
    def make(name, text):
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else "\n".join([HEAD, *text]) + "\n", encoding="utf-8")
        return path

    return make


@pytest.fixture
def measured(write):
    """Ann calls a and c malignant; aided a, b, f. Bob reads unaided alone."""
    rows = (lines("Ann", "no", ["mel", "nv", "bcc", "nv", "benign", "benign"])
            + lines("Ann", "yes", ["mel", "bcc", "nv", "nv", "benign", "malignant"])
            + lines("Bob", "no", ["malignant", "malignant", "benign", "malignant", "benign", "malignant"]))
    study = service.load(files=[write("r.csv", rows)], truth=write("t.csv", TRUTH), answers=write("m.csv", MODEL))
    return service.measure(study, resamples=50)


def entry(found, reader, arm):
    return next(each for each in found if each["reader"] == reader and each["arm"] == arm)


def test_points_are_counted(measured):
    ann = entry(measured["points"], "Ann", "unaided")
    assert ann["sensitivity"]["value"] == pytest.approx(1 / 3, abs=1e-4) and ann["sensitivity"]["n"] == 3
    assert ann["specificity"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert ann["diagnosis_accuracy"] | {"low": 0, "high": 0} == {"value": 0.5, "low": 0, "high": 0, "n": 4}
    bob = entry(measured["points"], "Bob", "unaided")
    assert bob["sensitivity"]["value"] == 1.0 and bob["sensitivity"]["low"] < 1
    # Bob named no class, and nothing stands in for that.
    assert bob["diagnosis_accuracy"]["value"] is None and bob["diagnosis_accuracy"]["n"] == 0


def test_the_model_is_compared_where_it_answered(measured):
    assert measured["model"]["answered"] == 5
    medium, high = measured["model"]["points"]
    assert (medium["sensitivity"]["value"], medium["specificity"]["value"]) == (1.0, 0.6667)
    assert (high["sensitivity"]["value"], high["specificity"]["value"]) == (0.5, 1.0)
    ann = entry(measured["against_model"], "Ann", "unaided")
    # One false alarm in three leaves the model both malignant pictures, of which Ann found one.
    assert ann["pictures"] == 5 and ann["at_the_readers_specificity"]["difference"]["value"] == 0.5
    assert ann["mcnemar"][0] == {"point": "medium or high risk", "both_right": 3, "reader_only": 0, "model_only": 1,
                                 "both_wrong": 1, "p": 1.0}


def test_switches_are_counted(measured):
    everyone, ann = measured["switching"]["call"]
    assert everyone["pairs"] == 6 and ann["reader"] == "Ann"
    # b, c and f turned right; on c the model's medium risk was wrong, f it did not answer.
    assert ann["counts"]["wrong_to_right"] == {"all": 3, "advice_right": 1, "advice_wrong": 1}
    assert ann["rates"]["mended_by_right_advice"]["value"] == 1.0
    assert ann["rates"]["misled_by_wrong_advice"]["value"] is None and ann["mcnemar_p"] == 0.25
    assert measured["switching"]["seconds"] is None


def test_kappa_of_two_readers_is_counted(measured):
    call = measured["agreement"]["unaided"]["call"]
    assert call["raters"] == ["Ann", "Bob", "truth", "model"]
    # They agree on a and e; by chance (2 x 4 + 4 x 2) / 36.
    assert call["kappa"][0][1]["value"] == pytest.approx((2 / 6 - 16 / 36) / (1 - 16 / 36), abs=1e-4)
    assert call["kappa"][1][0] is None


def test_a_reader_with_one_arm_is_no_pair(measured):
    about = measured["mrmc"]["aided_against_unaided"]
    assert about["readers"] == ["Ann"] and about["crossed"]
    assert about["figures"]["auc"]["random_readers"]["p"] is None
    assert about["figures"]["sensitivity"]["means"] == [pytest.approx(1 / 3, abs=1e-4), 1.0]


def test_everything_is_plain_json(measured):
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured


def test_readers_of_different_pictures_are_not_compared_and_say_why(write):
    rows = lines("Ann", "no", ["mel"] * 6) + lines("Ann", "yes", ["nv"] * 4) + lines("Bob", "no", ["nv"] * 3)
    study = service.load(files=[write("r.csv", rows)], truth=write("t.csv", TRUTH))
    found = service.measure(study, resamples=20)
    assert not found["design"]["crossed"] and found["model"] is None
    about = found["mrmc"]["aided_against_unaided"]
    assert not about["crossed"] and "figures" not in about
    assert about["missing"] == [{"reader": "Ann", "arm": "aided", "missing": 2, "pictures": ["e", "f"]}]
    assert found["switching"]["call"][0]["pairs"] == 4


def test_a_confidence_of_malignancy_orders_across_diagnoses(write):
    rows = [f"Ann,{name},nv,{value},no" for name, value in zip("abcdef", (6, 5, 3, 2, 1, 4), strict=True)]
    files = [write("r.csv", rows)]
    by_rating = service.measure(service.load(files=files, truth=write("t.csv", TRUTH), meaning="malignancy"),
                                resamples=20)
    by_diagnosis = service.measure(service.load(files=files, truth=write("t.csv", TRUTH)), resamples=20)
    assert by_rating["points"][0]["auc"]["value"] == 1.0 and by_rating["design"]["scale"] == "1-6"
    assert by_diagnosis["points"][0]["auc"]["value"] == 0.0  # sure that a melanoma is a naevus


def test_a_reading_without_confidence_leaves_no_area(write):
    rows = [*lines("Ann", "no", ["mel", "nv", "nv", "nv", "nv"]), "Ann,f,mel,,no"]
    found = service.measure(service.load(files=[write("r.csv", rows)], truth=write("t.csv", TRUTH)), resamples=20)
    assert found["points"][0]["auc"]["value"] is None and found["design"]["without_confidence"] == 1


def test_semicolons_decimal_commas_and_a_byte_order_mark(write):
    head = HEAD.replace(",", ";").replace("with_ai", "With AI").replace("picture", "Image")
    text = f"\ufeff{head};Seconds\nAnn;pics/a.JPG;Melanoma;0,85;Yes;12,5\nAnn;b;bcc;0,5;0;\n;;;;;\n"
    found = readings.read([write("r.csv", text)])
    assert found.scale.name == "0-1" and found.detected
    assert [(each.picture, each.confidence, each.aided, each.seconds) for each in found.rows] == [
        ("a", 0.85, True, 12.5), ("b", 0.5, False, None)]


def test_wrong_rows_of_all_files_are_told_together(write):
    first = write("one.csv", [*lines("Ann", "no", ["mel", "melanomma", "nv"]), "Ann,a,nv,50,no", ",d,nv,50,no",
                              "Ann,e,nv,120,no", "Ann,z,nv,50,no", "ann,f,nv,50,perhaps", "Ann,f,nv,x,no"])
    second = write("two.csv", ["ann,c,nv,50,no", "Bob,b,nv,50,no,9"])
    with pytest.raises(DatasetError) as caught:
        service.load(files=[first, second], truth=write("t.csv", TRUTH + "a,nv,9\ng,mole,9\n"))
    said = str(caught.value)
    for sentence in ("one.csv row 3: the diagnosis 'melanomma'",
                     "one.csv row 5: Ann already read a without AI in one.csv row 2",
                     "one.csv row 6: the cell reader is empty", "one.csv row 7: the confidence 120 lies off",
                     "one.csv row 8: the truth does not name the picture z", "one.csv row 9: with_ai is 'perhaps'",
                     "one.csv row 10: confidence is 'x'", "two.csv row 2: the reader 'ann' also stands as 'Ann'",
                     "two.csv row 3: the row has 6 cells", "t.csv row 8: the picture a stands twice",
                     "t.csv row 9: the true diagnosis 'mole'"):
        assert sentence in said
    assert said.startswith("11 row(s)")


def test_a_slip_on_a_small_scale_is_no_other_scale(write):
    rows = [f"Ann,p{i},nv,{1 + i % 5},no" for i in range(60)]
    slip = write("r.csv", [*rows, "Ann,p60,nv,55,no"])
    with pytest.raises(UsageError, match=r"1 of 61 confidences \(55\) lie off the scale 1-5"):
        readings.read([slip])
    with pytest.raises(DatasetError, match="row 62: the confidence 55 lies off the scale 1-5"):
        readings.read([slip], scale="1-5")
    assert readings.read([slip], scale="0-100").scale.name == "0-100"


@pytest.mark.parametrize(("text", "sentence"), [
    ("", "lacks the column"), ("reader,picture,diagnosis,with_ai\n", "lacks the column.*confidence"),
    (HEAD + "\n", "no rows"),
])
def test_a_table_that_is_none(write, text, sentence):
    with pytest.raises(DatasetError, match=sentence):
        readings.read([write("r.csv", text)])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputNotFound, match=r"nowhere\.csv is not a file"):
        readings.read([tmp_path / "nowhere.csv"])


def test_sides_that_contradict_each_other(write):
    file = write("r.csv", lines("Ann", "no", ["mel"]))
    with pytest.raises(UsageError, match="give one of the two"):
        service.load(files=[file])
    with pytest.raises(UsageError, match="needs --root"):
        service.load(files=[file], dataset="ham10000")


@pytest.mark.parametrize("name", DESIGNS)
def test_the_examples_are_marked_and_complete(name, tmp_path):
    files = write_study(DESIGNS[name], tmp_path, seed=1)
    assert all(line.endswith("SIMULATED") for path in files for line in path.read_text().splitlines()[1:])
    assert [path.read_bytes() for path in write_study(DESIGNS[name], tmp_path / "again", seed=1)] == [
        path.read_bytes() for path in files]
    study = service.load(files=files[:1], truth=files[1], answers=files[2])
    assert (len(study.readers), len(study.pictures)) == (DESIGNS[name].readers, DESIGNS[name].pictures)
    assert study.simulated and study.read.all()


def test_the_simulation_has_the_areas_that_it_says():
    found = simulate(Design(4, 20_000, trust=0.3), seed=2)
    from macule.evaluation.readers import jackknife

    seen = jackknife.areas(found.views.reshape(8, -1), found.positive, found.lesion).values.reshape(2, 4)
    assert seen == pytest.approx(found.areas, abs=0.012)
    assert np.all(found.areas[1] > found.areas[0])
