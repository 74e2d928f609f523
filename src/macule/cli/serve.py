"""`macule serve`: the one-picture page, or with --clinic the whole clinic, and the API of either."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from macule.cli import options, place
from macule.errors import DatabaseAway, MissingExtra, UsageError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from macule.records.opening import Place

#: Open connections beyond this get a 503 at once; the analyses themselves have their own, shorter queue.
MAX_CONNECTIONS = 256


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [env: MACULE_HOST]")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on. [env: MACULE_PORT]")] = None,
    bundle: options.BundleName = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores for one picture. [env: MACULE_THREADS]")] = None,
    clinic: Annotated[bool, typer.Option("--clinic", help="Records, accounts, worklist: the whole clinic.")] = False,
    home: place.Home = None,
    database: place.DatabaseUrl = None,
    store: place.StoreUrl = None,
    key_file: place.KeyFile = None,
    plain_http: Annotated[bool, typer.Option(
        "--plain-http", help="The clinic without https, on this machine only: cookies are not marked Secure.")] = False,
) -> None:
    """Serve the web page. Stops at Ctrl-C. --home, --database or --store imply --clinic."""
    wanted: dict[str, Any] = {"host": host, "port": port, "bundle": bundle, "threads": threads}
    logging: dict[str, Any] = {}
    given = {key: value for key, value in wanted.items() if value is not None}
    where: dict[str, Any] = {"home": home, "database": database, "store": store, "key_file": key_file}
    try:
        if clinic or any(value is not None for value in where.values()):
            app, address = _clinic(given, place.place_of(**where), plain_http=plain_http)
            logging = _logs()
        elif plain_http:
            raise UsageError("--plain-http is for the clinic: add --clinic.")
        else:
            app, address = _one_picture(given)
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingExtra(f"the web page needs {error.name}, which is not installed: install macule again.") from error
    uvicorn.run(app, host=address[0], port=address[1], limit_concurrency=MAX_CONNECTIONS, **logging)


def _one_picture(given: dict[str, Any]) -> tuple[FastAPI, tuple[str, int]]:
    from macule.analysis.bundle import load
    from macule.analysis.pipeline import Analyzer
    from macule.web.app import create_app
    from macule.web.settings import Settings

    settings = Settings(**given)
    # Loaded here, so that a missing model is one sentence and status 3 rather than a traceback out of the server.
    analyzer = Analyzer(load(settings.bundle), threads=settings.threads)
    return create_app(settings=settings, analyzer=analyzer), (settings.host, settings.port)


def _clinic(given: dict[str, Any], at: Place, *, plain_http: bool) -> tuple[FastAPI, tuple[str, int]]:
    from macule.records import accounts
    from macule.records.opening import open_clinic
    from macule.web.clinic.app import create_clinic_app
    from macule.web.clinic.settings import ClinicSettings

    chosen = given | {"home": at.home, "database": at.database, "store": at.store, "key_file": at.key_file}
    if plain_http:
        chosen["secure_cookies"] = False
    settings = ClinicSettings(**chosen)
    if not settings.secure_cookies and not _loopback(settings.host):
        raise UsageError(f"--plain-http is for this machine only, but the host is {settings.host!r}: put a proxy with "
                         "https in front of macule, or listen on 127.0.0.1.")
    clinic = open_clinic(settings.place, bundle=settings.bundle, threads=settings.threads, found=True)
    base = settings.public_url or f"http://{settings.host}:{settings.port}"
    try:
        link = accounts.first_link(clinic, base_url=base)
    except DatabaseAway as fault:
        # The server starts all the same, and goes on by itself when the database is back.
        typer.echo(f"macule: {fault} If nobody has an account yet, start again then for the set-up link.", err=True)
        link = None
    if link is not None:
        typer.echo(f"Nobody has an account yet. Make the first administrator's here, once:\n\n    {link}\n")
    return create_clinic_app(settings=settings, clinic=clinic), (settings.host, settings.port)


def _logs() -> dict[str, Any]:
    """JSON lines without anybody's data; the server's own lines would hold whole addresses and tracebacks."""
    from macule.records import logs

    logs.configure()
    return {"log_config": None, "access_log": False}


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
