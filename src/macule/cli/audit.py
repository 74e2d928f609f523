"""`macule audit`: is the log of who saw or changed what whole, where does it end, and what does it say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import place
from macule.errors import AuditBroken, InputNotFound, UsageError

if TYPE_CHECKING:
    from macule.records.tables import AuditRow

app = typer.Typer(name="audit", no_args_is_help=True, help="The clinic's log of who saw or changed what.")


@app.command()
def verify(
    *,
    anchor: Annotated[Path | None, typer.Option(
        "--anchor", metavar="FILE", help="An earlier end of the log, kept elsewhere: shows what was cut off.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    home: place.Home = None, database: place.DatabaseUrl = None, store: place.StoreUrl = None,
    key_file: place.KeyFile = None,
) -> None:
    """Walk the whole chain; say the first row that is changed, missing, put in or moved. Status 1 if there is one."""
    from macule.records import audit_check

    known = None if anchor is None else audit_check.Anchor.from_json(_text(anchor))
    clinic = place.existing(home, database, store, key_file)
    with clinic.database.snapshot() as session:
        verdict = audit_check.verify(session, known=known)
    if as_json:
        typer.echo(json.dumps({"whole": verdict.whole, "rows": verdict.anchor.rows, "hash": verdict.anchor.hash,
                               "bad": verdict.bad, "fault": verdict.fault.value if verdict.fault else None}))
    if not verdict.whole:
        raise AuditBroken(f"{verdict.words}. The {verdict.anchor.rows} rows before are whole: compare with a backup.")
    if not as_json:
        typer.echo(f"{verdict.words}; head {verdict.anchor.hash}")


@app.command("anchor")
def anchor_(
    *,
    home: place.Home = None, database: place.DatabaseUrl = None, store: place.StoreUrl = None,
    key_file: place.KeyFile = None,
) -> None:
    """Print where the log ends now, to keep where nobody of this clinic can change it."""
    from macule.records import audit_check

    with place.existing(home, database, store, key_file).reading() as session:
        typer.echo(audit_check.anchor(session).to_json())


@app.command()
def show(
    *,
    patient: Annotated[str | None, typer.Option(help="Id of a patient.")] = None,
    exam: Annotated[str | None, typer.Option(help="Id of an exam.")] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="From this day on, YYYY-MM-DD, UTC.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a row.")] = False,
    home: place.Home = None, database: place.DatabaseUrl = None, store: place.StoreUrl = None,
    key_file: place.KeyFile = None,
) -> None:
    """Print rows of the log, the oldest first."""
    from macule.records import audit_check

    wanted = audit_check.Wanted(patient_id=patient, exam_id=exam, since=_day(since))
    with place.existing(home, database, store, key_file).reading() as session:
        for row in audit_check.oldest(session, wanted=wanted):
            typer.echo(json.dumps(_plain(row)) if as_json else _line(row))


def _plain(row: AuditRow) -> dict[str, object]:
    return {
        "seq": row.seq, "at": row.at.isoformat(), "actor": {"kind": row.actor_kind, "id": row.actor_id},
        "action": row.action, "subject": {"kind": row.subject_kind, "id": row.subject_id},
        "patient": row.patient_id, "details": json.loads(row.details), "hash": row.hash,
    }


def _line(row: AuditRow) -> str:
    when = row.at.strftime("%Y-%m-%d %H:%M:%S")
    return f"{row.seq:>8}  {when}  {row.actor_name:<20}  {row.action:<22}  {row.subject_kind} {row.subject_id}"


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    from macule.records.words import day

    found = day(text)
    if found is None:
        raise UsageError(f"--since is {text!r}: give a day such as 2026-03-31.")
    return datetime.combine(found, time(), UTC)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputNotFound(f"{path} cannot be read: give the file that `macule audit anchor` wrote.") from error
