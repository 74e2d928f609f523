"""`macule data fetch`: get a public data set, whole or not at all."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import transfers
from macule.cli.exit import ENVIRONMENT

if TYPE_CHECKING:
    from macule.data.fetch.job import Job
    from macule.data.fetch.marker import Marker
    from macule.data.fetch.settings import Progress


def fetch(
    dataset: Annotated[str, typer.Argument(help="Which: see `macule data list`.", show_default=False)],
    *,
    to: Annotated[Path, typer.Option(help="The folder for it; called again, it goes on where it was.")],
    edition: Annotated[str | None, typer.Option(help="dermamnist: 224, 128, 64, 28; isic2018: task3, task1.")] = None,
    mirror: Annotated[str | None, typer.Option(help="Address that stands for the publisher's scheme and host.")] = None,
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="You have read the licence.")] = False,
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="Leave the zip files there too.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Get nothing: check what is in the folder.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what was got to this file.")] = None,
) -> None:
    """Get a public data set: its licence first, then every file, then a count of its pictures.

    Where its publisher asks for an account or a form, it says what to do (status 3), and --verify checks it afterwards.
    """
    with transfers.shown() as progress:
        job = _job(dataset, to, edition=edition, mirror=mirror, keep_archives=keep_archives, progress=progress)
        state = _verified(job) if verify else _fetched(job, accept_licence)
    if json_file:
        json_file.write_text(json.dumps(state.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if not state.complete:
        _tell_steps(job)
        raise typer.Exit(ENVIRONMENT)
    typer.echo(f"{job.source.id} is complete: {state.pictures} pictures in {to}.")


def _job(dataset: str, folder: Path, *, edition: str | None, mirror: str | None, keep_archives: bool,
         progress: Progress) -> Job:
    from macule.data import sources
    from macule.data.fetch import marker, plans
    from macule.data.fetch.job import Job

    plan = plans.find(dataset)
    if edition is None and (found := marker.load(folder)) is not None and found.dataset == dataset:
        edition = found.edition or None
    chosen = plan.choose(edition, mirror)
    return Job(chosen.edition.card(sources.find(dataset)), chosen, folder, clock=lambda: datetime.now(UTC),
               keep_archives=keep_archives, progress=progress)


def _verified(job: Job) -> Marker:
    from macule.data.fetch import service

    return service.verify(job)


def _fetched(job: Job, accept: bool) -> Marker:
    from macule.data.fetch import licences, service

    typer.echo(licences.notice(job.source))
    if job.plan.automatic and not accept and job.state().licence_accepted is None and sys.stdin.isatty():
        accept = typer.confirm("Do you accept this licence?")
    return service.fetch(job, licence_accepted=accept)


def _tell_steps(job: Job) -> None:
    """What is left to a person, on standard error: the command did not do what its name says."""
    typer.echo(f"{job.source.id} cannot be fetched without you. In the folder {job.folder}:", err=True)
    for number, step in enumerate(job.plan.by_hand, 1):
        typer.echo(f"  {number}. {step}", err=True)
    command = f"macule data fetch {job.source.id} --to {job.folder} --verify"
    typer.echo(f"  {len(job.plan.by_hand) + 1}. Run: {command}", err=True)
