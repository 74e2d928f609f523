"""A clinic of made-up records for the benchmarks: three years of patients, exams, reviews and biopsies, no pictures.

Rows are as wide as real ones: the result is one that the shipped bundle gave, the embedding has its length.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from macule.analysis import bundle as bundles
from macule.analysis.explain import to_jpeg
from macule.analysis.pipeline import Analyzer
from macule.analysis.result import Result
from macule.examples import draw, preset
from macule.records.database import Database
from macule.records.domain import Management, OverrideReason, Role, new_id
from macule.records.tables import (
    Base,
    Biopsy,
    BundleRecord,
    Consent,
    Exam,
    Lesion,
    LoginSession,
    Patient,
    Review,
    User,
)
from macule.taxonomy import Diagnosis

NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
DAYS = 3 * 365
CHUNK = 2000
CODES = tuple(code.value for code in Diagnosis)
SUSPICIOUS = np.array([code.suspicious for code in Diagnosis])
#: How often each class comes to a clinic's camera, in the taxonomy's order. Made up; naevi are most of it.
SHARE = np.array([5, 9, 1, 13, 2, 2, .5, 5, 58, 3, 1.5]) / 100
SITES = ("head_neck", "trunk", "upper_extremity", "lower_extremity", "hand", "foot")
CHECKS = ("sharpness", "darkness", "glare", "lesion", "familiar")
READERS = ("Dr Amara Okafor", "Dr Ines Moreau", "Dr Jonas Lindqvist", "Dr Mei Tan", "Dr Ruth Adler")
BUNDLES = (("lite-2024", "a" * 64), ("lite-2025", "b" * 64), ("lite", "c" * 64))
MEDIUM, HIGH = 0.25, 0.6


@dataclass(frozen=True)
class Signed:
    """token: for the cookie. csrf: for forms."""

    token: str
    csrf: str


def fill(database: Database, *, exams: int, seed: int = 0) -> None:
    """Put the records into an upgraded, empty database."""
    rng = np.random.default_rng(seed)
    made = _Maker(rng, *_sample())
    people = made.people(max(1, exams // 4))
    with database.engine.begin() as connection:
        connection.execute(insert(User), made.users())
        connection.execute(insert(BundleRecord), made.bundles())
    for table, rows in people:
        _write(database, table, rows)
    for start in range(0, exams, CHUNK):
        for table, rows in made.chunk(start, min(CHUNK, exams - start), exams):
            _write(database, table, rows)
    _settle(database)


def _write(database: Database, table: type[Base], rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), CHUNK):
        with database.engine.begin() as connection:
            connection.execute(insert(table), rows[start:start + CHUNK])


def _settle(database: Database) -> None:
    """What a database does by itself in time: statistics, and on PostgreSQL the map of visible rows."""
    database.tend()
    if not database.sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def picture(seed: int = 0, *, size: tuple[int, int] = (600, 450)) -> bytes:
    """A drawn naevus as JPEG. size: width, height."""
    return to_jpeg(draw(preset("naevus"), size=size, seed=seed))


def _sample() -> tuple[Result, Result]:
    """What the shipped bundle says of a drawn spot, and of nothing."""
    analyzer = Analyzer(bundles.load())
    return analyzer.analyze(picture()), analyzer.analyze(to_jpeg(np.full((450, 600, 3), 200, np.uint8)))


class _Maker:
    def __init__(self, rng: np.random.Generator, answered: Result, refused: Result) -> None:
        if answered.assessment is None:
            raise SystemExit("the shipped bundle refuses the drawn naevus: draw another.")
        self._rng, self._answered, self._refused = rng, answered.to_dict(), refused.to_dict()
        size = len(answered.assessment.embedding)
        self._embeddings = [rng.normal(size=size).astype("<f4").tobytes() for _ in range(256)]
        self._readers = [self._id(NOW - timedelta(days=DAYS)) for _ in READERS]
        self._lesions: list[dict[str, Any]] = []

    def _id(self, when: datetime) -> str:
        return f"{int(when.timestamp() * 1000):012x}{self._rng.bytes(10).hex()}"

    def users(self) -> list[dict[str, Any]]:
        start = NOW - timedelta(days=DAYS)
        return [{"id": key, "version": 1, "email": f"reader{i}@clinic.example", "name": name, "role": "dermatologist",
                 "active": True, "created_at": start}
                for i, (key, name) in enumerate(zip(self._readers, READERS, strict=True))]

    def bundles(self) -> list[dict[str, Any]]:
        return [{"sha256": sha, "name": name, "first_used_at": self._when(i / len(BUNDLES))}
                for i, (name, sha) in enumerate(BUNDLES)]

    def people(self, patients: int) -> Iterator[tuple[type[Base], list[dict[str, Any]]]]:
        rng, rows, consents = self._rng, [], []
        for number in range(patients):
            since = self._when(number / patients)
            key, sex = self._id(since), "female" if rng.random() < .53 else "male"
            born = int(rng.integers(1930, 2012))
            rows.append({"id": key, "version": 1, "pseudonym": f"P-{number:06d}", "birth_year": born, "sex": sex,
                         "skin_type": int(rng.integers(1, 7)), "created_at": since, "created_by": "made"})
            consents.append({"id": self._id(since), "patient_id": key, "scope": "care", "text_version": "1",
                             "text_sha256": "0" * 64, "language": "en", "given_at": since, "recorded_by": "made"})
            for spot in range(int(rng.integers(1, 5))):
                self._lesions.append({
                    "id": self._id(since), "version": 1, "patient_id": key, "label": f"Spot {spot + 1}",
                    "body_site": SITES[rng.integers(len(SITES))], "map_view": "front", "map_x": .4, "map_y": .3,
                    "created_at": since, "created_by": "made", "_born": born, "_sex": sex})
        yield Patient, rows
        yield Consent, consents
        yield Lesion, [{k: v for k, v in row.items() if k[0] != "_"} for row in self._lesions]

    def _when(self, share: float) -> datetime:
        """A moment so far into the three years."""
        return NOW - timedelta(days=DAYS) * (1 - share)

    def chunk(self, start: int, count: int, total: int) -> Iterator[tuple[type[Base], list[dict[str, Any]]]]:
        exams, reviews, biopsies = [], [], []
        for number in range(start, start + count):
            exam, truth = self._exam(number, total)
            exams.append(exam)
            if exam["state"] == "answered":
                found = self._reviews(exam, truth)
                reviews += found
                biopsies += self._biopsy(exam, truth)
        yield Exam, exams
        yield Review, reviews
        yield Biopsy, biopsies

    def _exam(self, number: int, total: int) -> tuple[dict[str, Any], int]:
        rng = self._rng
        when = self._when(number / total) + timedelta(seconds=float(rng.uniform(0, 600)))
        when = min(when, NOW - timedelta(seconds=5))
        # People come for a spot of theirs that was known by then; old ones come again.
        lesion = self._lesions[int(rng.integers(max(1, int(len(self._lesions) * number / total))))]
        state = str(rng.choice(["answered", "refused", "failed"], p=[.93, .062, .008]))
        if number > total - 4:
            state = "waiting"
        row = dict.fromkeys((
            "unanswered_for", "answered_at", "bundle_sha256", "preprocessing_sha256", "thresholds_sha256", "malignant",
            "risk", "top_code", "in_distribution", "review_state", "final_code", "decided_at", "embedding"))
        row |= {"id": self._id(when), "version": 1, "patient_id": lesion["patient_id"], "lesion_id": lesion["id"],
                "state": state, "created_at": when, "created_by": "made", "file_name": "spot.jpg",
                "picture": self._rng.bytes(32).hex(), "thumbnail": self._rng.bytes(32).hex(), "width": 600,
                "height": 450, "age": float(when.year - lesion["_born"]), "sex": lesion["_sex"],
                "body_site": lesion["body_site"], "modality": "dermoscopic" if rng.random() < .7 else "clinical",
                "result": None, "error": None, "heatmap": None}
        truth = int(rng.choice(len(CODES), p=SHARE))
        if state != "waiting":
            row["answered_at"] = when + timedelta(seconds=float(rng.lognormal(-.6, .6)))
        if state == "failed":
            row["unanswered_for"] = "unreadable_image"
            row["error"] = {"code": "unreadable_image", "message": "cut short"}
        if state in ("answered", "refused"):
            row["bundle_sha256"] = BUNDLES[min(len(BUNDLES) * number // total, len(BUNDLES) - 1)][1]
            row["preprocessing_sha256"], row["thresholds_sha256"] = "d" * 64, "e" * 64
        if state == "refused":
            row["unanswered_for"], row["result"] = CHECKS[int(rng.integers(len(CHECKS)))], self._refused
        if state == "answered":
            self._answer(row, truth)
        return row, truth

    def _answer(self, row: dict[str, Any], truth: int) -> None:
        rng = self._rng
        top = truth if rng.random() < .74 else int(rng.choice(len(CODES), p=SHARE))
        malignant = float(rng.beta(4, 2.2) if SUSPICIOUS[truth] else rng.beta(1.1, 8))
        row |= {"top_code": CODES[top], "malignant": malignant, "in_distribution": bool(rng.random() < .98),
                "risk": "high" if malignant >= HIGH else "medium" if malignant >= MEDIUM else "low",
                "review_state": "open", "result": self._answered, "heatmap": rng.bytes(32).hex(),
                "embedding": self._embeddings[int(rng.integers(len(self._embeddings)))]}

    def _reviews(self, exam: dict[str, Any], truth: int) -> list[dict[str, Any]]:
        rng = self._rng
        waited = timedelta(hours=float(rng.lognormal(2.2, 1.1)))
        if exam["answered_at"] + waited > NOW or rng.random() < .002:
            return []
        found = [self._review(exam, truth, int(rng.integers(len(READERS))), exam["answered_at"] + waited)]
        exam |= {"review_state": "decided", "final_code": found[0]["final_code"], "decided_at": found[0]["decided_at"]}
        if rng.random() < .06:
            other = (self._readers.index(found[0]["reader_id"]) + 1) % len(READERS)
            later = min(found[0]["decided_at"] + timedelta(hours=20), NOW)
            found.append(self._review(exam, truth, other, later) | {"second": True})
        return found

    def _review(self, exam: dict[str, Any], truth: int, reader: int, decided: datetime) -> dict[str, Any]:
        rng, machine = self._rng, CODES.index(exam["top_code"])
        own = truth if rng.random() < .76 else int(rng.choice(len(CODES), p=SHARE))
        final = own if own == machine or rng.random() < .7 else machine
        if own == machine and rng.random() < .02:
            final = int(rng.choice(len(CODES), p=SHARE))
        spent = timedelta(seconds=float(rng.lognormal(4.2, .6)))
        overrides = final != machine
        return {"id": self._id(decided), "version": 1, "exam_id": exam["id"], "reader_id": self._readers[reader],
                "second": False, "created_at": decided - spent, "top_code": exam["top_code"],
                "bundle_sha256": exam["bundle_sha256"], "own_code": CODES[own], "own_at": decided - spent / 2,
                "seen_at": decided - spent / 2, "decision": "override" if overrides else "confirm",
                "final_code": CODES[final], "decided_at": decided, "note": None,
                "reason": str(rng.choice([r.value for r in OverrideReason], p=[.45, .2, .12, .08, .1, .05]))
                if overrides else None,
                "management": (Management.EXCISE if SUSPICIOUS[final] else Management.NOTHING).value}

    def _biopsy(self, exam: dict[str, Any], truth: int) -> list[dict[str, Any]]:
        rng, final = self._rng, exam["final_code"]
        if final is None or rng.random() > (.55 if SUSPICIOUS[CODES.index(final)] else .03):
            return []
        reported = exam["decided_at"] + timedelta(days=float(rng.lognormal(2.3, .4)))
        if reported > NOW:
            return []
        return [{"id": self._id(reported), "version": 1, "exam_id": exam["id"], "lesion_id": exam["lesion_id"],
                 "code": CODES[truth], "reported_on": reported.date(), "recorded_at": reported, "recorded_by": "made"}]


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder / 'macule.db'}"


@contextmanager
def postgresql() -> Iterator[str]:
    """URL of a database on a server of our own, with the settings that it is shipped with, durable writes included."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    folder = Path(tempfile.mkdtemp(prefix="macule-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data, flags = str(folder / "data"), f"-k {folder} -c listen_addresses="
    _as_postgres(initdb, "-D", data, "-U", "macule", "--auth=trust", "-E", "UTF8")
    try:
        _as_postgres(pg_ctl, "-D", data, "-o", flags, "-w", "-l", str(folder / "log"), "start")
        yield f"postgresql://macule@/postgres?host={folder}"
    finally:
        _as_postgres(pg_ctl, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (debian[-1] if debian else None)
    if found is None:
        raise SystemExit(f"no {name} here: apt-get install postgresql, or give --database URL.")
    return str(found)


def _as_postgres(*command: str) -> None:
    """PostgreSQL refuses to run as root."""
    lead = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*lead, *command], check=True, capture_output=True, cwd="/", timeout=120)


def staff(database: Database, role: Role, *, clock: Callable[[], datetime], count: int = 1) -> list[Signed]:
    """Accounts with an open session each."""
    found = []
    for _ in range(count):
        token, csrf, now = secrets.token_urlsafe(32), secrets.token_hex(32), clock()
        key = new_id(now)
        with database.writing() as session:
            session.execute(insert(User), [{
                "id": key, "version": 1, "email": f"{key}@clinic.example", "name": f"Bench {role.value}",
                "role": role.value, "active": True, "created_at": now}])
            session.execute(insert(LoginSession), [{
                "id": hashlib.sha256(token.encode()).hexdigest(), "user_id": key, "csrf": csrf,
                "second_factor_due": False, "created_at": now, "seen_at": now}])
        found.append(Signed(token, csrf))
    return found
