"""What readers say to each other about a case: plain text, never changed and never removed."""

from __future__ import annotations

from macule.errors import NotAllowed
from macule.records.tables import Comment, Exam, User
from macule.records.words import text as kept
from macule.records.work import Work

MAX_TEXT = 4000


def add(work: Work, *, exam_id: str, text: str | None) -> Comment:
    """The log learns that there is a comment, not what it says.

    Raises: RecordInvalid, NoSuchRecord, NotAllowed for who has no account to sign it with.
    """
    exam = work.get(Exam, exam_id)
    if work.session.get(User, work.actor.id) is None:
        raise NotAllowed("a comment is signed by its author: sign in with an account.")
    words = kept(text, field="text", most=MAX_TEXT, required="Write something first.")
    comment = Comment(id=work.new_id(), exam_id=exam.id, author_id=work.actor.id, text=words or "",
                      created_at=work.now)
    work.session.add(comment)
    work.record("comment.added", "exam", exam.id, patient_id=exam.patient_id, comment=comment.id,
                characters=len(words or ""))
    return comment
