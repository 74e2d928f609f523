"""What the clinic remembers beside a case: the lesion's earlier pictures, and cases that look alike."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from macule.errors import NoSuchRecord
from macule.records import blinding, changes, similar
from macule.records.changes import Visit as Seen
from macule.records.policy import Permission
from macule.web.clinic import change_words
from macule.web.clinic.door import Visit, allow
from macule.web.clinic.pages import render
from macule.web.clinic.spark import spark
from macule.web.clinic.state import clinic_of, state_of

router = APIRouter(include_in_schema=False)

Reader = Annotated[Visit, allow(Permission.READ_CASE, of="exam")]


@router.get("/cases/{exam_id}/history")
def history(
    request: Request, exam_id: str, visit: Reader, other: Annotated[str | None, Query(alias="with")] = None
) -> Response:
    """other: the exam to compare with; the one before this by default."""
    clinic = clinic_of(request)
    course = changes.seen(clinic, actor=visit.actor, exam_id=exam_id)
    chosen = _chosen(course, exam_id, other)
    context: dict[str, Any] = {"course": course, "chosen": chosen, "exam_id": exam_id, "spark": spark(course)}
    if chosen is not None:
        earlier, later = changes.two(clinic, actor=visit.actor, exam_id=exam_id, other_id=chosen.exam_id)
        pair = state_of(request).comparer.pair(clinic, earlier=earlier, later=later)
        context |= {
            "pair": pair, "earlier": earlier, "later": later,
            "lines": change_words.lines(pair.change) if pair.change else [],
            "refusal": change_words.REFUSALS[pair.refusal] if pair.refusal else None,
        }
    return render(request, _template(request, "history"), visit=visit, **context)


def _chosen(course: list[Seen], exam_id: str, other: str | None) -> Seen | None:
    """Raises: NoSuchRecord if another lesion's exam is asked for."""
    others = [each for each in course if each.exam_id != exam_id]
    if other is not None:
        found = next((each for each in others if each.exam_id == other), None)
        if found is None:
            raise NoSuchRecord(f"there is no picture {other[:64]!r} of this lesion to compare with: choose another.")
        return found
    here = next((number for number, each in enumerate(course) if each.exam_id == exam_id), None)
    if here is None or not others:
        return None
    return course[here - 1] if here > 0 else course[1]


@router.get("/cases/{exam_id}/aligned/{other_id}.jpg")
def aligned(request: Request, exam_id: str, other_id: str, visit: Reader) -> Response:
    """The other exam's picture, as it is laid beside this one: the earlier of the two in the later's frame."""
    clinic = clinic_of(request)
    earlier, later = changes.two(clinic, actor=visit.actor, exam_id=exam_id, other_id=other_id)
    pair = state_of(request).comparer.pair(clinic, earlier=earlier, later=later)
    return Response(pair.earlier if other_id == earlier.id else pair.later, media_type="image/jpeg")


@router.get("/cases/{exam_id}/similar")
def similar_cases(request: Request, exam_id: str, visit: Reader) -> Response:
    clinic = clinic_of(request)
    with clinic.reading() as session:
        hidden = blinding.hidden(session, actor=visit.actor, exam_id=exam_id)
    found = None
    if not hidden:
        found = similar.seen(clinic, state_of(request).library, actor=visit.actor, exam_id=exam_id)
    return render(request, _template(request, "similar"), visit=visit, found=found, hidden=hidden, exam_id=exam_id)


def _template(request: Request, name: str) -> str:
    """A piece for htmx, a whole page for everybody else."""
    return f"memory/_{name}.html" if "hx-request" in request.headers else f"memory/{name}.html"
