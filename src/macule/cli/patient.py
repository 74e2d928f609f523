"""`macule patient`: hand out or erase what a clinic keeps of a person."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli.place import DatabaseUrl, Home, KeyFile, StoreUrl, existing

if TYPE_CHECKING:
    from macule.records.clinic import Clinic

app = typer.Typer(help="Export or erase a patient of the clinic; see whom retention would erase.", no_args_is_help=True)

Pseudonym = Annotated[str, typer.Argument(help="The patient's number in the clinic, whole.", show_default=False)]


@app.command("export")
def export(
    pseudonym: Pseudonym, *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The zip to write. It is not encrypted: keep it safe.")],
    home: Home = None, database: DatabaseUrl = None, store: StoreUrl = None, key_file: KeyFile = None,
) -> None:
    """Write everything that is kept of a patient into a zip: pages, pictures, reports, JSON."""
    from macule.cli import outputs
    from macule.records import portable
    from macule.records.domain import SYSTEM

    outputs.check("--out", out)
    clinic = existing(home, database, store, key_file)
    content = portable.export(clinic, actor=SYSTEM, patient_id=_patient_id(clinic, pseudonym))
    _write(out, content)
    typer.echo(f"{out}: {len(content) / 1e6:.1f} MB")


@app.command("erase")
def erase(
    pseudonym: Pseudonym, *,
    reason: Annotated[str, typer.Option(help="request, consent_withdrawn or mistake.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask to type the number again.")] = False,
    home: Home = None, database: DatabaseUrl = None, store: StoreUrl = None, key_file: KeyFile = None,
) -> None:
    """Erase a patient for good. Old backups still hold them."""
    from macule.records import privacy
    from macule.records.domain import SYSTEM

    clinic = existing(home, database, store, key_file)
    with clinic.reading() as session:
        found = privacy.holding(session, pseudonym=pseudonym)
    typer.echo(f"{found.patient.pseudonym}: {found.lesions} spots, {found.exams} exams, {found.reviews} reviews.")
    typed = found.patient.pseudonym if yes else typer.prompt("This cannot be undone. Type the patient's number")
    privacy.erase(clinic, actor=SYSTEM, patient_id=found.patient.id, reason=reason, typed=typed)
    typer.echo("erased; backups made before now still hold the patient, until you delete them.")


@app.command("overdue")
def overdue(
    *,
    days: Annotated[int | None, typer.Option(min=30, help="Days without a visit; else the site's setting.")] = None,
    home: Home = None, database: DatabaseUrl = None, store: StoreUrl = None, key_file: KeyFile = None,
) -> None:
    """List whom retention would erase. Nothing is changed."""
    from macule.records import retention, site

    clinic = existing(home, database, store, key_file)
    with clinic.reading() as session:
        kept = days if days is not None else site.read(session).retention_days
        found = [] if kept is None else retention.overdue(session, now=clinic.clock(), days=kept)
    for each in found:
        typer.echo(f"{each.pseudonym}\t{each.last_seen:%Y-%m-%d}\t{each.exams} exams")
    if kept is None:
        typer.echo("the site keeps everybody: set retention on its settings page, or give --days.", err=True)


def _write(out: Path, content: bytes) -> None:
    """Readable by its owner only, and never half of it."""
    partial = out.with_name(out.name + ".partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def _patient_id(clinic: Clinic, pseudonym: str) -> str:
    from macule.records import privacy

    with clinic.reading() as session:
        return privacy.holding(session, pseudonym=pseudonym).patient.id
