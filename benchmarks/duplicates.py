"""Times the search for near duplicates at 5,000, 10,000 and 20,000 pictures, and prints how it grows.

    python benchmarks/duplicates.py --data ../shared/data [--threads 2]

The pictures are those of HAM10000, MILK10k, ISIC 2017 and ISIC 2018, evenly thinned; each size runs in a process of its
own with an empty work folder, so that nothing is read from an earlier run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from macule.data import duplicates, sources
from macule.data.engine import Local

SIZES = (5_000, 10_000, 20_000)
SETS = ("ham10000", "milk10k", "isic2017", "isic2018")


def measure(data: Path, size: int, threads: int) -> dict[str, float]:
    """Seconds of each step, peak memory in MB, candidates and pairs."""
    records = [r for name in SETS for r in sources.load(name, data / sources.find(name).folder)]
    pictures = [r.picture for r in records]
    count = min(size, len(pictures))
    pictures = [pictures[place * len(pictures) // count] for place in range(count)]
    steps: list[tuple[str, float]] = []

    def progress(title: str, _count: int) -> object:
        steps.append((title, time.perf_counter()))
        return lambda: None

    with tempfile.TemporaryDirectory() as work:
        found = duplicates.search(pictures, Path(work), engine=Local(threads), threads=threads, progress=progress)
    steps.append(("end", time.perf_counter()))
    seconds = {title: after - before for (title, before), (_, after) in pairwise(steps)}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"pictures": count, **seconds, "seconds": sum(seconds.values()), "MB": memory,
            "candidates": found.candidates, "pairs": len(found.pairs)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.size:
        print(json.dumps(measure(given.data, given.size, given.threads)))
        return
    rows = []
    for size in SIZES:
        command = [sys.executable, __file__, "--data", str(given.data), "--threads", str(given.threads),
                   "--size", str(size)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(json.dumps({name: round(value, 1) for name, value in rows[-1].items()}), flush=True)
    for step in ("reading pictures", "looking for candidates", "comparing candidates", "seconds"):
        grown = [math.log(after[step] / before[step]) / math.log(after["pictures"] / before["pictures"])
                 for before, after in pairwise(rows)]
        print(f"{step}: grows as n^" + ", n^".join(f"{power:.2f}" for power in grown))


if __name__ == "__main__":
    main()
