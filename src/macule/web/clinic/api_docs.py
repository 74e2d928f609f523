"""/api: the documentation of our own interface, drawn from its OpenAPI description. It holds no data and is public."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import Response

from macule.records.couriers import ATTEMPTS
from macule.records.webhooks import KEPT
from macule.web.clinic.admin.keys import SCOPES
from macule.web.clinic.admin.webhooks import EVENTS
from macule.web.clinic.api.handbook import Handbook, write
from macule.web.clinic.pages import render
from macule.web.clinic.state import address_here

router = APIRouter(include_in_schema=False)
_markdown = MarkdownIt("zero").enable("backticks")


@router.get("/api")
def documentation(request: Request) -> Response:
    return render(
        request, "api/page.html", book=_handbook(request.app), base=address_here(request), inline=inline,
        scopes=SCOPES, events=EVENTS, attempts=ATTEMPTS, kept_days=KEPT.days,
    )


def _handbook(app: FastAPI) -> Handbook:
    """Written once for each application."""
    book: Handbook | None = getattr(app.state, "handbook", None)
    if book is None:
        book = app.state.handbook = write(app.openapi())
    return book


def inline(text: str) -> Markup:
    """The text with its `code` marked; everything else is escaped."""
    return Markup(_markdown.renderInline(text))  # noqa: S704 - the renderer escapes what it does not know  # nosec B704
