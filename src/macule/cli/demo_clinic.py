"""`macule demo-clinic`: a clinic with invented patients and drawn lesions, to try everything in."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macule.cli import options
from macule.cli.progress import bars

if TYPE_CHECKING:
    from macule.records.clinic import Clinic
    from macule.records.domain import Actor

#: (role, name, address). The passwords are new at every start.
STAFF = (
    ("nurse", "Nora Lind", "nurse@demo.example"), ("dermatologist", "Dr Ida Berg", "dermatologist@demo.example"),
    ("admin", "Alex Holm", "admin@demo.example"),
)


def demo_clinic(
    home: Annotated[Path, typer.Option("--home", metavar="DIR", help="Where to make it, or where it is.")] = Path(
        "demo-clinic"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    bundle: options.BundleName = None,
    only_make: Annotated[bool, typer.Option("--only-make", help="Make it, print the logins, serve nothing.")] = False,
) -> None:
    """Serve a clinic of invented patients on this machine only, and print who can sign in. Nothing in it is real."""
    from macule.records.opening import Place, open_clinic

    clinic = open_clinic(Place(home=home), bundle=bundle, found=True)
    people = [(role, address, *_account(clinic, role, name, address)) for role, name, address in STAFF]
    _furnish(clinic, people[0][2], people[1][2])
    typer.echo(f"\nA clinic of invented patients: http://127.0.0.1:{port}\n")
    for role, address, _, password in people:
        typer.echo(f"    {role:<14} {address:<28} {password}")
    typer.echo("\nThe passwords are new at every start. Ctrl-C ends it; the clinic stays in "
               f"{home} until you delete that folder.\n")
    if not only_make:
        from macule.cli.serve import serve

        serve(home=home, port=port, bundle=bundle, plain_http=True)


def _account(clinic: Clinic, role: str, name: str, address: str) -> tuple[Actor, str]:
    """The account, made if it is not there, with a new password by the way of every other account."""
    from macule.records import accounts
    from macule.records.domain import SYSTEM
    from macule.records.passwords import Hasher
    from macule.records.tickets import Purpose

    password = secrets.token_urlsafe(12)
    with clinic.work(SYSTEM) as work:
        known = accounts.by_email(work.session, address)
        purpose = Purpose.INVITE if known is None else Purpose.RESET
        secret = (
            accounts.invite(work, email=address, name=name, role=role)[1] if known is None
            else accounts.reset(work, user_id=known.id)
        )
    actor = accounts.choose_password(clinic, secret=secret, purpose=purpose, password=password, hasher=Hasher())
    return actor, password


def _furnish(clinic: Clinic, nurse: Actor, reader: Actor) -> None:
    from macule.records import demo, people

    with clinic.reading() as session:
        if people.listed(session).total:
            return
    typer.echo("Drawing the pictures of a quarter of a year; this takes half a minute.")
    with bars() as add:
        advance = add("patients", demo.PATIENTS)
        demo.furnish(clinic, team=demo.Team(nurse, reader), progress=lambda _: advance())
