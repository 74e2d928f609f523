"""Time macule beside a plain PyTorch loop, in one run on one machine: `make benchmark`.

Prints a Markdown table; benchmarks/README.md holds one such run. The plain loop is what most projects ship: Pillow,
a resize, timm's network in eager mode, one picture after the other. It has the bundle's network and number of views;
its weights are ImageNet's, which does not change its timing.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from macule.analysis import bundle as bundles
from macule.analysis.network import Network
from macule.analysis.patient import VECTOR_LENGTH
from macule.analysis.pipeline import Analyzer
from macule.analysis.preprocess import make_views
from macule.examples import draw, preset
from macule.training import networks
from macule.training.networks import LesionNet
from macule.training.recipe import Network as Settings
from macule.training.recipe import Targets

ROOT = Path(__file__).parents[1]
FOLDER_PICTURES = 200


def median_ms(action: Callable[[], object], repeats: int) -> float:
    """Median wall time of one call in milliseconds, after two calls to warm up."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[2:])


def jpeg(size: tuple[int, int], seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(draw(preset("naevus"), size=(600, 450), seed=seed)).resize(size).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def plain_loop(paths: list[Path], network: LesionNet, size: int, views: int) -> None:
    patient = torch.zeros(views, VECTOR_LENGTH)
    for path in paths:
        rgb = np.asarray(Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
        tensor = ((rgb / np.float32(255) - np.float32(0.5)) / np.float32(0.5)).transpose(2, 0, 1)
        with torch.no_grad():
            torch.softmax(network(torch.from_numpy(make_views(tensor, views)), patient)[0].mean(0), dim=0)


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def install_megabytes(python: Path) -> float | None:
    """Size of everything that the base environment holds beyond pip itself; None if it has not been made."""
    (folder, *_) = [*python.parents[1].glob("lib/python3*/site-packages"), None]
    if folder is None:
        return None
    skipped = {"pip", "setuptools", "_distutils_hack"}
    return sum(f.stat().st_size for top in folder.iterdir() if top.name.split("-")[0] not in skipped
               for f in (top.rglob("*") if top.is_dir() else [top]) if f.is_file()) / 1e6


def main() -> None:
    loaded = bundles.load()
    size, views = loaded.preprocessing.size, loaded.preprocessing.views
    analyzer = Analyzer(loaded)
    rows = [("network, one view, one core", f"{network_ms(loaded):.1f} ms", "<= 20 ms")]
    large = jpeg((4000, 3000), seed=1)
    upload = median_ms(lambda: analyzer.analyze(large), 10)
    rows.append((f"12 MP JPEG to full result ({views} views)", f"{upload:.0f} ms", "-"))
    base = ROOT / ".venv/bin/macule"
    with tempfile.TemporaryDirectory() as folder:
        paths = fill(Path(folder))
        rows += folder_rows(analyzer, paths, size, views)
        rows.append(("process start to first answer", f"{first_answer(base, paths[0]):.2f} s", "<= 1.5 s"))
    megabytes = install_megabytes(base)
    rows.append(("base install", "run `make demo` first" if megabytes is None else f"{megabytes:.0f} MB", "<= 350 MB"))
    print(f"bundle {loaded.id}, {size} px, {views} views, {torch.get_num_threads()} cores\n")
    print("| what | measured | aim |\n| --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def network_ms(loaded: bundles.Bundle) -> float:
    size = loaded.preprocessing.size
    one, patient = np.zeros((1, 3, size, size), np.float32), np.zeros((1, VECTOR_LENGTH), np.float32)
    network = Network(loaded.model, size=size, threads=1)
    return median_ms(lambda: network.run(one, patient), 50)


def fill(folder: Path) -> list[Path]:
    content = [jpeg((600, 450), seed) for seed in range(8)]
    paths = [folder / f"{i}.jpg" for i in range(FOLDER_PICTURES)]
    for i, path in enumerate(paths):
        path.write_bytes(content[i % len(content)])
    return paths


def folder_rows(analyzer: Analyzer, paths: list[Path], size: int, views: int) -> list[tuple[str, str, str]]:
    rival = networks.build(Settings(backbone="lite1"), targets=Targets.DIAGNOSIS).eval()
    ours, theirs = [], []
    for _ in range(3):  # turn and turn about, so that a noisy minute hits both
        ours.append(len(paths) / seconds(lambda: list(analyzer.analyze_many(paths))))
        theirs.append(len(paths) / seconds(lambda: plain_loop(paths, rival, size, views)))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return [
        (f"folder of {len(paths)}, macule", f"{statistics.median(ours):.1f} pictures/s", "-"),
        (f"folder of {len(paths)}, plain PyTorch loop", f"{statistics.median(theirs):.1f} pictures/s", "-"),
        ("ratio, median of three rounds", f"{ratio:.1f} x", ">= 3 x"),
    ]


def first_answer(base: Path, picture: Path) -> float:
    """Median of five: a new process to its first line of JSON."""
    command = [str(base)] if base.exists() else [sys.executable, "-m", "macule.cli"]
    command += ["predict", str(picture), "--json"]
    return statistics.median(
        seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)) for _ in range(5)
    )


if __name__ == "__main__":
    main()
