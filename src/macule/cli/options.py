"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH...", help="Pictures, or folders that are searched with all below them.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line instead of a table.")]
BundleName = Annotated[str | None, typer.Option("--bundle", help="Name or folder of the model. [env: MACULE_BUNDLE]")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Cores to use; all by default.")]
Views = Annotated[
    int | None,
    typer.Option("--views", help="Turned and mirrored copies to average: 1, 2, 4 or 8; the model's own by default."),
]
