"""The exams as CSV: whole, blind where it must be, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from clinic_testing import Clock, add_exam, add_lesion, add_user, blurred
from sqlalchemy import select

from macule.errors import RecordInvalid
from macule.records import batch_outcomes, blinding, export_csv, site
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Actor, Role
from macule.records.export_csv import COLUMNS, Chosen
from macule.records.tables import AuditRow, Biopsy, Review


def _rows(clinic: Clinic, actor: Actor = SYSTEM, chosen: Chosen | None = None) -> list[dict[str, str]]:
    text = "".join(export_csv.export(clinic, actor=actor, chosen=chosen or Chosen()))
    return list(csv.DictReader(io.StringIO(text)))


def test_rows_say_what_the_records_hold(clinic: Clinic, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_csv, "PAGE", 2)
    first = add_exam(clinic, lesion=add_lesion(clinic, pseudonym="=HYPERLINK(1)", skin_type=3))
    refused = add_exam(clinic, picture=blurred())
    clock.turn(days=1)
    with clinic.work(SYSTEM) as work:
        work.session.add(Biopsy(id=work.new_id(), exam_id=first.id, lesion_id=first.lesion_id, code="mel",
                                reported_on=work.now.date(), recorded_at=work.now, recorded_by="test"))
    last = add_exam(clinic)
    rows = _rows(clinic)
    assert list(rows[0]) == list(COLUMNS) and {row["exam"] for row in rows[:2]} == {first.id, refused.id}
    assert rows[2]["exam"] == last.id
    row = next(row for row in rows if row["exam"] == first.id)
    assert row["patient"] == "'=HYPERLINK(1)" and row["skin_type"] == "3" and row["age"] == "56"
    assert row["machine"] == first.top_code and float(row["malignant"]) == pytest.approx(first.malignant, abs=1e-6)
    assert row["biopsy"] == "mel" and row["biopsy_reported"] == "2026-11-22" and row["hidden"] == "no"
    assert row["received"] == "2026-11-21T09:00:00+00:00" and row["bundle_sha256"] == first.bundle_sha256
    other = next(row for row in rows if row["exam"] == refused.id)
    assert other["state"] == "refused" and other["unanswered_for"] == "sharpness" and other["machine"] == ""


def test_an_export_is_logged_with_its_count_before_it_is_read(clinic: Clinic) -> None:
    add_exam(clinic), add_exam(clinic, picture=blurred())
    doctor = add_user(clinic, Role.DERMATOLOGIST)
    export_csv.export(clinic, actor=doctor, chosen=export_csv.choose(since="2026-11-21", state="refused"))
    with clinic.reading() as session:
        (logged,) = session.scalars(select(AuditRow).where(AuditRow.action == "exams.exported")).all()
    assert logged.actor_id == doctor.id and json.loads(logged.details)["rows"] == 1


def test_days_and_state_choose(clinic: Clinic, clock: Clock) -> None:
    add_exam(clinic)
    clock.turn(days=2)
    later = add_exam(clinic)
    assert [row["exam"] for row in _rows(clinic, chosen=export_csv.choose(since="2026-11-22"))] == [later.id]
    assert len(_rows(clinic, chosen=export_csv.choose(until="2026-11-21"))) == 1
    assert _rows(clinic, chosen=export_csv.choose(state="failed")) == []
    with pytest.raises(RecordInvalid) as caught:
        export_csv.choose(since="yesterday", state="gone")
    assert set(caught.value.fields) == {"from", "state"}


@pytest.mark.parametrize("commit_first", [True, False])
def test_what_is_hidden_on_the_pages_is_hidden_here(clinic: Clinic, commit_first: bool) -> None:
    reader, other = add_user(clinic, Role.DERMATOLOGIST), add_user(clinic, Role.DERMATOLOGIST)
    exams = [add_exam(clinic) for _ in range(4)]
    with clinic.work(SYSTEM) as work:
        site.change(work, settings=site.SiteSettings(commit_first=commit_first), version=0)
        opened = {"id": work.new_id(), "exam_id": exams[0].id, "reader_id": reader.id}
        own = {"id": work.new_id(), "exam_id": exams[1].id, "reader_id": reader.id, "own_code": "nv"}
        seen = {"id": work.new_id(), "exam_id": exams[2].id, "reader_id": reader.id, "seen_at": work.now}
        others = {"id": work.new_id(), "exam_id": exams[3].id, "reader_id": other.id, "own_code": "nv"}
        for row in (opened, own, seen, others):
            work.session.add(Review(created_at=work.now, **row))
    rows = {row["exam"]: row for row in _rows(clinic, reader)}
    late = list(COLUMNS)[list(COLUMNS).index("hidden") + 1:]
    for exam in exams:
        with clinic.reading() as session:
            hidden = blinding.hidden(session, actor=reader, exam_id=exam.id)
        assert rows[exam.id]["hidden"] == ("yes" if hidden else "no")
        assert (rows[exam.id]["machine"] == "") is hidden
        assert not hidden or {rows[exam.id][name] for name in late} == {""}
    assert sum(row["hidden"] == "yes" for row in rows.values()) == (2 if commit_first else 0)
    assert all(row["machine"] for row in _rows(clinic, SYSTEM))


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", " =1+1", "\n=1+1"])
def test_names_of_a_batch_are_no_formulas(name: str) -> None:
    table = batch_outcomes.table([batch_outcomes.Row(0, name, batch_outcomes.Outcome.FAILED)])
    assert [row["file"] for row in csv.DictReader(io.StringIO(table, newline=""))] == ["'" + name]


def test_exams_that_come_meanwhile_are_not_in_it(clinic: Clinic, clock: Clock) -> None:
    add_exam(clinic)
    lines = export_csv.export(clinic, actor=SYSTEM, chosen=Chosen())
    clock.now += timedelta(seconds=1)
    add_exam(clinic)
    assert len(list(csv.reader(io.StringIO("".join(lines))))) == 2


def test_the_document_lists_every_column() -> None:
    page = (Path(__file__).parents[3] / "docs/clinic-dashboard.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` | {meaning} |" in page for name, meaning in COLUMNS.items())
