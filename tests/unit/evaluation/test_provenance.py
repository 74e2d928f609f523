from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from macule.analysis.bundle import MANIFEST
from macule.analysis.patient import Patient, Sex
from macule.data.vocabulary import Confirmation, SkinTone, ToneScale
from macule.evaluation import checklist, provenance
from macule.evaluation import predictions as answers
from macule.evaluation.exam import Exam
from macule.exchange.sections import checklist as checklist_page
from macule.exchange.sections import provenance as provenance_page
from macule.taxonomy import Diagnosis

NOW = datetime(2026, 11, 21, 14, tzinfo=UTC)


@pytest.fixture
def exam(fake, make_record, tiny_bundle):
    records = [make_record(f"{truth}-{said}-{n}") for n in range(3) for truth, said in (("nv", "nv"), ("mel", "nv"))]
    records.append(make_record("nv-refused-9"))
    records[0] = replace(records[0], patient=Patient(age=40.0, sex=Sex.FEMALE), centre="Vienna",
                         confirmation=Confirmation.HISTOPATHOLOGY, skin_tone=SkinTone(ToneScale.FITZPATRICK, 2.0))
    return Exam.of(tiny_bundle, answers.predict(fake, records), dataset="ham10000", part="test", classes=(7, 8),
                   resamples=20, seed=3)


REPORT = {"dataset": "ham10000", "pictures": 6, "leaky": False, "patient_data": True, "modality": "any",
          "dropped_leaks": 4, "malignant_auc": {"value": 0.735, "low": 0.691, "high": 0.785, "n": 6, "positives": 3}}


@pytest.fixture
def made(exam):
    return provenance.of(exam, REPORT, command="macule evaluate", now=NOW)


def test_an_exam_has_the_hash_of_its_sorted_ids_and_labels(make_record):
    records = [make_record("nv-nv-2"), make_record("mel-nv-1"), replace(make_record("bcc-1"), labels=frozenset())]
    lines = "ham10000:bcc-1 -\nham10000:mel-nv-1 mel\nham10000:nv-nv-2 nv\n"
    assert provenance.exam_hash(records) == hashlib.sha256(lines.encode()).hexdigest()
    assert provenance.exam_hash(reversed(records)) == provenance.exam_hash(records)
    relabelled = [replace(records[0], labels=frozenset({Diagnosis.NV, Diagnosis.MEL})), *records[1:]]
    assert provenance.exam_hash(relabelled) != provenance.exam_hash(records)


def test_every_number_can_be_traced(exam, made, tiny_bundle):
    json.dumps(made, allow_nan=False)
    assert made["bundle"]["sha256"] == tiny_bundle.sha256 and len(made["bundle"]["model_sha256"]) == 64
    everybody = [*exam.predictions.records, *exam.predictions.refused]
    assert made["exam"]["sha256"] == provenance.exam_hash(everybody) and made["exam"]["pictures"] == 7
    assert made["left_out"] == {"leaks": 4, "refused": 1, "unreadable": 0}
    assert (made["run"]["resamples"], made["run"]["seed"]) == (20, 3)
    assert made["run"]["date"] == "2026-11-21T14:00:00+00:00"


def test_people_are_counted_with_what_is_unknown(made):
    about = made["exam"]
    assert about["labels"] == {"nv": 4, "mel": 3}
    assert about["sex"] == {"unknown": 6, "female": 1} and about["centre"] == {"unknown": 6, "Vienna": 1}
    assert about["skin_tone"] == {"unknown": 6, "fitzpatrick 2": 1}
    assert about["confirmation_of_suspicious"] == {"unknown": 3}


def test_what_training_wrote_is_shown_and_what_it_did_not_is_not_recorded(exam, made, tiny_bundle):
    assert made["training"]["run"] is None and made["training"]["manifest"] is None
    path = tiny_bundle.folder / MANIFEST
    before = path.read_text()
    recipe = {"name": "lite", "seed": 7, "datasets": ["ham10000"]}
    path.write_text(json.dumps(json.loads(before) | {"provenance": {
        "recipe": recipe, "run": {"id": "20261121-lite", "recipe_sha256": "ab"},
        "split": {"manifest": "cd", "by": "lesion"}}}))
    try:
        found = provenance.of(exam, REPORT, command="macule evaluate", now=NOW)["training"]
    finally:
        path.write_text(before)
    assert (found["run"], found["manifest"], found["split"]) == ("20261121-lite", "cd", {"by": "lesion"})
    assert found["recipe_sha256"] == hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    cells = [cell for block in provenance_page.section(made).blocks if hasattr(block, "rows") for row in block.rows
             for cell in row]
    assert cells.count("not recorded") >= 5 and made["exam"]["sha256"] in cells


def test_a_command_keeps_no_folder_of_somebodys_machine():
    argv = ["/usr/bin/macule", "evaluate", "--root", f"{os.sep}home{os.sep}ada{os.sep}HAM10000",
            "--report=/home/ada/out", "--split", "test"]
    assert provenance.spoken(argv) == "macule evaluate --root HAM10000 --report=out --split test"


def test_the_checklist_answers_from_the_records_alone(made):
    items = checklist.answers(REPORT | {"provenance": made})["items"]
    found = {(item["source"], item["topic"]): item for item in items}
    assert "0.735 (0.691 to 0.785), 3 positive of 6" in items[0]["answer"]
    assert found["STARD 2015", "where and when"]["answer"] == "unknown 6, Vienna 1"
    assert found["STARD 2015", "flow of participants"]["answer"] == (
        "11 chosen, 4 left out as leaks, 1 refused, 0 unreadable, 6 answered")
    assert found["STARD 2015", "funding"]["state"] == "not reported"
    assert found["STARD 2015", "variability between groups"]["state"] == "not measured"
    assert found["STARD 2015", "spread of disease"]["answer"] == "mel 3"


def test_a_bare_report_answers_next_to_nothing_and_a_section_more():
    bare, more = checklist.answers({}), checklist.answers({"fairness": {"gap": 1}})
    assert {item["answer"] for item in bare["items"] if item["state"] != "answered"} == {"not measured", "not reported"}
    assert more["not_measured"] == bare["not_measured"] - 4
    assert sum(bare[state] for state in ("answered", "partly", "not_reported", "not_measured")) == len(bare["items"])


def test_a_section_that_could_not_be_measured_answers_nothing():
    assert checklist.answers({"baselines": {"measured": False, "why": "no file"}}) == checklist.answers({})


def test_a_leak_is_marked_in_the_checklist(made):
    text = checklist.markdown(REPORT | {"provenance": made, "leaky": True})
    assert "malignant AUC LEAKY 0.735" in text and text.count("LEAKY") >= 4


def test_blank_items_are_faint_in_the_report(made):
    section = checklist_page.section(checklist.answers(REPORT | {"provenance": made}))
    stard = section.blocks[1]
    funding = next(place for place, row in enumerate(stard.rows) if row[1] == "funding")
    assert funding in stard.muted and "not reported" in section.lead


def external(made, dataset, trained):
    facts = made | {"exam": made["exam"] | {"dataset": dataset}, "training": made["training"] | {"datasets": trained}}
    items = checklist.answers(REPORT | {"provenance": facts})["items"]
    return next(item for item in items if item["topic"] == "external test set")


def test_an_exam_of_the_same_centres_is_not_external(made):
    found = external(made, "isic2018", ["ham10000", "milk10k"])
    assert found["answer"] == "no: isic2018 shares pictures or centres with ham10000, which was trained on"
    assert external(made, "ham10000", ["ham10000"])["answer"].startswith("no: others of ham10000")
    assert external(made, "isic2017", ["ham10000"])["state"] == "partly"
    assert "comes out of the ISIC archive as ham10000 did, its test part" in external(
        made, "isic2017", ["ham10000"])["answer"]
    assert external(made, "derm7pt", ["ham10000"])["state"] == "answered"


def test_an_item_that_lacks_a_record_is_answered_in_part(made):
    found = checklist.answers(REPORT | {"provenance": made})
    item = next(item for item in found["items"] if item["topic"] == "how the algorithm was made")
    assert item["state"] == "partly" and item["answer"].startswith("partly: ") and "run not recorded" in item["answer"]
    assert f"and {found['partly']} partly" in checklist_page.section(found).lead


def test_refusals_are_quoted_with_what_they_would_cost(made):
    figure = {"value": 0.5, "low": 0.2, "high": 0.8, "n": 7, "positives": 3}
    section = {"with_refusals": {"medium": {"sensitivity": figure, "specificity": figure}}}
    items = checklist.answers(REPORT | {"provenance": made, "diagnosis": section})["items"]
    for topic in ("indeterminate results", "missing data"):
        (item,) = (item for item in items if item["topic"] == topic)
        assert "not found and not cleared, at medium risk: sensitivity 0.500 (0.200 to 0.800)" in item["answer"]
