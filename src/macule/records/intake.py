"""From a picture to an answered exam, in two steps that a power cut may part: received and safe, then answered.

An exam is acknowledged once its row and its picture are both durable. One that was received but not answered stays
WAITING and is answered by the worker after a restart (`waiting`); a picture whose row never came is swept from the
store.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from macule.analysis.explain import to_jpeg
from macule.analysis.image import Picture, decode
from macule.analysis.patient import Modality, Patient, Sex, Site
from macule.analysis.result import Result
from macule.errors import Conflict, EnvironmentFault, InputError, RecordFault, RecordInvalid
from macule.records import bundles, consent, holdings, lesions, webhooks
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, Actor, ActorKind, ExamState, ReviewState
from macule.records.store.scrub import scrub
from macule.records.tables import Exam, Lesion
from macule.records.webhooks import Event
from macule.records.work import Work

#: Finds or registers the lesion of a picture and says its id.
Place = Callable[[Work], str]


@dataclass(frozen=True)
class Submission:
    """lesion_id: or what registers it, within the exam's own transaction: a picture that is refused leaves nothing.

    picture: bytes of a file as it came. retake_of: an earlier exam of the same lesion.
    idempotency_key: the same one twice, from the same actor, gives the same exam.
    """

    lesion_id: str | Place
    picture: bytes
    file_name: str
    modality: Modality | None = None
    retake_of: str | None = None
    idempotency_key: str | None = None
    batch_id: str | None = None


def submit(clinic: Clinic, *, actor: Actor, submission: Submission) -> str:
    """Receive and answer at once.

    Returns: the exam's id. Its state is ANSWERED, REFUSED, FAILED or, if another process answers it, WAITING.
    Raises: InputError for what is no picture, and what `receive` and `answer` raise; a received exam is kept.
    """
    exam_id = receive(clinic, actor=actor, submission=submission)
    answer(clinic, exam_id=exam_id)
    return exam_id


def receive(clinic: Clinic, *, actor: Actor, submission: Submission) -> str:
    """Make picture and exam durable.

    Returns: the exam's id.
    Raises: InputError, NoSuchRecord (lesion), ConsentMissing, RecordInvalid (retake), Conflict (the key was used for
    another lesion), StoreAway, KeyMissing, DatabaseAway; then nothing is kept.
    """
    key = scoped(actor, submission.idempotency_key)
    with clinic.reading() as session:
        earlier = _by_key(session, key, submission)
        if earlier is None and isinstance(submission.lesion_id, str):
            _admitted(session, actor, submission, submission.lesion_id)
    if earlier is not None:
        return earlier
    kept = scrub(submission.picture)
    seen = decode(kept)  # what is kept is what has to be readable
    address = clinic.store.put(kept)
    try:
        with clinic.work(actor) as work:
            holdings.secure(clinic, work, {address: kept})
            return _insert(work, submission, seen, address, key).id
    except IntegrityError as error:
        # Two with one key at once: the other was first.
        with clinic.reading() as session:
            earlier = _by_key(session, key, submission)
        if earlier is None:
            raise Conflict("the exam could not be stored: send it again.") from error
        return earlier
    except RecordFault:
        with suppress(EnvironmentFault):  # the sweep finds it later
            holdings.release(clinic, [address])
        raise


def scoped(actor: Actor, key: str | None) -> str | None:
    """Nobody learns of another's exam by guessing a key, and none is too long."""
    return None if key is None else hashlib.sha256(f"{actor.kind.value}:{actor.id}:{key}".encode()).hexdigest()


def _by_key(session: Session, key: str | None, submission: Submission) -> str | None:
    if key is None:
        return None
    earlier = session.scalar(select(Exam).where(Exam.idempotency_key == key))
    if earlier is not None and isinstance(submission.lesion_id, str) and earlier.lesion_id != submission.lesion_id:
        raise Conflict("this idempotency key was used for a picture of another spot: use a new one.")
    return None if earlier is None else earlier.id


def _admitted(session: Session, actor: Actor, submission: Submission, lesion_id: str) -> Lesion:
    """The lesion, if a picture of it may be taken. Raises: NoSuchRecord, ConsentMissing, RecordInvalid."""
    lesion = lesions.known(session, lesion_id)
    if actor.kind is not ActorKind.SYSTEM:
        consent.require(session, patient_id=lesion.patient_id)
    if submission.retake_of is not None:
        earlier = session.get(Exam, submission.retake_of)
        if earlier is None or earlier.lesion_id != lesion.id:
            message = "the picture to be taken again is not one of this spot: start from the spot's own page."
            raise RecordInvalid(message, fields={"retake_of": message})
    return lesion


def _insert(work: Work, submission: Submission, seen: Picture, address: str, key: str | None) -> Exam:
    # Once more, within the transaction: consent may have been withdrawn while the picture came in.
    lesion_id = submission.lesion_id if isinstance(submission.lesion_id, str) else submission.lesion_id(work)
    lesion = _admitted(work.session, work.actor, submission, lesion_id)
    exam = Exam(
        id=work.new_id(), patient_id=lesion.patient_id, lesion_id=lesion.id, state=ExamState.WAITING.value,
        created_at=work.now, created_by=work.actor.id, retake_of=submission.retake_of,
        idempotency_key=key, batch_id=submission.batch_id,
        file_name=submission.file_name[:200], picture=address, width=seen.width, height=seen.height,
        age=_age(lesion, work.now), sex=lesion.patient.sex,
        body_site=lesion.body_site, modality=submission.modality.value if submission.modality else None,
    )
    work.session.add(exam)
    work.record("exam.received", "exam", exam.id, patient_id=exam.patient_id, lesion=lesion.id, picture=address)
    return exam


def _age(lesion: Lesion, now: datetime) -> float | None:
    born = lesion.patient.birth_year
    return None if born is None else float(max(0, now.year - born))


def answer(clinic: Clinic, *, exam_id: str) -> None:
    """Answer a waiting exam; one that is answered already, or meanwhile by another process, is left alone.

    Raises: EnvironmentFault (model, store, key or database away, or the picture damaged) and NoSuchRecord (the picture
    is gone from the store); the exam then stays WAITING.
    """
    with clinic.reading() as session:
        exam = session.get(Exam, exam_id)
    if exam is None or exam.state != ExamState.WAITING.value:
        return
    model = clinic.models.current()
    bundles.register(clinic, model.bundle)
    picture = clinic.store.get(exam.picture)
    try:
        result = model.analyze(picture, patient=told(exam), name=exam.file_name)
    except InputError as fault:
        with clinic.work(SYSTEM) as work:
            _fail(work, exam_id, fault)
        return
    drawn: dict[str, bytes] = {}
    thumbnail = None if result.thumbnail is None else _put(clinic, to_jpeg(result.thumbnail), drawn)
    heatmap = None if result.assessment is None else _put(clinic, _grey_png(result.assessment.heatmap), drawn)
    with clinic.work(SYSTEM) as work:
        holdings.secure(clinic, work, drawn)
        _settle(work, exam_id, result, bundles.fingerprints(model.bundle), thumbnail=thumbnail, heatmap=heatmap)


def _put(clinic: Clinic, content: bytes, kept: dict[str, bytes]) -> str:
    address = clinic.store.put(content)
    kept[address] = content
    return address


def told(exam: Exam) -> Patient:
    """What the network is told of the patient."""
    return Patient(
        age=exam.age, sex=Sex(exam.sex) if exam.sex else None, site=Site(exam.body_site) if exam.body_site else None,
        modality=Modality(exam.modality) if exam.modality else None,
    )


def _locked(work: Work, exam_id: str) -> Exam | None:
    """The exam, held until the transaction ends; None if another process was quicker, or the patient was erased.

    SQLite has no row locks and needs none: there a writing transaction is alone from its start.
    """
    exam = work.session.get(Exam, exam_id, with_for_update=True)
    return exam if exam is not None and exam.state == ExamState.WAITING.value else None


def _fail(work: Work, exam_id: str, fault: InputError) -> None:
    exam = _locked(work, exam_id)
    if exam is not None:
        exam.state, exam.error, exam.answered_at = ExamState.FAILED.value, fault.to_dict(), work.now
        exam.unanswered_for = fault.code
        work.record("exam.failed", "exam", exam.id, patient_id=exam.patient_id, code=fault.code)
        webhooks.announce(work, event=Event.EXAM_FAILED, exam=exam)


def _settle(work: Work, exam_id: str, result: Result, prints: bundles.Fingerprints, *, thumbnail: str | None,
            heatmap: str | None) -> None:
    exam, found = _locked(work, exam_id), result.assessment
    if exam is None:
        return
    exam.state = (ExamState.REFUSED if found is None else ExamState.ANSWERED).value
    exam.answered_at, exam.result = work.now, result.to_dict()
    exam.unanswered_for = next((check.name for check in result.quality.checks if not check.passed), None)
    exam.thumbnail, exam.heatmap = thumbnail, heatmap
    exam.bundle_sha256, exam.preprocessing_sha256 = prints.bundle, prints.preprocessing
    exam.thresholds_sha256 = prints.thresholds
    if found is not None:
        exam.malignant, exam.risk, exam.top_code = found.malignant, found.risk.value, found.diagnoses[0].code.value
        exam.in_distribution, exam.review_state = found.in_distribution, ReviewState.OPEN.value
        exam.embedding = np.asarray(found.embedding, dtype="<f4").tobytes()
    work.record(
        f"exam.{exam.state}", "exam", exam.id, patient_id=exam.patient_id, bundle=prints.bundle,
        preprocessing=prints.preprocessing, thresholds=prints.thresholds, risk=exam.risk, malignant=exam.malignant,
    )
    webhooks.announce(work, event=Event(f"exam.{exam.state}"), exam=exam)


def _grey_png(heatmap: NDArray[np.float32]) -> bytes:
    """heatmap: float32, shape (h, w), 0 to 1; a pixel a cell, 8 bit."""
    buffer = io.BytesIO()
    Image.fromarray((heatmap.clip(0, 1) * 255).round().astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
