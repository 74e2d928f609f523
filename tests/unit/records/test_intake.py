"""From a picture to an answered exam."""

from __future__ import annotations

import pytest
from clinic_testing import add_exam, add_lesion, blurred, png

from macule.errors import UnsupportedImage
from macule.records import intake
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM


def test_a_picture_becomes_an_answered_exam(clinic: Clinic) -> None:
    exam = add_exam(clinic, picture=png())
    assert exam.state == "answered" and exam.risk == exam.result["risk"] and exam.top_code == "nv"
    assert clinic.store.get(exam.thumbnail)[:2] == b"\xff\xd8" and clinic.store.get(exam.heatmap)[1:4] == b"PNG"


def test_a_blurred_picture_is_refused_with_advice(clinic: Clinic) -> None:
    exam = add_exam(clinic, picture=blurred())
    assert exam.state == "refused" and exam.risk is None and not exam.result["quality"]["usable"]


def test_what_is_no_picture_leaves_nothing(clinic: Clinic) -> None:
    with pytest.raises(UnsupportedImage):
        add_exam(clinic, picture=b"<svg onload=alert(1)>")
    assert list(clinic.store.addresses()) == []


def test_the_same_key_gives_the_same_exam(clinic: Clinic) -> None:
    lesion = add_lesion(clinic)
    ask = intake.Submission(lesion_id=lesion.id, picture=png(), file_name="a.png", idempotency_key="once")
    first = intake.submit(clinic, actor=SYSTEM, submission=ask)
    assert intake.submit(clinic, actor=SYSTEM, submission=ask) == first
