"""Times the search for near duplicates at 5,000, 10,000 and 20,000 pictures, and prints how it grows.

    python benchmarks/duplicates.py --data ../shared/data [--threads 2]
    python benchmarks/duplicates.py --data ../shared/data --copies 200    # how many changed copies it finds

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
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis import image
from macule.data import duplicates, links, sources
from macule.data.engine import Local

Picture = NDArray[np.uint8]
Change = Callable[[Picture, np.random.Generator], Picture]

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


def turned(rgb: Picture, rng: np.random.Generator) -> Picture:
    """By any angle, black where nothing was."""
    height, width = rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(0, 360), 1.0)
    return cv2.warpAffine(rgb, matrix, (width, height))


def flipped(rgb: Picture, rng: np.random.Generator) -> Picture:
    return rgb[:, ::-1] if rng.random() < 0.5 else rgb[::-1]


def cropped(share: float) -> Change:
    """To a share of each side, anywhere."""
    def change(rgb: Picture, rng: np.random.Generator) -> Picture:
        height, width = (round(side * share) for side in rgb.shape[:2])
        top, left = rng.integers(rgb.shape[0] - height + 1), rng.integers(rgb.shape[1] - width + 1)
        return rgb[top:top + height, left:left + width]

    return change


def rescaled(rgb: Picture, rng: np.random.Generator) -> Picture:
    """Down to 35 to 80 %, so that detail is lost."""
    factor = rng.uniform(0.35, 0.8)
    return cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def recoloured(rgb: Picture, rng: np.random.Generator) -> Picture:
    """Gamma, a gain a channel, less contrast."""
    shown = (rgb / 255.0) ** rng.uniform(0.6, 1.6) * rng.uniform(0.7, 1.0, 3)
    return np.clip(255 * (shown * rng.uniform(0.6, 1.0) + rng.uniform(0, 0.15)), 0, 255).astype(np.uint8)


def everything(rgb: Picture, rng: np.random.Generator) -> Picture:
    for change in (cropped(0.75), flipped, turned, rescaled, recoloured):
        rgb = change(rgb, rng)
    return rgb


CHANGES: dict[str, Change] = {
    "turned": turned, "flipped": flipped, "cropped to 75 %": cropped(0.75), "cropped to 50 %": cropped(0.5),
    "rescaled": rescaled, "recoloured": recoloured, "all of these": everything,
}


def copies(data: Path, count: int, threads: int) -> None:
    """Changed copies of every n-th HAM10000 picture among 3,000 others: how many are found, how many falsely."""
    records = sources.load("ham10000", data / sources.find("ham10000").folder)[::3]
    originals = list(range(0, len(records), len(records) // count))[:count]
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        pictures = [record.picture for record in records]
        for name, change in CHANGES.items():
            for place in originals:
                rgb = change(image.decode(records[place].read()).rgb, rng)
                pictures.append(Path(folder) / f"{name.replace(' ', '-')}-{place}.jpg")
                cv2.imwrite(str(pictures[-1]), rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
        found = duplicates.search(pictures, Path(folder) / "work", engine=Local(threads), threads=threads)
    pairs = {(pair.first, pair.second) for pair in found.pairs}
    for number, name in enumerate(CHANGES):
        start = len(records) + number * len(originals)
        hits = sum((place, start + at) in pairs for at, place in enumerate(originals))
        print(f"{name}: {hits} of {len(originals)} found ({100 * hits / len(originals):.1f} %)")
    source = [*range(len(records)), *originals * len(CHANGES)]
    group = [records[place].group for place in source]
    known = links.read(Path(__file__).parent.parent / "docs/results/pairs.csv")
    strange = [(a, b) for a, b in pairs
               if (known.component.get(group[a]) or group[a]) != (known.component.get(group[b]) or group[b])]
    print(f"{len(pairs)} pairs, {len(strange)} of them of two lesions that no table or committed pair links")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--copies", type=int, help="in place of timing: how many pictures to change in each way")
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.copies:
        copies(given.data, given.copies, given.threads)
        return
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
