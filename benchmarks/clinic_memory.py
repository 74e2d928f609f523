"""The clinic's long memory: similar cases over 10,000 and 50,000 verified exams, and the audit chain over 100,000 rows.

    python benchmarks/clinic_memory.py [--database URL] [--cases 10000 50000] [--dimensions 1280] [--rows 100000]

The database is filled with exams of random embeddings; without a URL a SQLite file in a temporary folder. Give an empty
database: what is put in stays there.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from sqlalchemy import insert

from macule.records import audit, audit_check
from macule.records.audit import Entry
from macule.records.clinic import Clinic
from macule.records.database import Database
from macule.records.domain import SYSTEM, new_id
from macule.records.ports import Models, Seals, Store
from macule.records.similar import Library
from macule.records.tables import Biopsy, BundleRecord, Exam, Lesion, Patient

BUNDLE, START = "a" * 64, datetime(2026, 1, 1, tzinfo=UTC)
CHUNK = 1000


def fill(clinic: Clinic, *, since: int, until: int, dimensions: int) -> str:
    """One patient, lesion, exam and biopsy a case. Returns: the id of the last exam."""
    rng, last = np.random.default_rng(since), ""
    for start in range(since, until, CHUNK):
        patients, lesions, exams, biopsies = [], [], [], []
        for number in range(start, min(start + CHUNK, until)):
            now = START + timedelta(seconds=number)
            patient, lesion, last = new_id(now), new_id(now), new_id(now)
            patients.append({"id": patient, "pseudonym": f"P-{number}", "created_at": now, "created_by": "x",
                             "version": 1})
            lesions.append({"id": lesion, "patient_id": patient, "label": "x", "created_at": now, "created_by": "x",
                            "version": 1})
            exams.append({
                "id": last, "patient_id": patient, "lesion_id": lesion, "state": "answered", "created_at": now,
                "created_by": "x", "file_name": "x", "picture": "0" * 64, "bundle_sha256": BUNDLE, "version": 1,
                "review_state": "open", "embedding": rng.random(dimensions, np.float32).tobytes(),
            })
            biopsies.append({"id": new_id(now), "exam_id": last, "lesion_id": lesion, "code": "nv", "version": 1,
                             "reported_on": date(2026, 1, 1), "recorded_at": now, "recorded_by": "x"})
        with clinic.database.writing() as session:
            for table, rows in ((Patient, patients), (Lesion, lesions), (Exam, exams), (Biopsy, biopsies)):
                session.execute(insert(table), rows)
    return last


def similar(clinic: Clinic, *, cases: list[int], dimensions: int) -> None:
    with clinic.database.writing() as session:
        session.add(BundleRecord(sha256=BUNDLE, name="x", archive=None, first_used_at=START))
    done = 0
    for wanted in cases:
        last = fill(clinic, since=done, until=wanted, dimensions=dimensions)
        clinic.database.tend()
        done, library = wanted, Library()
        ask = partial(library.nearest, clinic, exam_id=last)
        first, again = _seconds(ask), [_seconds(ask) for _ in range(15)]
        blocks = [block for shelf in library._shelves.values() for block in shelf.blocks]
        print(f"{wanted} cases of {dimensions} numbers: first {first * 1000:.0f} ms, then median "
              f"{statistics.median(again) * 1000:.0f} ms (longest {max(again) * 1000:.0f}), "
              f"{sum(block.nbytes for block in blocks) / 1e6:.0f} MB", flush=True)


def chain(clinic: Clinic, *, rows: int) -> None:
    for start in range(0, rows, CHUNK):
        entries = [Entry("exam.seen", "exam", f"{number:032x}", f"{number % 500:032x}", {"shown": "answered"})
                   for number in range(start, min(start + CHUNK, rows))]
        with clinic.database.writing() as session:
            audit.append(session, actor=SYSTEM, now=START, entries=entries)
    with clinic.reading() as session:
        busy = time.process_time()
        took = _seconds(lambda: audit_check.verify(session))
        busy = time.process_time() - busy
        print(f"{rows} audit rows verified in {took:.1f} s, {busy:.1f} s of it on a core")


def _seconds(does: Callable[[], object]) -> float:
    began = time.perf_counter()
    does()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database")
    parser.add_argument("--cases", type=int, nargs="*", default=[10_000, 50_000])
    parser.add_argument("--dimensions", type=int, default=1280)
    parser.add_argument("--rows", type=int, default=100_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(asked.database or f"sqlite:///{Path(folder) / 'macule.db'}")
        # Neither the store nor the keys nor a model is needed here.
        clinic = Clinic(database, cast(Store, None), cast(Seals, None), cast(Models, None))
        if asked.cases:
            similar(clinic, cases=sorted(asked.cases), dimensions=asked.dimensions)
        if asked.rows:
            chain(clinic, rows=asked.rows)
        database.close()


if __name__ == "__main__":
    main()
