"""How many cases stand behind each filter of the worklist, up to a bound: so it costs the same at any size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from macule.records.tables import Exam
from macule.records.worklist import Filters, Show, View, among, conditions, matching

#: Cases that are counted at most.
MOST = 2000


@dataclass(frozen=True)
class Counts:
    """shows: of every list, unfiltered. total: in this list under all filters. Over MOST means: more than MOST.

    risk, modality, body_site, unlike: in this list, under every other filter that is set; keys are values of the
    columns. None where the list is longer than is counted.
    """

    shows: Mapping[Show, int]
    total: int
    risk: Mapping[str, int] | None = None
    modality: Mapping[str, int] | None = None
    body_site: Mapping[str, int] | None = None
    unlike: int | None = None


def count(session: Session, *, view: View, filters: Filters) -> Counts:
    # One statement for all lists: five round trips cost more than what is counted.
    row = session.execute(select(*(_most(view, Filters(show=show), None) for show in Show))).one()
    shows = dict(zip(Show, row, strict=True))
    patients = matching(session, filters.patient)
    cube = _cube(session, view, filters, patients)
    if sum(number for _, number in cube) > MOST:
        return Counts(shows, session.execute(select(_most(view, filters, patients))).scalar_one())
    wanted = {"risk": filters.risk, "modality": filters.modality, "body_site": filters.body_site,
              "unlike": True if filters.unlike else None}
    return Counts(
        shows, sum(_facet(cube, wanted, "").values()), _facet(cube, wanted, "risk"), _facet(cube, wanted, "modality"),
        _facet(cube, wanted, "body_site"), _facet(cube, wanted, "unlike")["True"],
    )


def _most(view: View, filters: Filters, patients: tuple[str, ...] | None) -> ColumnElement[int]:
    """MOST + 1 if there are more."""
    where = [_within(filters, patients), *conditions(view, filters, patients)]
    if filters.risk is not None:
        where.append(Exam.risk == filters.risk.value)
    part = select(Exam.id).where(*where).limit(MOST + 1).subquery()
    return select(func.count()).select_from(part).scalar_subquery()


def _within(filters: Filters, patients: tuple[str, ...] | None) -> ColumnElement[bool]:
    if patients is not None:
        return among(Exam.review_state, filters.show.states)
    return Exam.review_state.in_([state.value for state in filters.show.states])


AXES = ("risk", "modality", "body_site", "unlike")
Cube = list[tuple[dict[str, str], int]]


def _cube(session: Session, view: View, filters: Filters, patients: tuple[str, ...] | None) -> Cube:
    """Counts by every combination of the filters' values, of the first MOST + 1 cases."""
    # In commit-first mode the filter by risk also narrows to cases that were read: it is no axis then.
    wide = replace(filters, modality=None, body_site=None, unlike=False, risk=filters.risk if view.blind else None)
    part = select(Exam.risk, Exam.modality, Exam.body_site, Exam.in_distribution).where(
        _within(filters, patients), *conditions(view, wide, patients)).limit(MOST + 1).subquery()
    rows: Any = session.execute(select(*part.c, func.count()).group_by(*part.c))
    return [(dict(zip(AXES, (str(risk), str(modality), str(where), str(inside is False)), strict=True)), number)
            for risk, modality, where, inside, number in rows]


def _facet(cube: Cube, wanted: Mapping[str, object], axis: str) -> Counter[str]:
    """Counts along one axis, under the filters of the others; along no axis, under all."""
    totals: Counter[str] = Counter()
    others = {name: str(value) for name, value in wanted.items() if value is not None and name != axis}
    for cell, number in cube:
        if all(cell[name] == value for name, value in others.items()):
            totals[cell[axis] if axis else ""] += number
    return totals
