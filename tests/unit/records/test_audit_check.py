"""The audit chain: what breaks it, who may break it, and what the verb says."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from clinic_testing import Clock
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from macule.cli import audit as verbs
from macule.errors import AuditBroken, RecordInvalid
from macule.records import audit_check
from macule.records.audit_check import Anchor, Break, Wanted
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM

UNLOCK = {
    "sqlite": ("DROP TRIGGER audit_refuses_update", "DROP TRIGGER audit_refuses_delete"),
    "postgresql": ("ALTER TABLE audit DISABLE TRIGGER audit_is_append_only",),
}


@pytest.fixture
def chain(clinic: Clinic) -> Clinic:
    """Six rows, two a transaction."""
    for number in range(3):
        with clinic.work(SYSTEM) as work:
            work.record("exam.seen", "exam", f"e{number}", patient_id=f"p{number}")
            work.record("review.decided", "exam", f"e{number}", patient_id=f"p{number}", final_code="nv")
    return clinic


def _tamper(clinic: Clinic, *statements: str) -> None:
    """As the owner of the database could, who can take the triggers off."""
    with clinic.database.engine.connect() as connection:
        for statement in (*UNLOCK[connection.dialect.name], *statements):
            connection.execute(text(statement))
        connection.commit()


def _verdict(clinic: Clinic, known: Anchor | None = None) -> tuple[int | None, Break | None]:
    with clinic.reading() as session:
        found = audit_check.verify(session, known=known)
    return found.bad, found.fault


def test_a_whole_chain_is_whole_in_batches_of_any_size(chain: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_check, "BATCH", 4)
    seen: list[int] = []
    with chain.reading() as session:
        found = audit_check.verify(session, progress=seen.append)
        assert found.whole and found.anchor == audit_check.anchor(session)
    assert found.anchor.rows == 6 and seen == [4, 6]


TAMPERED = (
    (("UPDATE audit SET actor_name = 'nobody' WHERE seq = 3",), 3, Break.CHANGED),
    (("UPDATE audit SET patient_id = NULL WHERE seq = 5",), 5, Break.CHANGED),
    (("DELETE FROM audit WHERE seq = 4",), 4, Break.MISSING),
    (("DELETE FROM audit WHERE seq = 1",), 1, Break.MISSING),
    (("UPDATE audit SET seq = 90 WHERE seq = 2", "UPDATE audit SET seq = 2 WHERE seq = 3",
      "UPDATE audit SET seq = 3 WHERE seq = 90"), 2, Break.CHANGED),
    (("INSERT INTO audit SELECT 0, at, actor_kind, actor_id, actor_name, action, subject_kind, subject_id, patient_id, "
      "details, previous, hash FROM audit WHERE seq = 1",), 1, Break.OUT_OF_PLACE),
    (("INSERT INTO audit SELECT 7, at, actor_kind, actor_id, actor_name, action, subject_kind, subject_id, patient_id, "
      "details, previous, hash FROM audit WHERE seq = 6",), 7, Break.CHANGED),
)


def test_the_first_bad_row_is_named(chain: Clinic) -> None:
    for statements, bad, fault in TAMPERED:
        with chain.database.engine.connect() as connection, Session(connection) as session:
            for statement in (*UNLOCK[connection.dialect.name], *statements):
                session.execute(text(statement))
            found = audit_check.verify(session)
            assert (found.bad, found.fault) == (bad, fault), statements
            session.rollback()
    assert _verdict(chain) == (None, None)


def test_a_row_with_a_hash_of_its_own_does_not_fit_the_next(chain: Clinic) -> None:
    """Somebody who changes a row and computes its hash anew."""
    from macule.records import audit
    from macule.records.tables import AuditRow

    with chain.reading() as session:
        row = session.get(AuditRow, 3)
    assert row is not None
    row.action = "exam.nothing"
    forged = audit.digest(row)
    _tamper(chain, f"UPDATE audit SET action = 'exam.nothing', hash = '{forged}' WHERE seq = 3")  # noqa: S608
    assert _verdict(chain) == (4, Break.OUT_OF_PLACE)


def test_a_cut_end_is_seen_with_an_anchor_only(chain: Clinic) -> None:
    with chain.reading() as session:
        known = Anchor.from_json(audit_check.anchor(session).to_json())
    _tamper(chain, "DELETE FROM audit WHERE seq > 4")
    assert _verdict(chain) == (None, None)
    assert _verdict(chain, known) == (5, Break.CUT)


def test_a_log_written_anew_is_seen_with_an_anchor(chain: Clinic) -> None:
    with chain.reading() as session:
        known = audit_check.anchor(session)
    assert _verdict(chain, Anchor(known.rows - 1, "0" * 64)) == (5, Break.REWRITTEN)
    with chain.work(SYSTEM) as work:
        work.record("exam.seen", "exam", "later")
    assert _verdict(chain, known) == (None, None)


def test_what_is_no_anchor_is_refused() -> None:
    for words in ("", "[]", '{"rows": "6", "hash": "x"}', '{"rows": -1, "hash": ""}'):
        with pytest.raises(RecordInvalid, match="no anchor"):
            Anchor.from_json(words)


def test_the_database_itself_refuses(chain: Clinic) -> None:
    for statement in ("UPDATE audit SET details = '{}'", "DELETE FROM audit WHERE seq = 6"):
        with pytest.raises(DBAPIError, match="append-only"), chain.database.writing() as session:
            session.execute(text(statement))
    assert _verdict(chain) == (None, None)


def test_rows_are_found_by_patient_exam_person_action_and_time(chain: Clinic, clock: Clock) -> None:
    since = clock.turn(days=1) or clock.now
    with chain.work(SYSTEM) as work:
        work.record("exam.seen", "exam", "e0", patient_id="p0")
    with chain.reading() as session:
        def seqs(**wanted: object) -> list[int]:
            return [row.seq for row in audit_check.newest(session, wanted=Wanted(**wanted))]  # type: ignore[arg-type]

        assert seqs(patient_id="p0") == [7, 2, 1] and seqs(exam_id="e1") == [4, 3]
        assert seqs(since=since) == [7] and seqs(until=since) == [6, 5, 4, 3, 2, 1]
        assert seqs(action="exam.seen") == [7, 5, 3, 1] and seqs(action="review.") == [6, 4, 2]
        assert seqs(actor="nobody") == [] and audit_check.actors(session) == [("system", "macule")]
        assert [row.seq for row in audit_check.newest(session, wanted=Wanted(), before=3, most=1)] == [2]
        assert [row.seq for row in audit_check.oldest(session, wanted=Wanted(since=since - timedelta(days=2)))] == [
            1, 2, 3, 4, 5, 6, 7]


def test_the_verbs(
    chain: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("macule.cli.place.existing", lambda *_: chain)
    verbs.anchor_()
    kept = tmp_path / "anchor.json"
    kept.write_text(capsys.readouterr().out)
    verbs.verify(anchor=kept)
    assert "6 rows, the chain is whole" in capsys.readouterr().out
    verbs.show(exam="e1", as_json=True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["action"] for row in rows] == ["exam.seen", "review.decided"]
    _tamper(chain, "DELETE FROM audit WHERE seq = 6")
    with pytest.raises(AuditBroken, match=r"row 6.*cut off"):
        verbs.verify(anchor=kept)
