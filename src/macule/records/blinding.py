"""Commit-first mode: whom the machine's answer is hidden from, until their own is stored.

Faulty AI misleads experts as well as novices (Tschandl et al., Nature Medicine 2020), so a reader says first what they
see. Every surface that shows an answer asks here; nowhere else is the rule written.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from macule.records import site
from macule.records.domain import Actor, ActorKind, Role
from macule.records.tables import Review

#: Exams that are asked for at once: a statement takes a bounded number of values.
AT_ONCE = 1000


def reads_first(session: Session, *, actor: Actor) -> bool:
    """Whether this actor is a reader at a site where readers commit first."""
    person = actor.kind is ActorKind.USER and actor.role is Role.DERMATOLOGIST
    return person and site.read(session).commit_first


def hidden(session: Session, *, actor: Actor, exam_id: str) -> bool:
    """Whether this actor may not see the answer yet: a dermatologist who has not committed to a diagnosis."""
    return bool(hidden_among(session, actor=actor, exam_ids=(exam_id,)))


def hidden_among(session: Session, *, actor: Actor, exam_ids: Iterable[str]) -> set[str]:
    """Those of the exams whose answer this actor may not see yet. What was not answered has nothing to hide."""
    asked = list(set(exam_ids))
    if not asked or not reads_first(session, actor=actor):
        return set()
    shown: set[str] = set()
    for start in range(0, len(asked), AT_ONCE):
        among = Review.exam_id.in_(asked[start:start + AT_ONCE])
        shown.update(session.scalars(select(Review.exam_id).where(Review.reader_id == actor.id, among, opened())))
    return set(asked) - shown


def opened() -> ColumnElement[bool]:
    """Of a reader's review: the machine's answer is open to them. They have committed, or were shown it."""
    return or_(Review.own_code.is_not(None), Review.seen_at.is_not(None))
