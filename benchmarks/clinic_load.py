"""Time an upload from the first byte sent to the answer's page, against the real server, on both databases.

    python benchmarks/clinic_load.py [--seconds 30] [--users 1 50] [--waiting 8] [--at-once 2] [--database URL]

Nurses with a session each send a picture, follow the redirect and read the page, then send the next at once, which is
busier than people are. The server is `macule serve` with the shipped bundle, its own settings but for the limit of
uploads a minute. A 503 is counted and the nurse waits as long as it says. Beside it, in the same run and on the same
picture: the analysis alone, one after the other, so that the ratios tell where the machine is noisy. The client runs on
the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import clinic_made
import httpx
from PIL import Image

from macule.analysis import bundle as bundles
from macule.analysis.pipeline import Analyzer
from macule.examples import draw, preset
from macule.records import consent, lesions, people
from macule.records.clinic import Clinic
from macule.records.domain import SYSTEM, ConsentScope, Role
from macule.records.opening import Place, open_clinic
from macule.web.clinic.cookies import PLAIN_COOKIE

#: What a phone's camera gives after the page has made it smaller: 2 MP.
SIZE = (1600, 1200)


@dataclass
class Run:
    """times: seconds of each upload that ended in its answer's page. others: what else came back, by status."""

    times: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--users", type=int, nargs="+", default=[1, 50])
    options.add_argument("--at-once", type=int, default=2)
    options.add_argument("--waiting", type=int, default=8)
    options.add_argument("--database", action="append", help="URL of an empty database; default: both, of our own")
    asked = options.parse_args()
    pictures = [picture(seed) for seed in range(4)]
    print(f"{SIZE[0]} x {SIZE[1]} px, {len(pictures[0]) / 1000:.0f} kB, {asked.seconds:.0f} s each, "
          f"{asked.at_once} at once, {asked.waiting} may wait\n")
    print("| database | users | answers | a second | p50 s | p95 s | over the floor | POST alone p50 s | else |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, where in databases(asked.database):
        with where as url, tempfile.TemporaryDirectory() as home:
            place = Place(home=Path(home), database=url)
            for users in asked.users:
                measure(name, place, users, asked, pictures)


def databases(given: list[str] | None) -> Iterator[tuple[str, contextlib.AbstractContextManager[str | None]]]:
    if given:
        yield from ((url.partition(":")[0], contextlib.nullcontext(url)) for url in given)
    else:
        yield "SQLite", contextlib.nullcontext(None)
        yield "PostgreSQL", clinic_made.postgresql()


def picture(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(draw(preset("naevus"), size=SIZE, seed=seed)).save(stream, "JPEG", quality=88)
    return stream.getvalue()


def measure(name: str, place: Place, users: int, asked: argparse.Namespace, pictures: list[bytes]) -> None:
    clinic = open_clinic(place, found=True)
    nurses = clinic_made.staff(clinic.database, Role.NURSE, clock=clinic.clock, count=users)
    spots = [lesion(clinic, number) for number in range(users)]
    clinic.database.close()
    with server(place, asked) as address:
        floor = analysis_alone(pictures[0])
        run = asyncio.run(load(address, list(zip(nurses, spots, strict=True)), pictures, asked.seconds))
    report(name, users, run, floor, asked.seconds)


def lesion(clinic: Clinic, number: int) -> str:
    """Of a new patient who has consented. Returns: its id."""
    with clinic.work(SYSTEM) as work:
        patient = people.register(work, pseudonym=f"L-{work.new_id()[-8:]}-{number}", birth_year=1970, sex="female",
                                  skin_type=2)
        work.session.flush()
        consent.give(work, patient_id=patient.id, scope=ConsentScope.CARE, language="en")
        made = lesions.add(work, patient_id=patient.id, label="Left forearm", body_site="upper_extremity",
                           map_view="front", map_x=0.3, map_y=0.4)
    return made.id


@contextmanager
def server(place: Place, asked: argparse.Namespace) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "MACULE_UPLOADS_PER_MINUTE": "1000000", "MACULE_AT_ONCE": str(asked.at_once),
        "MACULE_WAITING": str(asked.waiting), "OMP_WAIT_POLICY": "PASSIVE",
    }
    command = [sys.executable, "-m", "macule", "serve", "--plain-http", "--home", str(place.home), "--port", str(port)]
    command += ["--database", place.database] if place.database else []
    with (place.home / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield until_ready(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
            process.wait(30)


def until_ready(address: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}/readyz").status_code == 200:
                return address
        time.sleep(0.2)
    raise SystemExit("the server did not become ready.")


def analysis_alone(content: bytes) -> float:
    """Median seconds of one analysis, while the server idles."""
    analyzer, times = Analyzer(bundles.load()), []
    for _ in range(17):
        start = time.perf_counter()
        analyzer.analyze(content)
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


@dataclass(frozen=True)
class Nurse:
    """Somebody with a session and one lesion to photograph."""

    client: httpx.AsyncClient
    signed: clinic_made.Signed
    spot: str

    async def work(self, pictures: list[bytes], until: float, run: Run) -> None:
        turn = 0
        while time.monotonic() < until:
            await self.upload(pictures[turn % len(pictures)], run)
            turn += 1

    async def upload(self, content: bytes, run: Run) -> None:
        start = time.perf_counter()
        try:
            sent = await self._send(content)
            between = time.perf_counter()
            if sent.status_code != 303:
                run.others[str(sent.status_code)] += 1
                await asyncio.sleep(float(sent.headers.get("Retry-After", 0)))
                return
            page = await self.client.get(sent.headers["Location"], headers=self._headers)
        except httpx.TransportError as error:
            run.others[type(error).__name__] += 1
            return
        if page.status_code == 200 and "risk" in page.text.lower():
            run.times.append(time.perf_counter() - start)
            run.sent.append(between - start)
        else:
            run.others[f"page {page.status_code}" if page.status_code != 200 else "page without an answer"] += 1

    async def _send(self, content: bytes) -> httpx.Response:
        return await self.client.post(
            f"/lesions/{self.spot}/capture", headers=self._headers, data={"csrf_token": self.signed.csrf},
            files={"picture": ("spot.jpg", content, "image/jpeg")},
        )

    @property
    def _headers(self) -> dict[str, str]:
        cookie = f"{PLAIN_COOKIE}={self.signed.token}"
        return {"Cookie": cookie, "X-CSRF-Token": self.signed.csrf, "Sec-Fetch-Site": "same-origin"}


async def load(
    address: str, signed: list[tuple[clinic_made.Signed, str]], pictures: list[bytes], seconds: float
) -> Run:
    run, limits = Run(), httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        nurses = [Nurse(client, each, spot) for each, spot in signed]
        await nurses[0].upload(pictures[0], Run())  # warms the model up
        until = time.monotonic() + seconds
        await asyncio.gather(*(nurse.work(pictures, until, run) for nurse in nurses))
    return run


def report(name: str, users: int, run: Run, floor: float, seconds: float) -> None:
    others = ", ".join(f"{count} x {what}" for what, count in sorted(run.others.items())) or "none"
    if len(run.times) < 2:
        print(f"| {name} | {users} | {len(run.times)} | - | - | - | - | - | {others} |", flush=True)
        return
    middle, late = statistics.median(run.times), statistics.quantiles(run.times, n=20, method="inclusive")[-1]
    print(f"| {name} | {users} | {len(run.times)} | {len(run.times) / seconds:.1f} | {middle:.2f} | {late:.2f} | "
          f"{middle / floor:.1f} x {floor * 1000:.0f} ms | {statistics.median(run.sent):.2f} | {others} |", flush=True)


if __name__ == "__main__":
    main()
