"""The OpenAPI description: of the routes below /api/v1 only, with the key and the scopes that each one needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from macule import __version__
from macule.records.policy import BY_SCOPE
from macule.web.clinic.api import PREFIX, ROOMS
from macule.web.clinic.api.route import ApiRoute, scopes_of

#: In the order of the documentation page.
TAGS = {
    "exams": "Send a picture, wait for the answer or ask for it later, fetch the answer, heatmap and report.",
    "reviews": "What readers decided. A reading system that holds a key signs with the key's name.",
    "biopsies": "What the laboratory found.",
    "patients": "People by a pseudonym of the clinic's own, never by a name.",
    "consents": "No exam is accepted of a patient who has not agreed to the wording of today.",
    "lesions": "Spots and where they lie on the body. Exams of one lesion are compared over time.",
    "webhooks": "Be told what happens, with a signature, instead of asking again and again.",
    "model": "Which model answers here.",
}
SUMMARY = "Records and answers of one clinic. For research, not a medical device."
_KEY = {
    "type": "http", "scheme": "bearer", "bearerFormat": "macule_...",
    "description": f"An API key; its scopes are among {', '.join(f'`{scope}`' for scope in BY_SCOPE)}.",
}


def install(app: FastAPI) -> None:
    app.openapi = _described(app)  # type: ignore[method-assign] # the framework's own way to change the description


def routes() -> Iterator[tuple[str, ApiRoute]]:
    """Every route with its whole path."""
    for room in ROOMS:
        for route in room.router.routes:
            if isinstance(route, ApiRoute):
                yield f"{PREFIX}{route.path}", route


def _described(app: FastAPI) -> Callable[[], dict[str, Any]]:
    drawing = threading.Lock()

    def openapi() -> dict[str, Any]:
        with drawing:
            if app.openapi_schema is None:
                app.openapi_schema = describe(app)
            return app.openapi_schema

    return openapi


def describe(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1, as JSON values."""
    schema = get_openapi(
        title="macule clinic", version=__version__, summary=SUMMARY, routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    schema["paths"] = {path: item for path, item in schema["paths"].items() if path.startswith(PREFIX)}
    schema.setdefault("components", {})["securitySchemes"] = {"key": _KEY}
    for path, route in routes():
        for method in route.methods or ():
            operation = schema["paths"][path][method.lower()]
            operation["security"], operation["x-scopes"] = [{"key": []}], scopes_of(route)
            operation["summary"] = route.name.replace("_", " ").capitalize()
            operation["tags"] = operation["tags"][-1:]  # a route's own tag goes before its router's
    return schema
