"""`macule serve`: the web page and its API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from macule.cli import options
from macule.errors import MissingExtra, UsageError

#: Open connections beyond this get a 503 at once; the analyses themselves have their own, shorter queue.
MAX_CONNECTIONS = 256


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [env: MACULE_HOST]")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on. [env: MACULE_PORT]")] = None,
    bundle: options.BundleName = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores for one picture. [env: MACULE_THREADS]")] = None,
    database: Annotated[str | None, typer.Option(metavar="URL", help="Reserved: records come later.")] = None,
) -> None:
    """Serve the web page. Stops at Ctrl-C."""
    if database is not None:
        raise UsageError(f"--database is {database!r}; this version keeps no records: leave the option out.")
    try:
        import uvicorn

        from macule.web.app import create_app
        from macule.web.settings import Settings
    except ModuleNotFoundError as error:
        raise MissingExtra(f"the web page needs {error.name}, which is not installed: install macule again.") from error
    from macule.analysis.bundle import load
    from macule.analysis.pipeline import Analyzer

    given: dict[str, Any] = {"host": host, "port": port, "bundle": bundle, "threads": threads}
    settings = Settings(**{key: value for key, value in given.items() if value is not None})
    # Loaded here, so that a missing model is one sentence and status 3 rather than a traceback out of the server.
    analyzer = Analyzer(load(settings.bundle), threads=settings.threads)
    app = create_app(settings=settings, analyzer=analyzer)
    uvicorn.run(app, host=settings.host, port=settings.port, limit_concurrency=MAX_CONNECTIONS)
