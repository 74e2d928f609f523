"""Commit-first mode: whom the machine's answer is hidden from, until their own is stored.

Faulty AI misleads experts as well as novices (Tschandl et al., Nature Medicine 2020), so a reader says first what they
see. Every surface that shows an answer asks here.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from macule.records import site
from macule.records.domain import Actor, ActorKind, Role
from macule.records.tables import Review


def hidden(session: Session, *, actor: Actor, exam_id: str) -> bool:
    """Whether this actor may not see the answer yet: a dermatologist who has not committed to a diagnosis."""
    if actor.kind is not ActorKind.USER or actor.role is not Role.DERMATOLOGIST or not site.read(session).commit_first:
        return False
    review = session.scalar(select(Review).where(Review.exam_id == exam_id, Review.reader_id == actor.id))
    return review is None or (review.own_code is None and review.seen_at is None)
