"""A manifest of ISIC 2024's size built, hashed, read back and split: `python benchmarks/manifest.py [ROWS] [LAYOUT]`.

ROWS: 401,059 by default. LAYOUT: hdf5 (Kaggle's: one table, one HDF5 file with every picture, the default), files
(the same as single JPEGs) or tables (no pictures). The rows are generated; the pictures are one drawing of 3 kB, as
the real ones have on average, each with other bytes. They are written first, so that they are read from the page
cache: on a cold disk, add the time to read 1.2 GB. Every step runs in a process of its own, and its peak memory must
stay below 2 GB. Prints a Markdown table; benchmarks/README.md holds one run.
"""

from __future__ import annotations

import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import h5py
import numpy as np

from macule.data import manifest, parting, schemes, sources, splitfile

ROWS = 401_059
LIMIT_MB = 2048
PATIENTS = 1_042
MALIGNANT = 393
SITES = ("posterior torso", "anterior torso", "lower extremity", "upper extremity", "head/neck", "")
COLUMNS = ("isic_id", "target", "patient_id", "age_approx", "sex", "anatom_site_general", "image_type", "attribution",
           "copyright_license", "lesion_id", "iddx_full", "iddx_1", "iddx_2", "iddx_3", "iddx_4", "iddx_5")
MELANOMA = ("Malignant", "Malignant melanocytic proliferations (Melanoma)", "Melanoma in situ", "", "")
STEPS = ("build", "read", "split")


def rows(count: int) -> Iterator[tuple[object, ...]]:
    """Kaggle's columns. A patient has one age and sex and some 400 lesions, as there."""
    rng = random.Random(0)  # noqa: S311  # made-up rows, no secret
    step = max(count // MALIGNANT, 1)
    for number in range(count):
        patient, ill = rng.randrange(PATIENTS), number % step == 0
        path = MELANOMA if ill else ("Benign", "", "", "", "")
        yield (f"ISIC_{number:07}", int(ill), f"IP_{patient:07}", 15 + 5 * (patient % 15),
               ("male", "female")[patient % 2], SITES[rng.randrange(6)],
               "TBP tile: close-up", "Memorial Sloan Kettering Cancer Center", "CC-BY",
               f"IL_{number:07}" if ill else "", "::".join(filter(None, path)), *path)


def pictures(count: int) -> Iterator[tuple[str, bytes]]:
    """A JPEG of about 3 kB, a comment in each making its bytes its own."""
    noise = np.random.default_rng(0).integers(90, 200, (72, 72, 3), np.uint8)
    content = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
    for number in range(count):
        comment = f"{number:08}".encode()
        yield f"ISIC_{number:07}", content[:2] + b"\xff\xfe\x00\x0a" + comment + content[2:]


def generate(root: Path, count: int, layout: str) -> None:
    with (root / "train-metadata.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([COLUMNS])
        csv.writer(stream).writerows(rows(count))
    if layout == "hdf5":
        with h5py.File(root / "train-image.hdf5", "w") as file:
            for name, content in pictures(count):
                file[name] = np.void(content)
    elif layout == "files":
        folder = root / "train-image" / "image"
        folder.mkdir(parents=True)
        for name, content in pictures(count):
            (folder / f"{name}.jpg").write_bytes(content)


def build(root: Path, out: Path) -> None:
    reading = sources.Reading("isic2024", root, tables_allowed=True)
    manifest.write(out, sources.read(reading), roots={"isic2024": root})


def read(_: Path, out: Path) -> None:
    """Every row checked, and the hash of all."""
    manifest.read(out)


def split(_: Path, out: Path) -> None:
    """The reading before it is counted as well."""
    parted = parting.part(manifest.read(out), schemes.parse("70/15/15"))
    splitfile.write(out.with_name("split.parquet"), parted.split)


def run(step: Callable[[Path, Path], None], root: Path, out: Path) -> None:
    """One step in this process; prints its seconds, those of a core that it used (start included), and its peak."""
    start = time.perf_counter()
    step(root, out)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": time.process_time(), "mb": peak}))


def main(count: int, layout: str) -> None:
    with tempfile.TemporaryDirectory(prefix="macule-benchmark-") as folder:
        root, out = Path(folder), Path(folder, "manifest.parquet")
        generate(root, count, layout)
        print(f"| {count:,} rows, {layout} | seconds | of a core | rows a second | peak MB |\n"
              "| --- | ---: | ---: | ---: | ---: |")
        for step in STEPS:
            command = [sys.executable, __file__, step, str(root), str(out)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            seconds, peak = found["seconds"], found["mb"]
            print(f"| {step} | {seconds:.1f} | {found['cpu']:.1f} | {count / seconds:,.0f} | {peak:,.0f} |", flush=True)
            if peak >= LIMIT_MB:
                raise SystemExit(f"{step} took {peak:,.0f} MB; less than {LIMIT_MB} is allowed.")
        print(f"\nThe manifest holds {out.stat().st_size / 1e6:.1f} MB.")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in STEPS:
        run({"build": build, "read": read, "split": split}[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else ROWS,
             sys.argv[2] if len(sys.argv) > 2 else "hdf5")
