"""An old answer is computed again by the model that gave it, whichever answers today."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import typer
from clinic_testing import add_exam, blurred, png
from macule_testing import write_bundle
from sqlalchemy import select

from macule.analysis import bundle as bundles
from macule.analysis.pipeline import Analyzer
from macule.cli.replay import replay as verb
from macule.errors import BundleInvalid, NoSuchRecord
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.models import LoadedModel
from macule.records.replay import replay
from macule.records.tables import AuditRow, BundleRecord, Exam, Patient

ONCE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def renewed(clinic: Clinic, tmp_path: Path) -> tuple[Clinic, Exam]:
    """An exam that was answered before another model, with other probabilities, took over."""
    exam = add_exam(clinic, picture=png())
    other = Analyzer(bundles.load(write_bundle(tmp_path / "other", id="other", calibration={"temperature": 2.5})))
    return replace(clinic, models=LoadedModel(other)), exam


def test_an_answer_is_the_same_after_the_model_changed(renewed: tuple[Clinic, Exam]) -> None:
    clinic, exam = renewed
    later = add_exam(clinic, picture=png())
    assert later.bundle_sha256 != exam.bundle_sha256 and later.result["malignant"] != exam.result["malignant"]
    with clinic.work(SYSTEM) as work:  # what the network was told is what the exam says, not what the patient says now
        work.get(Patient, exam.patient_id).birth_year = 1930
    for each in (exam, later):
        found = replay(clinic, exam_id=each.id)
        assert found.equal and found.bundle_sha256 == each.bundle_sha256
    with clinic.reading() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.action == "exam.replayed")).all()
    assert [row.subject_id for row in rows] == [exam.id, later.id]


@ONCE
def test_a_refused_picture_is_refused_again(clinic: Clinic) -> None:
    exam = add_exam(clinic, picture=blurred())
    assert exam.state == "refused" and replay(clinic, exam_id=exam.id).equal


def test_what_differs_is_named(clinic: Clinic) -> None:
    exam = add_exam(clinic)
    assert exam.embedding is not None and exam.result is not None
    with clinic.work(SYSTEM) as work:
        row = work.get(Exam, exam.id)
        row.embedding = exam.embedding[:-1] + bytes([exam.embedding[-1] ^ 1])
        row.result = exam.result | {"malignant": {"probability": 0.123}}
    found = replay(clinic, exam_id=exam.id)
    assert [each.part for each in found.differences] == ["result.malignant.probability", "embedding"]
    assert found.differences[0].then == "0.123"


@ONCE
def test_a_model_that_is_not_the_one_it_should_be_is_refused(renewed: tuple[Clinic, Exam]) -> None:
    clinic, exam = renewed
    later = add_exam(clinic)
    with clinic.work(SYSTEM) as work:
        work.get(BundleRecord, exam.bundle_sha256 or "").archive = work.get(
            BundleRecord, later.bundle_sha256 or "").archive
    with pytest.raises(BundleInvalid, match="answered by"):
        replay(clinic, exam_id=exam.id)


@ONCE
def test_what_has_no_answer_cannot_be_replayed(clinic: Clinic) -> None:
    with pytest.raises(NoSuchRecord, match="no exam"):
        replay(clinic, exam_id="f" * 32)


@ONCE
def test_the_verb_says_so_and_ends_with_1(
    clinic: Clinic, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("macule.cli.place.existing", lambda *_: clinic)
    exam = add_exam(clinic)
    verb(exam.id)
    assert "bit for bit" in capsys.readouterr().out
    with clinic.work(SYSTEM) as work:
        work.get(Exam, exam.id).malignant = 0.5
    with pytest.raises(typer.Exit) as end:
        verb(exam.id, as_json=True)
    assert end.value.exit_code == 1 and '"part": "malignant"' in capsys.readouterr().out
