"""How the clinic's pages are drawn: one frame, who is signed in, and the wording of the site's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from macule import messages
from macule.analysis.result import DISCLAIMER
from macule.records import site
from macule.web.clinic.door import Visit
from macule.web.clinic.state import clinic_of


def render(
    request: Request, template: str, *, visit: Visit | None = None, status: int = 200,
    headers: Mapping[str, str] | None = None, **context: Any,
) -> Response:
    """A page of `templates/clinic/`.

    visit: who looks at it; None on public pages. In templates: `visit`, `site` (SiteSettings), `t("key", name=value)`.
    """
    with clinic_of(request).reading() as session:
        settings = site.read(session)
    context = {
        "visit": visit, "site": settings, "t": messages.catalogue(settings.language).text,
        "disclaimer": DISCLAIMER, "path": request.url.path, **context,
    }
    response: Response = request.app.state.templates.TemplateResponse(
        request, f"clinic/{template}", context, status_code=status, headers=dict(headers or {})
    )
    return response


def see_other(address: str) -> Response:
    """After a form was accepted: the page that shows the result, so that reloading repeats nothing."""
    return RedirectResponse(address, status_code=303)
