"""kill -9 during 200 uploads: is every acknowledged exam whole, and is none half there?

Starts the real server (`macule serve --clinic`) in a home of its own, sends distinct pictures over HTTP from several
threads, and kills the server's process at random moments, also while it starts, until every picture is acknowledged.
Senders do what a careful machine does: the same Idempotency-Key until there is an answer. Then the server runs on until
nothing waits, is stopped, and the records are looked at from outside.

    python benchmarks/clinic_kill.py [--uploads 200] [--threads 6] [--seed 0] [--database URL] [--json FILE]

PostgreSQL: a URL of an empty database. Exit status 1 on any loss.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import io
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy import select

from macule.errors import MaculeError
from macule.examples import Kind, draw, preset
from macule.records import api_keys, audit_check, consent, lesions, people, sweep
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, ConsentScope, ExamState
from macule.records.opening import Place, open_clinic
from macule.records.store.scrub import scrub
from macule.records.tables import AuditRow, Exam

#: Seconds that all of it may take; a clinic that never recovers would run for ever.
LONGEST = 3600
#: Of four kills one falls into the server's start, so many seconds after it; the others so many seconds after the
#: first picture that this server acknowledged.
IN_START, AT_WORK = (0.2, 3.0), (0.0, 3.0)


@dataclass
class Server:
    """The process under test, killed and started again. starts, kills: how often."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    kills: int = 0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log)
        self.starts += 1

    def kill(self) -> None:
        assert self.process is not None  # noqa: S101
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.kills += 1

    def stop(self) -> None:
        assert self.process is not None  # noqa: S101
        self.process.terminate()
        self.process.wait(timeout=60)


@dataclass
class Senders:
    """What the threads share. acknowledged: exam ids by picture number."""

    port: int
    key: str
    lesion: str
    pictures: list[bytes]
    pending: list[int]
    acknowledged: dict[int, str] = field(default_factory=dict)
    replies: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.is_set():
            with self.lock:
                number = self.pending.pop() if self.pending else None
            if number is None:
                return
            while not self.over.is_set() and not self._sent(number):
                time.sleep(0.1)

    def _sent(self, number: int) -> bool:
        try:
            status, reply = self._post(number)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._count(type(error).__name__)
            return False
        self._count(str(status))
        if status not in (200, 201, 202):
            return False
        with self.lock:
            self.acknowledged[number] = reply["exam"]["id"]
        return True

    def _post(self, number: int) -> tuple[int, Any]:
        boundary = secrets.token_hex(8)
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="lesion_id"\r\n\r\n{self.lesion}\r\n--{boundary}\r\n'
            f'Content-Disposition: form-data; name="picture"; filename="{number}.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        ).encode() + self.pictures[number] + f"\r\n--{boundary}--\r\n".encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            # Half of the senders wait for the answer, half are content with the receipt.
            connection.request("POST", f"/api/v1/exams?wait={10 * (number % 2)}", body, {
                "Authorization": f"Bearer {self.key}", "Idempotency-Key": f"picture-{number}",
                "Content-Type": f"multipart/form-data; boundary={boundary}",
            })
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def _count(self, what: str) -> None:
        with self.lock:
            self.replies[what] += 1


def pictures(count: int) -> list[bytes]:
    """Distinct JPEGs, each with a place in its EXIF."""
    kinds, drawn = list(Kind), []
    place = Image.Exif()
    place.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 12.5)})
    bases = [draw(preset(kind), seed=number) for number, kind in enumerate(kinds)]
    for number in range(count):
        noise = np.random.default_rng(number).normal(0, 3, bases[0].shape)
        rgb = (bases[number % len(bases)] + noise).clip(0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(rgb).save(buffer, "JPEG", quality=90, exif=place)
        drawn.append(buffer.getvalue())
    return drawn


def furnished(clinic: Clinic) -> tuple[str, str]:
    """(API key, lesion) of a new clinic."""
    with clinic.work(SYSTEM) as work:
        patient = people.register(work, pseudonym="P-kill", birth_year=1970, sex="female")
        consent.give(work, patient_id=patient.id, scope=ConsentScope.CARE)
        lesion = lesions.add(work, patient_id=patient.id, label="Left forearm")
        _, key = api_keys.create(work, name="kill", scopes=("exams:write", "exams:read"), valid_for=None)
    return key, lesion.id


def torment(server: Server, senders: Senders, *, threads: int, seed: int) -> None:
    """Kill and start until every picture is acknowledged."""
    rng, total, end = random.Random(seed), len(senders.pictures), time.monotonic() + LONGEST  # noqa: S311
    workers = [threading.Thread(target=senders.run) for _ in range(threads)]
    server.start()
    for worker in workers:
        worker.start()
    while len(senders.acknowledged) < total and time.monotonic() < end:
        before, in_start = len(senders.acknowledged), rng.random() < 0.25
        while not in_start and len(senders.acknowledged) == before and time.monotonic() < end:
            time.sleep(0.01)
        until = time.monotonic() + rng.uniform(*(IN_START if in_start else AT_WORK))
        while time.monotonic() < until and len(senders.acknowledged) < total:
            time.sleep(0.01)
        server.kill()  # the last one falls just behind the last acknowledgement
        server.start()
    senders.over.set()
    for worker in workers:
        worker.join()


def settle(clinic: Clinic, *, seconds: float = 300) -> int:
    """Wait for the worker. Returns: how many exams still wait."""
    end = time.monotonic() + seconds
    while True:
        with clinic.reading() as session:
            waiting = len(session.scalars(select(Exam.id).where(Exam.state == ExamState.WAITING.value)).all())
        if not waiting or time.monotonic() > end:
            return waiting
        time.sleep(0.5)


def examine(clinic: Clinic, senders: Senders) -> dict[str, Any]:
    """What is wrong, each as a count."""
    with clinic.reading() as session:
        exams = {exam.id: exam for exam in session.scalars(select(Exam))}
        rows = session.execute(select(AuditRow.subject_id, AuditRow.action).where(AuditRow.subject_kind == "exam"))
        actions = Counter((row.subject_id, row.action) for row in rows)
        verdict, named = audit_check.verify(session), sweep.named(session)
    expected = {number: hashlib.sha256(scrub(content)).hexdigest() for number, content in enumerate(senders.pictures)}
    acknowledged = senders.acknowledged.items()
    return {
        "exams": len(exams),
        "states": dict(Counter(exam.state for exam in exams.values())),
        "lost": sum(exam_id not in exams for _, exam_id in acknowledged),
        "not_acknowledged": len(senders.pictures) - len(senders.acknowledged),
        "twice": len(exams) - len({exam.picture for exam in exams.values()}),
        "wrong_picture": sum(exams[exam_id].picture != expected[number] for number, exam_id in acknowledged
                             if exam_id in exams),
        "does_not_open": sum(not opens(clinic, address) for address in sorted(named)),
        "half": sum(not whole(exam) for exam in exams.values()),
        "audit_rows_wrong": sum(actions[exam_id, "exam.received"] != 1 or actions[exam_id, f"exam.{exam.state}"] != 1
                                for exam_id, exam in exams.items()),
        "audit_broken": int(not verdict.whole),
        "audit_rows": verdict.anchor.rows,
        "pictures_without_a_row": len(set(clinic.store.addresses()) - named),
    }


def opens(clinic: Clinic, address: str) -> bool:
    try:
        return hashlib.sha256(clinic.store.get(address)).hexdigest() == address
    except MaculeError:
        return False


def whole(exam: Exam) -> bool:
    """Answered or refused, with everything that belongs to it."""
    there = (exam.result, exam.answered_at, exam.bundle_sha256, exam.preprocessing_sha256, exam.thresholds_sha256)
    if exam.state == ExamState.ANSWERED.value:
        there += (exam.thumbnail, exam.heatmap, exam.embedding, exam.malignant, exam.risk, exam.review_state)
    return exam.state in (ExamState.ANSWERED.value, ExamState.REFUSED.value) and all(each is not None for each in there)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--threads", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--database", help="URL of an empty database; SQLite in the temporary home by default.")
    parser.add_argument("--json", type=Path, help="Also write the counts into this file.")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="macule-kill-") as folder:
        home, port = Path(folder) / "home", free_port()
        clinic = open_clinic(Place(home=home, database=asked.database), found=True)
        key, lesion = furnished(clinic)
        command = [sys.executable, "-m", "macule", "serve", "--clinic", "--plain-http", "--home", str(home)]
        command += ["--port", str(port), *(["--database", asked.database] if asked.database else [])]
        server = Server(command, {**os.environ, "MACULE_UPLOADS_PER_MINUTE": "1000000"}, Path(folder) / "log")
        senders = Senders(port, key, lesion, pictures(asked.uploads), list(range(asked.uploads)))
        torment(server, senders, threads=asked.threads, seed=asked.seed)
        waiting = settle(clinic)
        server.stop()
        found = examine(clinic, senders) | {"still_waiting": waiting}
        clinic.database.close()
    bad = ("lost", "not_acknowledged", "twice", "wrong_picture", "does_not_open", "half", "audit_rows_wrong",
           "audit_broken", "still_waiting")
    report = {
        "database": "postgresql" if asked.database else "sqlite", "uploads": asked.uploads, "threads": asked.threads,
        "seed": asked.seed, "kills": server.kills, "acknowledged": len(senders.acknowledged), **found,
        "replies": dict(senders.replies), "seconds": round(time.monotonic() - began, 1),
        "sound": not any(found[name] for name in bad),
    }
    print(json.dumps(report, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if report["sound"] else 1


if __name__ == "__main__":
    sys.exit(main())
