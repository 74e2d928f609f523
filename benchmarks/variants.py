"""Size, speed and scores of the bundle variants, in one table: `make variants`.

Every bundle that is here (embedded, fetched, or given by --bundle) is timed in this one process, by turns, and its
scores are taken from its card. The figures go to docs/results/variants.json; the tables made of them stand between
markers in README.md and docs/variants.md. What was measured of a bundle that is not here today stays.

--check measures nothing: it fails if a table is not the one of the figures, or the figures' scores are not those of the
embedded bundles.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import variants_page as page
from PIL import Image

from macule.analysis import bundle as bundles
from macule.analysis import inventory, shelf
from macule.analysis.bundle import Bundle
from macule.analysis.network import Network
from macule.analysis.patient import VECTOR_LENGTH
from macule.analysis.pipeline import Analyzer
from macule.data.atomic import writing
from macule.errors import BundleNotFound
from macule.examples import draw, preset

ROOT = Path(__file__).parents[1]
FIGURES = Path("docs/results/variants.json")
PAGES = (Path("README.md"), Path("docs/variants.md"))
NAMES = ("lite", "default", "accurate")
#: A process that answers once and tells the most memory that it held, in MB: on Linux VmHWM, since ru_maxrss counts the
#: process that it was forked from too. ru_maxrss is in bytes on macOS.
MEMORY = """
import pathlib, resource, sys
from macule.analysis.bundle import load
from macule.analysis.pipeline import Analyzer
Analyzer(load(sys.argv[1]), threads=1).analyze(sys.stdin.buffer.read())
status = pathlib.Path("/proc/self/status")
lines = status.read_text().splitlines() if status.is_file() else []
high = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(most / 1e6 if sys.platform == "darwin" else (high or [most])[0] * 1024 / 1e6)
"""


def picture() -> bytes:
    """As large as those of HAM10000."""
    stream = io.BytesIO()
    Image.fromarray(draw(preset("naevus"), size=(600, 450), seed=1)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def actions(bundle: Bundle, content: bytes) -> dict[str, Callable[[], object]]:
    """What is timed of a bundle, on one core each: kind -> one call."""
    size = bundle.preprocessing.size
    images, patient = np.zeros((1, 3, size, size), np.float32), np.zeros((1, VECTOR_LENGTH), np.float32)
    network, own = Network(bundle.model, size=size, threads=1), Analyzer(bundle, threads=1)
    single = Analyzer(replace(bundle, preprocessing=replace(bundle.preprocessing, views=1)), threads=1)
    return {
        "graph": lambda: network.run(images, patient),
        "one_view": lambda: single.analyze(content),
        "own_views": lambda: own.analyze(content),
    }


def median_ms(action: Callable[[], object], repeats: int) -> float:
    """Of the processor's time: on one thread it is the clock's, but for the work of others on the machine."""
    times = []
    for _ in range(repeats + 1):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times[1:])


def by_turns(timed: Mapping[str, Mapping[str, Callable[[], object]]], rounds: int,
             repeats: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds: variant -> kind -> one median a round. Who begins changes, so that a noisy minute hits all."""
    found: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in kinds} for name, kinds in timed.items()}
    order = list(timed)
    for number in range(rounds):
        for kind in next(iter(timed.values())):
            for name in order if number % 2 == 0 else reversed(order):
                found[name][kind].append(median_ms(timed[name][kind], repeats))
    return found


def timing(own: Sequence[float], reference: Sequence[float]) -> dict[str, float]:
    ratios = [one / other for one, other in zip(own, reference, strict=True)]
    told = {"ms": statistics.median(own), "ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
    return {name: round(value, 3) for name, value in told.items()}


def memory(bundle: Bundle, content: bytes) -> float:
    done = subprocess.run([sys.executable, "-c", MEMORY, str(bundle.folder)], input=content, check=True,
                          stdout=subprocess.PIPE)
    return round(float(done.stdout), 1)


def scores(bundle: Bundle) -> dict[str, dict[str, Any]]:
    """Row of the table -> figure with its interval and n, of the exams in the bundle's card."""
    found = {}
    for row, (title, name) in page.SCORES.items():
        exam = _exam(bundle.metrics.get("exams", []), title)
        figure = None if exam is None else _figure(exam, name)
        if exam is not None and figure is not None:
            found[row] = {key: figure.get(key) for key in ("value", "low", "high", "n")} | {"leaky": exam["leaky"]}
    return found


def _exam(exams: Iterable[Mapping[str, Any]], title: str) -> Mapping[str, Any] | None:
    """By its title; in brackets after it may stand what the bundle was trained on."""
    return next((exam for exam in exams if exam["title"].split(" (")[0] == title), None)


def _figure(exam: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    code, _, of_class = name.partition(" ")
    return exam["classes"].get(code, {}).get(of_class) if of_class else exam.get(name)


def facts(bundle: Bundle) -> dict[str, Any]:
    """What a bundle is, without measuring."""
    content = json.loads((bundle.folder / bundles.MANIFEST).read_text(encoding="utf-8"))
    return {
        "sha256": bundle.sha256, "embedded": bundle.folder.parent == shelf.embedded(),
        "network": inventory.network(content), "px": bundle.preprocessing.size, "views": bundle.preprocessing.views,
        "bytes": inventory.size(bundle.folder), "scores": scores(bundle),
    }


def here(given: Sequence[str]) -> dict[str, Bundle]:
    """The variants of this machine, in the table's order. given: NAME=FOLDER each."""
    places = dict(each.partition("=")[::2] for each in given)
    found = {}
    for name in (*NAMES, *(name for name in places if name not in NAMES)):
        try:
            found[name] = bundles.load(places.get(name, name))
        except BundleNotFound:
            if name in places:
                raise
    return found


def measure(loaded: Mapping[str, Bundle], rounds: int, repeats: int) -> dict[str, dict[str, Any]]:
    """Raises: SystemExit without a `default`, which the ratios are to."""
    if "default" not in loaded:
        raise SystemExit("the ratios are to `default`, which is not here.")
    cv2.setNumThreads(1)
    content = picture()
    taken = by_turns({name: actions(bundle, content) for name, bundle in loaded.items()}, rounds, repeats)
    return {
        name: facts(bundle) | {kind: timing(own, taken["default"][kind]) for kind, own in taken[name].items()}
        | {"memory_mb": memory(bundle, content), "beside": loaded["default"].sha256}
        for name, bundle in loaded.items()
    }


def machine() -> str:
    """The kind of processor, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    told = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
    return told or platform.processor() or platform.machine()


def read(root: Path) -> dict[str, Any]:
    path = root / FIGURES
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"variants": {}}


def ordered(variants: Mapping[str, Any]) -> dict[str, Any]:
    names = [name for name in NAMES if name in variants]
    return {name: variants[name] for name in (*names, *(name for name in variants if name not in names))}


def write(root: Path, measured: Mapping[str, Any]) -> None:
    (root / FIGURES).write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    for name in PAGES:
        page.put(root / name, page.render(measured))


def record(bundle: Bundle, found: Mapping[str, Any], kind: str, day: str) -> None:
    """Put the speed into bundle.json, where `macule bundle list` reads it; it is no part of what decides answers."""
    path = bundle.folder / bundles.MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    content["metrics"]["speed"] = {
        "one_view_ms": found["graph"]["ms"], "picture_ms": found["own_views"]["ms"],
        "ratio_to_default": found["graph"]["ratio"], "cores": 1, "machine": kind, "measured": day,
    }
    with writing(path) as stream:
        stream.write(json.dumps(content, indent=2) + "\n")


def complaints(root: Path) -> list[str]:
    """What is out of date, a sentence each."""
    measured, found = read(root), []
    for name in shelf.names(shelf.embedded()):
        bundle, told = bundles.load(name), measured["variants"].get(name)
        if told is None:
            found.append(f"{FIGURES} has no {name}, which is embedded")
        elif told["scores"] != scores(bundle):
            found.append(f"{FIGURES} has other scores of {name} than its card")
        elif told["sha256"] != bundle.sha256:
            found.append(f"{FIGURES} speaks of another {name}: it has changed since it was timed")
    if measured["variants"]:
        found += [f"{name} has not the tables of {FIGURES}" for name in PAGES
                  if page.found(root / name) != page.render(measured)]
    return found


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="measure nothing; fail if a table is out of date")
    parser.add_argument("--bundle", action="append", default=[], metavar="NAME=FOLDER", help="one elsewhere")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=10, help="calls a round")
    parser.add_argument("--record", action="store_true", help="put the speeds into each bundle.json too")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of README.md and docs")
    return parser.parse_args()


def main() -> None:
    given = options()
    try:
        for name in PAGES:
            page.found(given.root / name)  # told now, and not after everything was timed
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    if given.check:
        if found := complaints(given.root):
            sys.exit("\n".join([*(f"{each}." for each in found), "Run: make variants"]))
        return
    loaded = here(given.bundle)
    timed, kind, day = measure(loaded, given.rounds, given.repeats), machine(), datetime.now(UTC).date().isoformat()
    measured = {"measured": day, "machine": kind, "rounds": given.rounds,
                "variants": ordered(read(given.root)["variants"] | timed)}
    write(given.root, measured)
    if given.record:
        for name, bundle in loaded.items():
            record(bundle, timed[name], kind, day)
    print(page.render(measured))


if __name__ == "__main__":
    main()
