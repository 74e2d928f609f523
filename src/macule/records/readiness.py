"""Is everything there that the clinic needs: database, picture store, key and model."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy import exists, select

from macule.errors import MaculeError, NoSuchRecord, StoreAway
from macule.records import site
from macule.records.clinic import Clinic
from macule.records.tables import Exam

log = logging.getLogger(__name__)
#: An address that no content has: a store that is there answers that it has no such picture.
NOBODYS = "0" * 64


def check(clinic: Clinic) -> dict[str, bool]:
    """What is there, by name. Why something is not stands in the log, by its error's code."""
    parts: dict[str, Callable[[Clinic], None]] = {
        "database": _database, "store": _store, "key": _key, "model": _model,
    }
    return {name: _answers(name, part, clinic) for name, part in parts.items()}


def _answers(name: str, part: Callable[[Clinic], None], clinic: Clinic) -> bool:
    try:
        part(clinic)
    except (MaculeError, OSError) as fault:
        log.warning("not ready: %s: %s", name, getattr(fault, "code", type(fault).__name__))
        return False
    return True


def _database(clinic: Clinic) -> None:
    with clinic.reading() as session:
        site.read(session)


def _store(clinic: Clinic) -> None:
    try:
        clinic.store.get(NOBODYS)
    except NoSuchRecord:
        return
    except StoreAway:
        # A new clinic's folder is made by its first picture.
        with clinic.reading() as session:
            if session.scalar(select(exists().where(Exam.id.is_not(None)))):
                raise


def _key(clinic: Clinic) -> None:
    clinic.seals.seal(b"", context=b"readyz")


def _model(clinic: Clinic) -> None:
    clinic.models.current()
