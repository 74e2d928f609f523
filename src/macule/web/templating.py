"""Jinja: strict, escaped, and with static addresses that change when the file does."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from fastapi.templating import Jinja2Templates
from jinja2 import Environment, PackageLoader, StrictUndefined

HERE = Path(__file__).parent
STATIC = HERE / "static"


@cache
def make_templates() -> Jinja2Templates:
    """One for the process: compiling the templates takes a quarter of a second, and they hold nothing of an app."""
    environment = Environment(
        loader=PackageLoader("macule.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.globals["static"] = static_address
    return Jinja2Templates(env=environment)


def percent(probability: float) -> str:
    """`< 1 %` to `> 99 %`: no answer is ever shown as certain."""
    if probability < 0.01:
        return "<\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}%"
    if probability > 0.99:
        return ">\N{NO-BREAK SPACE}99\N{NO-BREAK SPACE}%"
    return f"{probability:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


@cache
def static_address(name: str) -> str:
    """Relative, so that the page also works below a proxy's prefix."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"static/{name}?v={digest}"
