"""The worker's part of a batch: from a stored file to a received exam, which `waiting` then answers."""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from macule.analysis.image import decode
from macule.analysis.patient import Modality
from macule.errors import Conflict, EnvironmentFault, MaculeError, NoSuchRecord, PictureDamaged
from macule.records import consent, holdings, intake, lesions, people
from macule.records.batch_table import Subject
from macule.records.batches import ItemState, label_of
from macule.records.clinic import Clinic
from macule.records.database import alone
from macule.records.domain import SYSTEM, Actor, ActorKind, ConsentScope, Role
from macule.records.tables import Batch, BatchItem, Lesion, Patient, User
from macule.records.work import Work

#: Files of one turn, so that the worker's other jobs have theirs.
AT_ONCE = 4
#: How long a failed file is kept for another try.
KEPT = timedelta(days=7)
#: Enough to know that a picture is whole, at an eighth of the work of decoding it all.
_GLANCE = 64

log = logging.getLogger(__name__)


def take_queued(clinic: Clinic) -> bool:
    """Make exams of the next files. Returns: whether there were any that no other process is at work on.

    Raises: EnvironmentFault (store, key or database away); the files stay queued.
    """
    with clinic.reading() as session:
        rows = session.execute(
            select(BatchItem, Batch).join(Batch, Batch.id == BatchItem.batch_id)
            .where(BatchItem.state == ItemState.QUEUED.value).order_by(BatchItem.id).limit(AT_ONCE)
        ).all()
        actors = {batch.id: _sender(session, batch) for _, batch in rows}
    taken = [_claimed(clinic, item, batch, actors[batch.id]) for item, batch in rows]  # a list: each has its turn
    return any(taken)


def _claimed(clinic: Clinic, item: BatchItem, batch: Batch, actor: Actor) -> bool:
    """Take a file, unless another process does or did."""
    with clinic.database.claim(f"batch file: {item.id}") as mine:
        if not mine or not _queued(clinic, item):
            return False
        _take(clinic, item, batch, actor)
        return True


def _queued(clinic: Clinic, item: BatchItem) -> bool:
    """Still: the list is older than the claim."""
    with clinic.reading() as session:
        return session.scalar(select(BatchItem.state).where(BatchItem.id == item.id)) == ItemState.QUEUED.value


def _sender(session: Session, batch: Batch) -> Actor:
    """Who sent it, in whose name its exams are received: also if they have left since."""
    user = session.get(User, batch.created_by)
    name, role = ("unknown", Role.NURSE) if user is None else (user.name, Role(user.role))
    return Actor(ActorKind.USER, batch.created_by, name, role)


def _take(clinic: Clinic, item: BatchItem, batch: Batch, actor: Actor) -> None:
    try:
        exam_id = _received(clinic, item, batch, actor)
    except EnvironmentFault as fault:
        if not isinstance(fault, PictureDamaged):
            raise
        _failed(clinic, item, fault)
    except MaculeError as fault:
        _failed(clinic, item, fault)
    except Exception:  # a bug that one file meets must not keep the others waiting
        log.exception("a file of batch %s could not be taken", batch.id)
        _failed(clinic, item, MaculeError("macule failed on this file; the server's log says why."))
    else:
        with clinic.work(SYSTEM) as work:
            row = _row(work, item)
            if row.state == ItemState.QUEUED.value:  # not erased meanwhile
                row.state, row.exam_id, row.error = ItemState.TAKEN.value, exam_id, None
                row.file = row.subject = None
        if item.file is not None:
            holdings.release(clinic, [item.file])


def _received(clinic: Clinic, item: BatchItem, batch: Batch, actor: Actor) -> str:
    """The exam's id. The same file gives the same exam, however often a crash repeats it."""
    if item.file is None or item.subject is None:
        raise NoSuchRecord("the file is no longer kept: send it again.")
    content = clinic.store.get(item.file)
    decode(content, short_side=_GLANCE)  # before a patient is made for what is no picture
    with clinic.work(actor) as work:
        alone(work.session, people.REGISTERING)
        lesion_id = _placed(work, _row(work, item), batch.consent_language)
    modality = item.subject["modality"]
    return intake.receive(clinic, actor=actor, submission=intake.Submission(
        lesion_id=lesion_id, picture=content, file_name=item.name, batch_id=batch.id,
        modality=Modality(modality) if modality else None, idempotency_key=f"batch:{batch.id}:{item.position}",
    ))


def _placed(work: Work, item: BatchItem, language: str) -> str:
    """Patient, consent and lesion of the file, made where they are not there yet. Returns: the lesion's id."""
    if item.subject is None:
        raise Conflict("another process took this file, or its patient was erased.")
    subject = Subject(**item.subject)
    if subject.lesion_id is not None:
        return subject.lesion_id
    patient = _patient(work, subject)
    consent.give(work, patient_id=patient.id, scope=ConsentScope.CARE, language=language)
    found = _lesion(work.session, patient, subject.lesion)
    lesion = found or lesions.add(work, patient_id=patient.id, label=subject.lesion or label_of(item.name),
                                  body_site=subject.site)
    item.patient_id, item.subject = patient.id, subject.to_dict() | {"lesion_id": lesion.id}
    return lesion.id


def _patient(work: Work, subject: Subject) -> Patient:
    found = None if subject.fresh else people.by_pseudonym(work.session, subject.pseudonym)
    return found or people.register(work, pseudonym=subject.pseudonym, birth_year=subject.birth_year, sex=subject.sex)


def _lesion(session: Session, patient: Patient, label: str) -> Lesion | None:
    """One of that label; None for a spot of the picture's own."""
    if not label:
        return None
    wanted = select(Lesion).where(Lesion.patient_id == patient.id, func.lower(Lesion.label) == label.lower())
    return session.scalars(wanted.order_by(Lesion.created_at).limit(1)).first()


def _row(work: Work, item: BatchItem) -> BatchItem:
    found = work.session.get(BatchItem, item.id, with_for_update=True)
    if found is None:
        raise NoSuchRecord("the file was taken out of its batch meanwhile.")
    return found


def _failed(clinic: Clinic, item: BatchItem, fault: MaculeError) -> None:
    with clinic.work(SYSTEM) as work:
        row = _row(work, item)
        if row.state == ItemState.QUEUED.value:  # another process may have been luckier
            row.state, row.error = ItemState.FAILED.value, fault.to_dict()


def forget_files(clinic: Clinic) -> int:
    """Delete the files of what failed long ago. Returns: how many. Raises: StoreAway, DatabaseAway."""
    before = clinic.clock() - KEPT
    old = (select(BatchItem).join(Batch, Batch.id == BatchItem.batch_id)
           .where(BatchItem.state == ItemState.FAILED.value, BatchItem.file.is_not(None), Batch.created_at < before))
    with clinic.work(SYSTEM) as work:
        rows = list(work.session.scalars(old))
        addresses = [row.file for row in rows if row.file is not None]
        for row in rows:
            row.file = row.subject = None
    return holdings.release(clinic, addresses)
