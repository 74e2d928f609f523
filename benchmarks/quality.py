"""How many real pictures the quality checks refuse, and how many spoiled copies: `python benchmarks/quality.py DATA`.

DATA is the folder that holds the data sets as unzipped. Prints two Markdown tables; benchmarks/README.md holds one run.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis.image import Picture, decode
from macule.analysis.quality import assess
from macule.data import sources

SPOILED = 150  # pictures of each of two sets that are spoiled
Spoil = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def blur(sigma: float) -> Spoil:
    return lambda rgb: np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), np.float32)


def gain(factor: float) -> Spoil:
    return lambda rgb: rgb * np.float32(factor)


def flat(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Plain skin: the picture's median colour with a little sensor noise."""
    noise = np.random.default_rng(0).normal(0, 4, rgb.shape)
    return np.asarray(np.median(rgb.reshape(-1, 3), axis=0) + noise, np.float32)


WAYS: dict[str, Spoil] = {
    "blur, sigma 1 px at 256 px": blur(1), "blur, 1.5 px": blur(1.5), "blur, 2 px": blur(2), "blur, 3 px": blur(3),
    "darkened to 0.5": gain(0.5), "darkened to 0.3": gain(0.3), "darkened to 0.15": gain(0.15),
    "over-exposed 1.6 times": gain(1.6), "over-exposed 2.2 times": gain(2.2), "flat skin": flat,
}


def failed_checks(picture: Picture) -> list[str]:
    return [check.name for check in assess(picture).checks if not check.passed]


def spoiled(path: Path, way: Spoil) -> Picture:
    rgb = decode(path).rgb
    scale = min(1.0, 256 / min(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    bad = np.clip(way(small), 0, 255).astype(np.uint8)
    return Picture(rgb=bad, width=bad.shape[1], height=bad.shape[0], format="JPEG")


def tally(failures: Sequence[Sequence[str]]) -> str:
    refused = sum(bool(names) for names in failures)
    reasons = Counter(name for names in failures for name in names)
    shown = ", ".join(f"{name} {count}" for name, count in reasons.most_common())
    return f"{len(failures)} | {refused} ({refused / len(failures):.1%}) | {shown}"


def main(data: Path) -> None:
    cv2.setNumThreads(1)
    sets = {name: sorted(record.picture for record in sources.load(name, data / sources.find(name).folder)
                         if record.picture)
            for name in ("ham10000", "isic2017", "isic2018", "milk10k")}
    with ThreadPoolExecutor() as pool:
        print("| real pictures | n | refused | failed checks |\n| --- | --- | --- | --- |")
        for name, paths in sets.items():
            print(f"| {name} | {tally(list(pool.map(lambda path: failed_checks(decode(path)), paths)))} |")
        rng = random.Random(0)  # noqa: S311  # a sample, not a secret
        chosen = rng.sample(sets["ham10000"], SPOILED) + rng.sample(sets["milk10k"], SPOILED)
        print("\n| spoiled copies | n | refused | failed checks |\n| --- | --- | --- | --- |")
        for name, way in WAYS.items():
            failures = list(pool.map(lambda path, way=way: failed_checks(spoiled(path, way)), chosen))  # type: ignore[misc]
            print(f"| {name} | {tally(failures)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
