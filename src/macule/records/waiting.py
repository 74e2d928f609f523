"""Exams that were received and not answered: after a crash, while the model or the store was away, or of a batch.

A worker's job. What fails is tried again after twice the time, to a minute at most: for all exams if the installation
is at fault, for one exam if only its picture is.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import or_, select

from macule.errors import EnvironmentFault, MaculeError, PictureDamaged
from macule.records import intake
from macule.records.clinic import Clinic
from macule.records.database import Database
from macule.records.domain import ExamState
from macule.records.tables import Exam

#: A picture that somebody waits for is being answered by their own request; after so long that request is dead.
GRACE = timedelta(seconds=10)
#: Exams of one turn, so that the worker's other jobs have theirs.
AT_ONCE = 8
FIRST, LONGEST = timedelta(seconds=2), timedelta(seconds=60)
EVERYTHING = "*"

log = logging.getLogger(__name__)


@dataclass
class Pauses:
    """When what failed is tried again, by exam id; EVERYTHING for all of them. Held in memory: a restart tries anew."""

    until: dict[str, datetime] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    def failed(self, key: str, now: datetime) -> None:
        count = self.failures.get(key, 0)
        self.failures[key] = count + 1
        self.until[key] = now + min(FIRST * 2 ** min(count, 10), LONGEST)

    def worked(self, key: str) -> None:
        self.until.pop(key, None)
        self.failures.pop(key, None)

    def resting(self, now: datetime) -> list[str]:
        return [key for key, moment in self.until.items() if moment > now]


_pauses: WeakKeyDictionary[Database, Pauses] = WeakKeyDictionary()


def answer_waiting(clinic: Clinic) -> bool:
    """Answer the oldest that wait. Returns: whether any was answered."""
    pauses = _pauses.setdefault(clinic.database, Pauses())
    now = clinic.clock()
    resting = pauses.resting(now)
    if EVERYTHING in resting:
        return False
    answered = False
    for exam_id in _due(clinic, now, resting):
        try:
            with clinic.database.claim(f"exam: {exam_id}") as mine:
                if mine:
                    intake.answer(clinic, exam_id=exam_id)
        except EnvironmentFault as fault:
            if not isinstance(fault, PictureDamaged):
                pauses.failed(EVERYTHING, now)
                log.warning("waiting exams: %s", fault.code)
                return answered
            _pause_one(pauses, exam_id, now, fault.code)
        except MaculeError as fault:
            _pause_one(pauses, exam_id, now, fault.code)
        except Exception:  # a bug that one picture meets must not keep the others waiting
            log.exception("exam %s could not be answered", exam_id)
            pauses.failed(exam_id, now)
        else:
            answered = answered or mine
            pauses.worked(exam_id)
            pauses.worked(EVERYTHING)
    return answered


def _pause_one(pauses: Pauses, exam_id: str, now: datetime, code: str) -> None:
    log.warning("exam %s stays waiting: %s", exam_id, code)
    pauses.failed(exam_id, now)


def _due(clinic: Clinic, now: datetime, resting: list[str]) -> list[str]:
    """The oldest waiting exams; of a batch at once, because nobody else answers those."""
    waiting = select(Exam.id).where(
        Exam.state == ExamState.WAITING.value,
        or_(Exam.batch_id.is_not(None), Exam.created_at <= now - GRACE),
    )
    if resting:
        waiting = waiting.where(Exam.id.not_in(resting))
    with clinic.reading() as session:
        return list(session.scalars(waiting.order_by(Exam.created_at, Exam.id).limit(AT_ONCE)))
