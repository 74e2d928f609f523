"""Consent belongs to a wording: another wording, or none, is no consent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from clinic_testing import Clock, add_lesion, add_user, png

from macule.errors import ConsentMissing, RecordInvalid
from macule.records import consent, intake, site
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, ConsentScope, Role
from macule.records.site import SiteSettings
from macule.records.tables import Consent

CARE, RESEARCH = ConsentScope.CARE, ConsentScope.RESEARCH


def give(clinic: Clinic, patient_id: str, scope: str = "care", language: str = "en") -> Consent:
    with clinic.work(SYSTEM) as work:
        return consent.give(work, patient_id=patient_id, scope=scope, language=language)


def in_force(clinic: Clinic, patient_id: str, scope: str = "care") -> Consent | None:
    with clinic.reading() as session:
        return consent.in_force(session, patient_id=patient_id, scope=scope)


@pytest.fixture
def patient_id(clinic: Clinic) -> str:
    return add_lesion(clinic).patient_id


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of texts that the test may change."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for scope in ConsentScope:
        (folder / f"{scope.value}-1.en.txt").write_text(f"{scope.value}\n\nFirst.\n\nSecond.\n", encoding="utf-8")
    read = consent.wording
    monkeypatch.setattr(consent, "wording", lambda scope, language="en", folder=folder: read(
        scope, language=language, folder=folder))
    consent._read.cache_clear()
    return folder


def test_the_very_wording_is_recorded(clinic: Clinic, patient_id: str) -> None:
    given = give(clinic, patient_id)
    file = consent.TEXTS / f"care-{given.text_version}.en.txt"
    assert given.text_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert in_force(clinic, patient_id) is not None and in_force(clinic, patient_id, "research") is None
    assert give(clinic, patient_id).id == given.id, "given twice is given once"


def test_a_new_version_asks_again_and_the_old_stays_in_the_history(
    clinic: Clinic, patient_id: str, texts: Path
) -> None:
    first = give(clinic, patient_id)
    (texts / "care-2.en.txt").write_text("care\n\nFirst.\n\nThird.\n", encoding="utf-8")
    assert in_force(clinic, patient_id) is None
    with clinic.reading() as session:
        assert consent.standings(session, patient_id=patient_id, language="en")[0].changed
    second = give(clinic, patient_id)
    assert (first.text_version, second.text_version) == ("1", "2")
    with clinic.reading() as session:
        assert {row.id for row in consent.history(session, patient_id)} == {first.id, second.id}


def test_a_file_that_was_altered_in_place_is_another_text(clinic: Clinic, patient_id: str, texts: Path) -> None:
    give(clinic, patient_id)
    (texts / "care-1.en.txt").write_text("care\n\nFirst, but not quite.\n", encoding="utf-8")
    consent._read.cache_clear()
    assert in_force(clinic, patient_id) is None


def test_each_language_is_its_own_wording_and_a_missing_one_reads_in_english(
    clinic: Clinic, patient_id: str, texts: Path
) -> None:
    assert give(clinic, patient_id, language="xx").language == "en"
    (texts / "care-1.xx.txt").write_text("xx\n\nEins.\n", encoding="utf-8")
    other = add_lesion(clinic).patient_id
    given = give(clinic, other, language="xx")
    assert given.language == "xx" and in_force(clinic, other) is not None
    # English has moved on: nobody is left with an outdated translation.
    (texts / "care-2.en.txt").write_text("care\n\nNew.\n", encoding="utf-8")
    assert in_force(clinic, other) is None and give(clinic, other, language="xx").language == "en"


def test_taken_back_is_taken_back(clinic: Clinic, clock: Clock, patient_id: str) -> None:
    given = give(clinic, patient_id)
    give(clinic, patient_id, "research")
    clock.turn(days=1)
    with clinic.work(SYSTEM) as work:
        consent.withdraw(work, patient_id=patient_id, scope="care")
    assert in_force(clinic, patient_id) is None
    assert in_force(clinic, patient_id, "research") is None, "no research without care"
    with clinic.reading() as session:
        kept = session.get(Consent, given.id)
    assert kept is not None and kept.withdrawn_at == clock.now
    assert give(clinic, patient_id).id != given.id


def test_research_needs_care_and_a_clinic_that_asks(clinic: Clinic, patient_id: str) -> None:
    with pytest.raises(RecordInvalid, match="needs the consent to pictures"):
        give(clinic, patient_id, "research")
    give(clinic, patient_id)
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=SiteSettings(research_consent=False), version=None)
    with pytest.raises(RecordInvalid, match="does not ask"):
        give(clinic, patient_id, "research")
    with pytest.raises(RecordInvalid, match="no scope"):
        give(clinic, patient_id, "marketing")


def test_no_picture_without_consent_and_none_once_it_is_taken_back(clinic: Clinic, patient_id: str) -> None:
    nurse = add_user(clinic, Role.NURSE)
    lesion = add_lesion(clinic, patient_id=patient_id)
    ask = intake.Submission(lesion_id=lesion.id, picture=png(), file_name="a.png")
    with pytest.raises(ConsentMissing):
        intake.submit(clinic, actor=nurse, submission=ask)
    assert list(clinic.store.addresses()) == [], "the picture was not kept"
    give(clinic, patient_id)
    assert intake.submit(clinic, actor=nurse, submission=ask)
    with clinic.work(nurse) as work:
        consent.withdraw(work, patient_id=patient_id, scope="care")
    with pytest.raises(ConsentMissing):
        intake.submit(clinic, actor=nurse, submission=ask)


def test_the_texts_of_the_package_can_be_read() -> None:
    for scope in ConsentScope:
        text = consent.wording(scope)
        assert text.title and len(text.paragraphs) > 3 and text.language == "en"
