"""What the pages that are one file share: how they are rendered and written, and the pictures that lie in them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

PAGE = "index.html"


def write(folder: Path, template: str, **values: Any) -> None:
    """`folder`/index.html from a template of this package; all values are escaped.

    Raises: OSError
    """
    temporary = folder / f".{PAGE}"
    # A file name need not be text (lone surrogates); UTF-8 must be.
    temporary.write_text(render(template, **values), encoding="utf-8", errors="backslashreplace")
    temporary.replace(folder / PAGE)


def render(template: str, **values: Any) -> str:
    """The page's HTML; all values are escaped."""
    # Jinja takes 60 ms to import, which only those who want a page should pay.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("macule.exchange", "templates")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return pages.get_template(template).render(values)


def data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
