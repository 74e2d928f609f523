"""The models that answered here: each is kept as an archive in the store, so that its answers can be computed again."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import IntegrityError

from macule.analysis.bundle import Bundle
from macule.records import holdings
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM
from macule.records.tables import BundleRecord


@dataclass(frozen=True)
class Fingerprints:
    """SHA-256 of what decides an answer: the whole bundle, its preprocessing and its thresholds."""

    bundle: str
    preprocessing: str
    thresholds: str


def fingerprints(bundle: Bundle) -> Fingerprints:
    return Fingerprints(bundle.sha256, _digest(bundle.preprocessing), _digest(bundle.thresholds))


def _digest(settings: Any) -> str:
    return hashlib.sha256(json.dumps(dataclasses.asdict(settings), sort_keys=True, default=str).encode()).hexdigest()


def register(clinic: Clinic, bundle: Bundle) -> None:
    """Keep the bundle's files, once. Raises: StoreAway, KeyMissing, DatabaseAway."""
    with clinic.reading() as session:
        if session.get(BundleRecord, bundle.sha256) is not None:
            return
    content = _zipped(bundle)
    archive = clinic.store.put(content)
    # Two processes with a new model at once: on PostgreSQL both find it missing, and the second one's row is refused.
    with suppress(IntegrityError), clinic.work(SYSTEM) as work:
        holdings.secure(clinic, work, {archive: content})
        if work.session.get(BundleRecord, bundle.sha256) is None:
            work.session.add(
                BundleRecord(sha256=bundle.sha256, name=bundle.id, archive=archive, first_used_at=work.now)
            )
            work.record("bundle.registered", "bundle", bundle.sha256, name=bundle.id, archive=archive)


def _zipped(bundle: Bundle) -> bytes:
    """The folder's files, stored without compression and without times: the same files are the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(bundle.folder.iterdir()):
            if path.is_file() and not path.name.startswith("."):
                archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
    return buffer.getvalue()
