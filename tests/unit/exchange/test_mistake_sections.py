"""Mistakes as blocks: ids in the report, pictures only on the page that stays with the user."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from made_exam import Answer, make
from miniature import drawn

from macule.analysis.patient import Patient, Sex
from macule.evaluation import mistakes as measuring
from macule.evaluation import neighbours
from macule.exchange.blocks import Forest, Gallery, Note, Table
from macule.exchange.sections import mistakes


@pytest.fixture
def exam(tmp_path):
    paint = drawn(size=(320, 240))
    answers = []
    for place, (truth, said, risk) in enumerate([("mel", "nv", "low"), ("nv", "mel", "high"), ("bcc", "nv", "low")]):
        picture = tmp_path / f"{place}.jpg"
        paint(picture)
        answers.append(Answer(truth, said, 0.8, risk, picture=picture))
    made = make(tmp_path / "bundle", answers, embeddings=np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    np.savez(made.bundle.folder / neighbours.FILE, names=["ham10000:0000", "ham10000:0001", "ham10000:far"],
             codes=[7, 8, 8], vectors=np.eye(3), basis=np.eye(3), mean=np.zeros(3))
    return made


def shots(section):
    return [shot for block in section.blocks if isinstance(block, Gallery) for shot in block.shots]


def test_the_report_names_mistakes_and_shows_no_picture(exam):
    section = mistakes.section(measuring.measure(exam))
    assert "3 of 3 pictures" in section.lead and "2 of 2 malignant" in section.lead
    assert not any(isinstance(block, Gallery) for block in section.blocks)
    cells = [cell for block in section.blocks if isinstance(block, Table) for row in block.rows for cell in row]
    assert "ham10000:0000" in cells and "Melanoma" in cells


def test_the_page_shows_each_mistake_with_its_heatmap_and_the_nearest(exam):
    section = mistakes.gallery(measuring.measure(exam), mistakes.Pictures.of(exam))
    found = shots(section)
    assert {block.title for block in section.blocks if isinstance(block, Gallery)} >= {
        "Malignant, called low risk", "Melanoma: wrong with the most confidence"}
    first = next(shot for shot in found if shot.alt.startswith("ham10000:0000"))
    card = cv2.imdecode(np.frombuffer(first.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert card.shape == (486, 486, 3)
    left, right = card[40:200, 4:236].astype(int), card[40:200, 250:482].astype(int)
    assert np.abs(left - right).mean() > 3  # the heatmap lies over the second
    below = card[250:480].reshape(230, 2, 243, 3)
    assert below.std() > 20  # two of the nearest could be read
    assert first.tone == "bad" and any("Nearest in training" in line for line in first.lines)


def test_without_the_nearest_pictures_their_diagnoses_stay(exam):
    found = measuring.measure(exam)
    found["items"]["ham10000:0000"]["nearest"] = found["items"]["ham10000:0000"]["nearest"][2:]
    first = shots(mistakes.gallery(found, mistakes.Pictures.of(exam)))[0]
    assert any("1 nv" in line for line in first.lines)


def test_a_picture_that_is_gone_is_named(exam):
    found, pictures = measuring.measure(exam), mistakes.Pictures.of(exam)
    exam.predictions.records[0].picture.unlink()
    section = mistakes.gallery(found, pictures)
    (missed,) = [block for block in section.blocks if isinstance(block, Gallery) and "called low" in block.title]
    assert "ham10000:0000" in missed.note and len(missed.shots) == 1


def test_only_clear_ratios_are_drawn_and_small_groups_are_faint(tmp_path):
    her, his = Patient(sex=Sex.FEMALE), Patient(sex=Sex.MALE)
    answers = ([Answer("nv", "mel", risk="high", patient=her)] * 35 + [Answer("nv", "nv", patient=her)] * 15
               + [Answer("nv", "mel", risk="high", patient=his)] * 5 + [Answer("nv", "nv", patient=his)] * 55)
    section = mistakes.section(measuring.measure(make(tmp_path / "bundle", answers, resamples=300)))
    forest = next(block for block in section.blocks if isinstance(block, Forest))
    assert [row[0] for row in forest.rows] == ["Sex: female"]  # the men say the same the other way round
    assert forest.reference == 1 and forest.x.log
    (note,) = [block for block in section.blocks if isinstance(block, Note)]
    assert "not why" in note.text
    few = mistakes.section(measuring.measure(make(tmp_path / "bundle", answers[30:40] + answers[-10:])))
    assert not any(isinstance(block, Forest) for block in few.blocks)
    (groups,) = [block for block in few.blocks if isinstance(block, Table) and block.title.startswith("Wrong")]
    assert len(groups.muted) == len(groups.rows) > 0


def test_no_mistake_and_nothing_measured(tmp_path):
    found = measuring.measure(make(tmp_path / "bundle", [Answer("nv", "nv")] * 3))
    assert mistakes.section(found).lead.startswith("0 of 3 pictures")
    nothing = measuring.measure(make(tmp_path / "bundle", []))
    assert mistakes.section(nothing).measured is False
    assert mistakes.gallery(nothing, mistakes.Pictures.of(make(tmp_path / "bundle", []))).measured is False
