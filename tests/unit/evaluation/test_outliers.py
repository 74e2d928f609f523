from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from macule_testing import draw, encode
from made_exam import Answer, make, record

from macule.analysis.gate import Presence
from macule.analysis.pipeline import Analyzer
from macule.evaluation import not_lesions, outliers
from macule.evaluation.exam import Exam
from macule.exchange.blocks import Note, Table
from macule.exchange.sections import outliers as sections

#: Short, so that a test can afford them.
KINDS = ("shapes", "text", "codes", "chats")


@pytest.fixture(autouse=True)
def _few_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(not_lesions, "kinds", lambda: KINDS)
    monkeypatch.setattr(outliers, "_known", {})  # the tests change the gate of one bundle


@pytest.fixture(scope="module")
def exam(tmp_path_factory) -> Exam:
    """20 answered pictures whose embeddings lie near (-1, -1, -1), two of which were flagged."""
    rng = np.random.default_rng(0)
    return make(tmp_path_factory.mktemp("exam") / "bundle",
                [Answer("nv", "nv", admitted=n > 1) for n in range(20)], embeddings=rng.normal(-1, 0.1, (20, 3)))


def analyzer(exam: Exam, presence: Presence | None) -> Analyzer:
    gate = dataclasses.replace(exam.bundle.gate, presence=presence)
    return Analyzer(dataclasses.replace(exam.bundle, gate=gate))


def stubborn(offset: float) -> Presence:
    """Finds every picture `offset` strange, and a little more the brighter it is."""
    return Presence(np.full((3, 1), 1e-3), np.array([offset]))


@pytest.mark.parametrize(("offset", "outcome"), [(2.0, "refused"), (0.5, "flagged"), (-1.0, "answered")])
def test_each_picture_ends_in_one_way(exam: Exam, offset: float, outcome: str) -> None:
    found = outliers.measure(analyzer(exam, stubborn(offset)), exam, per_kind=3)
    assert [row["kind"] for row in found["kinds"]] == list(KINDS)
    for row in found["kinds"]:
        # 1 of a kind that it may have learnt from.
        assert row["n"] == (1 if row["learnable"] else 3) == row["quality"] + row[outcome]
        assert len(row["places"]) == row["answered"]
    assert {row["kind"] for row in found["kinds"] if row["learnable"]} == {"shapes"}
    assert {row["kind"]: row["group"] for row in found["kinds"]} == {
        "shapes": "learnable", "text": "held_out", "codes": "held_out", "chats": "sent"}
    assert {name: group["n"] for name, group in found["groups"].items()} == {"held_out": 6, "sent": 3, "learnable": 1}
    assert found["groups"]["held_out"]["stopped"]["value"] == (1.0 if outcome == "refused" else pytest.approx(
        sum(row["quality"] for row in found["kinds"] if row["group"] == "held_out") / 6, abs=1e-4))


def test_a_gate_that_ranks_all_of_them_above_the_exam(exam: Exam) -> None:
    found = outliers.measure(analyzer(exam, Presence(np.full((3, 1), 1.0), np.array([5.0]))), exam, per_kind=2)
    assert found["auroc"]["held_out"]["value"] == 1 and found["auroc"]["held_out"]["positives"] > 0


def test_false_alarms_on_real_lesions(exam: Exam, tmp_path) -> None:
    """Two of twenty are flagged; of two that were not answered, one was refused by the gate, and one is too small."""
    said = []
    for name, pixels in (("spot", draw()), ("small", draw(width=100, height=80))):
        (tmp_path / name).write_bytes(encode(pixels))
        said.append(record(name, Answer("mel", "mel", picture=tmp_path / name), name))
    more = dataclasses.replace(exam, predictions=dataclasses.replace(exam.predictions, refused=said))
    found = outliers.measure(analyzer(more, stubborn(2.0)), more, per_kind=1)["exam"]
    assert found["n"] == 21 and found["refused_by_quality"] == 1
    assert (found["refused"]["value"], found["refused"]["positives"]) == (round(1 / 21, 4), 1)
    assert found["flagged"]["positives"] == 2
    assert found["refused"]["low"] < 1 / 21 < found["refused"]["high"]


def test_a_gate_that_only_flags_is_said_to(exam: Exam) -> None:
    found = outliers.measure(analyzer(exam, None), exam, per_kind=1)
    assert not found["refuses"] and all(row["refused"] == 0 for row in found["kinds"])
    drawn = sections.section(json.loads(json.dumps(found)))
    assert any("only flags" in block.text for block in drawn.blocks if isinstance(block, Note))


def test_the_section_leads_with_kinds_that_were_never_shown(exam: Exam) -> None:
    found = outliers.measure(analyzer(exam, stubborn(2.0)), exam, per_kind=2)
    drawn = sections.section(json.loads(json.dumps(found)))
    assert drawn.lead.startswith("Of 4 pictures without a lesion, of 2 kinds drawn by generators that the gate never "
                                  "learns from, 0 get")
    assert "Of 2 of a second exam, 1 kinds of what else a phone sends, 0 get one" in drawn.lead
    assert "Of the 20 real lesions" in drawn.lead


def test_what_the_gate_was_shown_is_said_of_every_kind(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain skin is cut from photographs for the gate, and text stands in screenshots: neither is new to it."""
    monkeypatch.setattr(not_lesions, "kinds", lambda: ("shapes", "codes", "text", "skin"))
    drawn = sections.section(json.loads(json.dumps(outliers.measure(analyzer(exam, stubborn(2.0)), exam, per_kind=1))))
    table = next(block for block in drawn.blocks if isinstance(block, Table) and block.title == "By kind")
    assert {row[0]: row[1] for row in table.rows} == {
        "shapes": "may be", "codes": "no", "text": "its like, from screenshots",
        "skin": "its like, from photographs and hides"}


def test_a_report_of_before_the_second_exam_is_still_shown(exam: Exam) -> None:
    found = json.loads(json.dumps(outliers.measure(analyzer(exam, stubborn(2.0)), exam, per_kind=1)))
    found["kinds"] = [{key: value for key, value in row.items() if key != "group"} for row in found["kinds"]
                      if row["group"] != "sent"]
    del found["groups"]["sent"], found["auroc"]["sent"]
    drawn = sections.section(found)
    assert "second exam" not in drawn.lead and "of 2 kinds" in drawn.lead


def test_the_first_exam_does_not_change() -> None:
    """Its figures are compared between gates: these very pictures."""
    assert list(not_lesions.HELD_OUT) == ["text", "codes", "fabric", "cells", "skin", "photos"]
    for kind, total in {"codes": 78896150, "fabric": 38663696, "cells": 76065801}.items():
        assert int(not_lesions.generate(kind, 1, 0)[0].astype(int).sum()) == pytest.approx(total, rel=1e-4)


def test_whole_kinds_are_resampled(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four kinds of ten pictures, two of which are stopped altogether: that is four pieces of news, not forty."""
    seen = {kind: [outliers._Seen("refused" if kind in {"codes", "text"} else "answered", 1.0)] * 10
            for kind in ("codes", "text", "fabric", "cells")}
    monkeypatch.setattr(not_lesions, "kinds", lambda: tuple(seen))
    monkeypatch.setattr(not_lesions, "generate", lambda kind, *_: [kind])
    monkeypatch.setattr(not_lesions, "encoded", lambda kind: kind)
    monkeypatch.setattr(outliers, "_seen", lambda _, kinds, __: seen.get(next(iter(kinds), ""), []))
    found = outliers.measure(analyzer(exam, None), exam, per_kind=10)
    stopped = found["groups"]["held_out"]["stopped"]
    assert stopped["value"] == 0.5 and stopped["low"] == 0 and stopped["high"] == 1
    rows = {row["kind"]: row["stopped"] for row in found["kinds"]}
    assert rows["codes"]["value"] == 1 and rows["codes"]["low"] == pytest.approx(0.7225, abs=1e-4)  # Wilson's, 10 of 10
