"""Time the clinic's pages over 100,000 made-up exams, on SQLite and on a PostgreSQL of our own.

    python benchmarks/clinic_dashboard.py [--exams 100000] [--rounds 20] [--database URL]

Each request goes the whole way: session, permission, database, template. Prints a Markdown table in milliseconds, with
the processors' time of this process beside the clock's, since the machine may be busy. PostgreSQL works in processes
of its own, whose time is in the clock's figures only.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import clinic_made
from sqlalchemy import select
from starlette.testclient import TestClient

from macule.records.clinic import Clinic
from macule.records.dashboard import Board
from macule.records.database import Database
from macule.records.domain import Role
from macule.records.models import LazyModel
from macule.records.store.keys import KeyRing
from macule.records.store.pictures import PictureStore
from macule.records.tables import Exam
from macule.web.clinic.app import create_clinic_app
from macule.web.clinic.cookies import PLAIN_COOKIE
from macule.web.clinic.settings import ClinicSettings
from macule.web.clinic.state import ClinicState


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--exams", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--database", action="append", help="URL of an empty database; default: both, of our own")
    asked = options.parse_args()
    print(f"{asked.exams:,} exams, {asked.rounds} rounds\n")
    print("| database | page | p50 ms | p95 ms | CPU p50 ms |\n| --- | --- | --- | --- | --- |")
    for name, url in databases(asked.database):
        with url as where:
            measure(name, where, asked.exams, asked.rounds)


@contextmanager
def _given(url: str) -> Iterator[str]:
    yield url


def databases(given: list[str] | None) -> Iterator[tuple[str, object]]:
    if given:
        yield from ((url.partition(":")[0], _given(url)) for url in given)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield "SQLite", clinic_made.sqlite(Path(folder))
    yield "PostgreSQL", clinic_made.postgresql()


def measure(name: str, url: str, exams: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clinic = _clinic(Path(folder), url)
        with clinic.reading() as session:
            filled = session.scalar(select(Exam.id).limit(1)) is not None
        if not filled:
            clinic_made.fill(clinic.database, exams=exams)
        app = create_clinic_app(settings=ClinicSettings(secure_cookies=False), clinic=clinic, jobs=())
        doctor = clinic_made.staff(clinic.database, Role.DERMATOLOGIST, clock=clinic.clock)[0]
        client = TestClient(app, cookies={PLAIN_COOKIE: doctor.token})
        for label, prepare, path in _pages(app.state.clinic, _busiest(clinic)):
            clock, processor = _times(client, path, prepare, rounds if "export" not in label else 3)
            shown = " | ".join(f"{value:.0f}" for value in (_p(clock, 50), _p(clock, 95), _p(processor, 50)))
            print(f"| {name} | {label} | {shown} |", flush=True)
        clinic.database.close()


def _clinic(folder: Path, url: str) -> Clinic:
    seals = KeyRing.create(folder / "keys")
    store = PictureStore(str(folder / "pictures"), seals=seals)
    return Clinic(Database(url), store, seals, LazyModel(None), lambda: clinic_made.NOW)


def _busiest(clinic: Clinic) -> str:
    """The patient of the newest exam."""
    with clinic.reading() as session:
        return str(session.scalar(select(Exam.patient_id).order_by(Exam.created_at.desc()).limit(1)))


def _pages(state: ClinicState, patient: str) -> Iterator[tuple[str, Callable[[], None], str]]:
    def counted() -> None:
        state.board = Board(fresh=timedelta(0))

    once = Board()

    def kept() -> None:
        state.board = once

    def nothing() -> None:
        return

    model = clinic_made.BUNDLES[-1][1]
    periods = (("90 days", ""), ("30 days", "?period=30"), ("a year", "?period=365"), ("everything", "?period=all"),
               ("everything of one model", f"?period=all&model={model}"))
    for label, query in periods:
        yield f"dashboard, {label}, counted anew", counted, f"/dashboard{query}"
    yield "dashboard, everything, counted within the minute", kept, "/dashboard?period=all"
    yield "worklist", nothing, "/worklist"
    yield "worklist, high risk", nothing, "/worklist?risk=high"
    yield "worklist, decided", nothing, "/worklist?show=decided"
    yield "worklist, dermoscopic, back", nothing, "/worklist?modality=dermoscopic&body_site=trunk&waited=7"
    yield "patients", nothing, "/patients"
    yield "patients, one sought", nothing, "/patients?q=P-0123"
    yield "a patient", nothing, f"/patients/{patient}"
    yield "export of 90 days", nothing, "/exports/exams.csv?from=2026-08-24"
    yield "export of everything", nothing, "/exports/exams.csv"


def _times(client: TestClient, path: str, prepare: Callable[[], None], rounds: int) -> tuple[list[float], list[float]]:
    clock, processor = [], []
    for turn in range(rounds + 1):
        prepare()
        start, spent = time.perf_counter(), time.process_time()
        answer = client.get(path)
        if turn:  # the first warms up
            clock.append(1000 * (time.perf_counter() - start))
            processor.append(1000 * (time.process_time() - spent))
        if answer.status_code != 200:
            raise SystemExit(f"{path} answered {answer.status_code}: {answer.text[:300]}")
    return clock, processor


def _p(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    main()
