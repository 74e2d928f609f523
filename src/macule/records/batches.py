"""Many pictures at once. A batch is acknowledged once every file lies encrypted in the store and every row is written;
from there the worker makes an exam of each, one after another, and goes on after a restart where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath

from macule.analysis.patient import Modality
from macule.errors import InvalidMetadata, MaculeError, NoSuchRecord, RecordInvalid, UnsupportedImage
from macule.records import holdings, people
from macule.records.archives import kind
from macule.records.batch_table import Subject, Table
from macule.records.clinic import Clinic
from macule.records.consent import FALLBACK
from macule.records.domain import SYSTEM, Actor
from macule.records.lesions import MAX_LABEL
from macule.records.tables import Batch, BatchItem
from macule.records.work import Work

MAX_NAME = 80


class ItemState(StrEnum):
    """QUEUED: safe, to be made an exam. TAKEN: its exam is there. FAILED: `error` says why. SKIPPED: on purpose."""

    QUEUED = "queued"
    TAKEN = "taken"
    FAILED = "failed"
    SKIPPED = "skipped"


class Belonging(StrEnum):
    """Whose the pictures are: as a table says, all one patient's, or each a new patient's."""

    TABLE = "table"
    ONE = "one"
    NEW = "new"


@dataclass(frozen=True)
class Arrived:
    """A file of a batch as it came. address: in the store; None where `fault` says why it is not kept."""

    name: str
    address: str | None = None
    fault: MaculeError | None = None


@dataclass(frozen=True)
class Plan:
    """pseudonym: of the one patient, or what the new patients' begin with. modality: where the table says none.

    consent: the sender confirmed that each patient agreed to the text of today, read in `language`.
    """

    name: str
    belonging: Belonging
    pseudonym: str = ""
    modality: Modality | None = None
    consent: bool = False
    language: str = FALLBACK


def checked(clinic: Clinic, plan: Plan) -> Plan:
    """The plan, before its files are received. Raises: RecordInvalid."""
    wrong: dict[str, str] = {}
    name = " ".join(plan.name.split())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        wrong["name"] = f"Give the batch a name of 1 to {MAX_NAME} characters."
    if not plan.consent:
        wrong["consent"] = "Pictures are taken with consent only: confirm that every patient has agreed."
    with clinic.reading() as session:
        there = people.by_pseudonym(session, plan.pseudonym) if plan.pseudonym else None
    if plan.belonging is Belonging.ONE and there is None:
        wrong["pseudonym"] = "There is no patient of this pseudonym: register the patient first, or correct it."
    if plan.belonging is Belonging.NEW and not _is_beginning(plan.pseudonym):
        wrong["prefix"] = "Give 1 to 40 letters, digits, dots and dashes, beginning with a letter or a digit."
    if wrong:
        raise RecordInvalid("the batch cannot be taken: " + " ".join(wrong.values()), fields=wrong)
    return replace(plan, name=name)


def _is_beginning(text: str) -> bool:
    signs = text.replace("-", "").replace(".", "")
    return 0 < len(text) <= 40 and text[0].isalnum() and signs.isalnum() and text.isascii()


def create(clinic: Clinic, *, actor: Actor, plan: Plan, files: Sequence[Arrived], table: Table | None) -> str:
    """Make the batch durable. Returns: its id. What is not to be kept of the files is deleted.

    Raises: RecordInvalid; StoreAway, KeyMissing, DatabaseAway.
    """
    plan = checked(clinic, plan)
    if plan.belonging is Belonging.TABLE and table is None:
        message = "There is no table among the files: add one as CSV, or choose whose the pictures are."
        raise RecordInvalid(message, fields={"files": message})
    if not any(kind(each.name) == "picture" for each in files):
        message = "There is no picture among the files: choose JPEG, PNG, WebP, HEIC, TIFF or BMP files, or a zip."
        raise RecordInvalid(message, fields={"files": message})
    with clinic.work(actor) as work:
        holdings.naming(work)
        batch = _begun(work, plan, files, table)
        kept = {item.file for item in batch.items if item.file is not None}
    _tell_lost(clinic, batch.id, holdings.missing(clinic, kept))
    holdings.release(clinic, [each.address for each in files if each.address and each.address not in kept])
    return batch.id


def _tell_lost(clinic: Clinic, batch_id: str, addresses: set[str]) -> None:
    """Files whose bytes were another patient's as well, who was erased while the batch came in."""
    if addresses:
        message = "This file was deleted elsewhere while the batch came in: send it again."
        with clinic.work(SYSTEM) as work:
            for item in work.get(Batch, batch_id).items:
                if item.file in addresses:
                    item.state, item.file, item.subject = ItemState.FAILED.value, None, None
                    item.error = {"code": "file_lost", "message": message}


def _begun(work: Work, plan: Plan, files: Sequence[Arrived], table: Table | None) -> Batch:
    batch = Batch(id=work.new_id(), name=plan.name, created_at=work.now, created_by=work.actor.id,
                  consent_language=plan.language)
    batch.items = list(_items(plan, files, table))
    work.session.add(batch)
    queued = sum(item.state == ItemState.QUEUED.value for item in batch.items)
    work.record("batch.sent", "batch", batch.id, files=len(batch.items), queued=queued, belonging=plan.belonging.value)
    return batch


def _items(plan: Plan, files: Sequence[Arrived], table: Table | None) -> Iterator[BatchItem]:
    first: dict[str, str] = {}
    position = 0
    for position, each in enumerate(files, 1):
        item = BatchItem(position=position, name=each.name[:200], state=ItemState.QUEUED.value)
        earlier = first.setdefault(each.address, each.name) if each.address else each.name
        try:
            if each.fault is not None:
                raise each.fault
            if kind(each.name) != "picture":
                raise UnsupportedImage("This is no picture by its name, so it was left out.")
            item.subject = _subject(plan, each.name, position, table).to_dict()
            item.file = each.address
        except MaculeError as fault:
            left_out = each.fault is None and isinstance(fault, UnsupportedImage)
            item.state, item.error = (ItemState.SKIPPED if left_out else ItemState.FAILED).value, fault.to_dict()
        if item.file is not None and earlier != each.name:
            item.state, item.file, item.subject = ItemState.SKIPPED.value, None, None
            item.error = {"code": "duplicate", "message": f"This is the same file as {earlier}, which is in the batch."}
        yield item
    for number, name in enumerate(table.unused() if table is not None and plan.belonging is Belonging.TABLE else (), 1):
        missing = {"code": "file_missing", "message": "The table names this file, but it was not sent."}
        yield BatchItem(position=position + number, name=name[:200], state=ItemState.SKIPPED.value, error=missing)


def _subject(plan: Plan, name: str, position: int, table: Table | None) -> Subject:
    spoken = plan.modality.value if plan.modality else None
    if plan.belonging is Belonging.ONE:
        return Subject(plan.pseudonym, modality=spoken)
    if plan.belonging is Belonging.NEW:
        return Subject(f"{plan.pseudonym}-{position:03d}", modality=spoken, fresh=True)
    found = table.of(name) if table is not None else None
    if found is None:
        raise InvalidMetadata("The table has no row for this file: add one and send it again.")
    return replace(found, modality=found.modality or spoken)


def label_of(name: str) -> str:
    """What a spot is called that only its file's name is known of."""
    return (PurePosixPath(name).stem.strip() or "Spot")[:MAX_LABEL]


def retry(clinic: Clinic, *, actor: Actor, batch_id: str) -> int:
    """Put what failed back into the queue, where its file is still kept. Returns: how many."""
    with clinic.work(actor) as work:
        batch = work.get(Batch, batch_id)
        again = [item for item in batch.items if item.state == ItemState.FAILED.value and item.file is not None]
        for item in again:
            item.state, item.error = ItemState.QUEUED.value, None
        if again:
            work.record("batch.retried", "batch", batch.id, files=len(again))
    return len(again)


def known(clinic: Clinic, batch_id: str) -> Batch:
    """The batch without its files. Raises: NoSuchRecord."""
    with clinic.reading() as session:
        batch = session.get(Batch, batch_id)
    if batch is None:
        raise NoSuchRecord(f"there is no batch {batch_id!r}: check the address.")
    return batch
