"""The nearest verified cases: whose, how they are known, and of which model."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from clinic_testing import Clock, add_lesion, add_user
from sqlalchemy import select

from macule.errors import NoSuchRecord, NotAllowed
from macule.records import site
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Role
from macule.records.similar import Library, Likeness, Proof, seen
from macule.records.tables import AuditRow, Biopsy, BundleRecord, Exam, Lesion, Patient, Review
from macule.taxonomy import Diagnosis


def _exam(clinic: Clinic, angle: float, *, lesion: Lesion | None = None, bundle: str = "a" * 64,
          biopsy: str | None = None, decided: str | None = None, embedded: bool = True) -> Exam:
    """An answered exam whose embedding points `angle` degrees from the first axis."""
    lesion = lesion or add_lesion(clinic)
    turn = np.radians(angle)
    with clinic.work(SYSTEM) as work:
        if work.session.get(BundleRecord, bundle) is None:
            work.session.add(BundleRecord(sha256=bundle, name="m", archive=None, first_used_at=work.now))
            work.session.flush()
        exam = Exam(
            id=work.new_id(), patient_id=lesion.patient_id, lesion_id=lesion.id, state="answered", created_at=work.now,
            created_by="test", file_name="a.png", picture="0" * 64, bundle_sha256=bundle, review_state="open",
            embedding=np.array([3 * np.cos(turn), 3 * np.sin(turn), 0], "<f4").tobytes() if embedded else None,
        )
        work.session.add(exam)
        work.session.flush()
        if biopsy:
            work.session.add(Biopsy(
                id=work.new_id(), exam_id=exam.id, lesion_id=lesion.id, code=biopsy, reported_on=date(2026, 11, 1),
                recorded_at=work.now, recorded_by="test"))
        if decided:
            exam.review_state, exam.final_code, exam.decided_at = "decided", decided, work.now
    if decided:
        reader = add_user(clinic, Role.DERMATOLOGIST)
        with clinic.work(SYSTEM) as work:
            work.session.add(Review(id=work.new_id(), exam_id=exam.id, reader_id=reader.id, created_at=work.now,
                                    decision="confirm", final_code=decided, decided_at=work.now))
    return exam


def test_the_nearest_come_first_with_how_they_are_known(clinic: Clinic) -> None:
    here = _exam(clinic, 0)
    far, near = _exam(clinic, 60, biopsy="mel"), _exam(clinic, 10, decided="nv")
    _exam(clinic, 1)  # nobody has said what it is
    found = Library().nearest(clinic, exam_id=here.id)
    assert [(case.exam_id, case.code, case.proof) for case in found.cases] == [
        (near.id, Diagnosis.NV, Proof.READERS), (far.id, Diagnosis.MEL, Proof.BIOPSY)]
    assert found.cases[0].similarity == pytest.approx(np.cos(np.radians(10)), abs=1e-6)
    assert [case.likeness for case in found.cases] == [Likeness.VERY, Likeness.LITTLE]
    assert found.library == 2 and found.left_out == 0
    assert found.tally == [(Diagnosis.NV, Proof.READERS, 1), (Diagnosis.MEL, Proof.BIOPSY, 1)]


def test_a_biopsy_stands_above_the_readers(clinic: Clinic) -> None:
    here = _exam(clinic, 0)
    _exam(clinic, 5, decided="nv", biopsy="mel")
    (case,) = Library().nearest(clinic, exam_id=here.id).cases
    assert (case.code, case.proof, case.known_on) == (Diagnosis.MEL, Proof.BIOPSY, date(2026, 11, 1))


def test_never_the_same_patient_nor_an_erased_one_nor_another_model(clinic: Clinic) -> None:
    here = _exam(clinic, 0)
    own = add_lesion(clinic, patient_id=here.patient_id)
    _exam(clinic, 1, lesion=own, biopsy="mel")
    erased = _exam(clinic, 2, biopsy="bcc")
    _exam(clinic, 3, bundle="b" * 64, biopsy="bkl")
    kept, library = _exam(clinic, 40, biopsy="nv"), Library()
    assert [case.exam_id for case in library.nearest(clinic, exam_id=here.id).cases] == [erased.id, kept.id]
    with clinic.work(SYSTEM) as work:
        work.get(Patient, erased.patient_id).erased_at = work.now
    found = library.nearest(clinic, exam_id=here.id)  # the same library: what it holds in memory counts for nothing
    assert [case.exam_id for case in found.cases] == [kept.id] and found.left_out == 1


def test_a_lesion_counts_once(clinic: Clinic) -> None:
    here, lesion = _exam(clinic, 0), add_lesion(clinic)
    _exam(clinic, 30, lesion=lesion, biopsy="nv")
    nearer = _exam(clinic, 20, lesion=lesion)
    assert [case.exam_id for case in Library().nearest(clinic, exam_id=here.id).cases] == [nearer.id]


def test_what_is_verified_or_corrected_later_is_seen_at_once(clinic: Clinic, clock: Clock) -> None:
    here, library = _exam(clinic, 0), Library()
    assert library.nearest(clinic, exam_id=here.id).cases == ()
    clock.turn(minutes=30)
    case = _exam(clinic, 10, biopsy="nv")
    assert library.nearest(clinic, exam_id=here.id).cases[0].code is Diagnosis.NV
    with clinic.work(SYSTEM) as work:
        row = work.session.scalar(select(Biopsy).where(Biopsy.exam_id == case.id))
        assert row is not None
        row.code = "mel"
    assert library.nearest(clinic, exam_id=here.id).cases[0].code is Diagnosis.MEL
    clock.turn(hours=2)
    assert len(library.nearest(clinic, exam_id=here.id).cases) == 1


def test_enough_are_found_behind_many_that_may_not_be_shown(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("macule.records.similar.CANDIDATES", 2)
    here = _exam(clinic, 0)
    own = add_lesion(clinic, patient_id=here.patient_id)
    for angle in range(1, 5):
        _exam(clinic, angle, lesion=own, biopsy="nv" if angle == 1 else None)
    other = _exam(clinic, 50, biopsy="mel")
    assert [case.exam_id for case in Library().nearest(clinic, exam_id=here.id).cases] == [other.id]


def test_an_exam_without_an_answer_is_like_nothing(clinic: Clinic) -> None:
    with pytest.raises(NoSuchRecord, match="no answer"):
        Library().nearest(clinic, exam_id=_exam(clinic, 0, embedded=False).id)


def test_a_reader_commits_first_and_looking_leaves_a_trace(clinic: Clinic) -> None:
    here, reader = _exam(clinic, 0), add_user(clinic, Role.DERMATOLOGIST)
    case = _exam(clinic, 5, biopsy="mel")
    with pytest.raises(NotAllowed, match="own diagnosis"):
        seen(clinic, Library(), actor=reader, exam_id=here.id)
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=site.SiteSettings(commit_first=False), version=0)
    seen(clinic, Library(), actor=reader, exam_id=here.id)
    with clinic.reading() as session:
        row = session.scalar(select(AuditRow).where(AuditRow.action == "similar.seen"))
    assert row is not None and row.subject_id == here.id and case.id in row.details
