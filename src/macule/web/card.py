"""The model card as a page: the bundle's Markdown, without raw HTML and without inline style."""

from __future__ import annotations

from fastapi import APIRouter, Request
from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import Response

from macule.analysis.result import DISCLAIMER
from macule.web.service import service_of

router = APIRouter(include_in_schema=False)


@router.get("/model-card")
async def model_card(request: Request) -> Response:
    bundle = service_of(request).ready().bundle
    context = {"bundle": bundle, "card": to_html(bundle.card), "disclaimer": DISCLAIMER}
    page: Response = request.app.state.templates.TemplateResponse(request, "card.html", context)
    return page


def to_html(markdown: str) -> Markup:
    """CommonMark and tables. Raw HTML is shown as text; tables stand in a box that scrolls by itself."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        # A column's alignment comes as inline style, which the content security policy refuses.
        if token.attrs.pop("style", "") == "text-align:right":
            token.attrJoin("class", "figure")
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"  # the page itself has the h1
    html = parser.renderer.render(tokens, parser.options, {})
    html = html.replace("<table>", '<div class="scrolls" role="region" aria-label="Table" tabindex="0"><table>')
    # The parser escaped all raw HTML.
    return Markup(html.replace("</table>", "</table></div>"))  # noqa: S704  # nosec B704
