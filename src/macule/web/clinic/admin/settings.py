"""How this clinic works, changed by an administrator while it runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from macule import messages
from macule.records import site
from macule.records.policy import Permission
from macule.records.site import SiteSettings
from macule.web.clinic.admin.users import version_of
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.forms import Fields, form_fields
from macule.web.clinic.pages import render, see_other
from macule.web.clinic.state import clinic_of

router = APIRouter(prefix="/admin/settings", include_in_schema=False)
Manager = Annotated[Visit, allow(Permission.MANAGE_SITE)]
TICKS = ("commit_first", "urgent_first", "research_consent", "require_totp")
WRONG = {
    "name": "Enter a name of 1 to 80 characters.", "release": "Choose one of the two.",
    "second_reader_from": "Enter a percentage from 0 to 100; 100 asks for none.",
    "retention_days": "Enter 30 to 36500 days, or leave it empty to keep everybody.",
    "language": "Choose a language from the list.",
}


@router.get("")
def settings_page(request: Request, visit: Manager, done: Annotated[str, Query(max_length=10)] = "") -> Response:
    with clinic_of(request).reading() as session:
        settings, version = site.read(session), site.version(session)
    return _page(request, visit, _shown(settings), version, done=bool(done))


@router.post("")
def change(request: Request, visit: Manager, fields: Annotated[Fields, form_fields]) -> Response:
    version = version_of(fields)
    try:
        settings = _read(fields)
    except ValidationError as fault:
        wrong = {str(error["loc"][0]): WRONG.get(str(error["loc"][0]), "Correct this.") for error in fault.errors()}
        return _page(request, visit, fields, version, wrong=wrong)
    with clinic_of(request).work(visit.actor) as work:
        site.change(work, settings=settings, version=version)
    return see_other("/admin/settings?done=yes")


def _read(fields: Fields) -> SiteSettings:
    """Raises: ValidationError."""
    given: dict[str, Any] = {name: fields.get(name, "") for name in ("name", "release", "language")}
    given |= {name: bool(fields.get(name)) for name in TICKS}
    given["retention_days"] = fields.get("retention_days") or None
    given["second_reader_from"] = _share(fields.get("second_reader_from", ""))
    if given["language"] not in messages.languages():
        given["language"] = ""  # the pattern alone would take a language that has no wording
    return SiteSettings.model_validate(given)


def _share(percentage: str) -> Any:
    """What is no number is left to the model to refuse."""
    try:
        return float(percentage.removesuffix("%").strip()) / 100
    except ValueError:
        return percentage


def _shown(settings: SiteSettings) -> dict[str, str]:
    values = {name: str(value) for name, value in settings.model_dump().items()}
    values |= {name: "on" if getattr(settings, name) else "" for name in TICKS}
    values["retention_days"] = "" if settings.retention_days is None else str(settings.retention_days)
    values["second_reader_from"] = f"{settings.second_reader_from * 100:g}"
    return values


def _page(
    request: Request, visit: Visit, values: Fields, version: int, *, wrong: dict[str, str] | None = None,
    done: bool = False,
) -> Response:
    languages = {language: {"en": "English"}.get(language, language) for language in messages.languages()}
    return render(request, "admin/settings.html", visit=visit, values=values, version=version, wrong=wrong or {},
                  done=done, languages=languages, status=422 if wrong else 200)
