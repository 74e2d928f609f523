"""How well two pictures of one lesion are laid over each other, and how true the figures of its change are.

    python benchmarks/change.py [--pairs 120]               drawn pairs, whose change is known
    python benchmarks/change.py --ham DIR [--pairs 400]     lesions of HAM10000 with several pictures, and wrong pairs
    python benchmarks/change.py --isic2017 DIR [--pairs 150] [--skip 150]   the outline against dermatologists' masks;
        the outline's settings were chosen on the first 150, so skip those

A drawn pair is one lesion, drawn twice: the later with another size (area 0.8 to 1.5), more or less pigment, other
light (exposure 0.8 to 1.2, a cast of up to 8 %), turned by up to 25 degrees, scaled by 0.85 to 1.18 twice, shifted, and
with noise of its own. Seeds 0, 1, 2, ...
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis import change
from macule.analysis.change import Alignment, Refusal, figures
from macule.examples import Kind, draw_with_mask, preset

DRAWN, SEEN = (900, 675), (600, 450)
KINDS = [kind for kind in Kind if kind is not Kind.PLAIN]
Rgb, Mask, F64 = NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """truth: earlier -> later. growth: of the area. before, after: the lesion's figures, drawn large in plain light."""

    kind: Kind
    earlier: Rgb
    later: Rgb
    truth: F64
    mask: Mask
    growth: float
    before: figures.Figures
    after: figures.Figures


def drawn(seed: int) -> Pair:
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    radius = preset(kind).radius * 0.6 * rng.uniform(0.8, 1.2)
    scene = replace(preset(kind), radius=radius, tone=int(rng.integers(1, 6)))
    larger = replace(scene, radius=scene.radius * math.sqrt(rng.uniform(0.8, 1.5)),
                     pigment=min(4.0, scene.pigment * rng.uniform(0.9, 1.4)))
    red, green, blue = rng.uniform(0.92, 1.08, 3)
    lit = replace(larger, exposure=rng.uniform(0.8, 1.2), cast=(red, green, blue))
    (one, mask_one), (other, mask_other) = (draw_with_mask(each, size=DRAWN, seed=seed) for each in (scene, lit))
    plain, _ = draw_with_mask(larger, size=DRAWN, seed=seed)
    first, second = _view(rng, 0.0), _view(rng, rng.uniform(-25, 25))
    return Pair(
        kind, _taken(one, first, rng), _taken(other, second, rng), _between(first, second),
        cv2.warpAffine(mask_other.astype(np.uint8), second, SEEN) > 0, float(mask_other.sum() / mask_one.sum()),
        figures.measure(one, mask_one), figures.measure(plain, mask_other),
    )


def _view(rng: np.random.Generator, degrees: float) -> F64:
    scale, turn = rng.uniform(0.85, 1.18), math.radians(degrees)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return np.hstack([linear, (np.array(SEEN) / 2 + rng.uniform(-25, 25, 2) - linear @ np.array(DRAWN) / 2)[:, None]])


def _taken(picture: Rgb, view: F64, rng: np.random.Generator) -> Rgb:
    seen = cv2.warpAffine(picture, view, SEEN, borderMode=cv2.BORDER_REFLECT)
    return np.clip(seen + rng.normal(0, 2, seen.shape), 0, 255).astype(np.uint8)


def _between(first: F64, second: F64) -> F64:
    whole = [np.vstack([each, [0, 0, 1]]) for each in (first, second)]
    return np.asarray((whole[1] @ np.linalg.inv(whole[0]))[:2])


def on_drawn(pairs: int) -> None:
    errors: dict[str, list[float]] = defaultdict(list)
    aligned, refused, wrong, before = 0, 0, 0, None
    for seed in range(pairs):
        pair = drawn(seed)
        wrong += before is not None and _aligned(before, pair.later)
        before = pair.earlier
        began = time.perf_counter()
        found = change.compare(pair.earlier, pair.later)
        errors["time, ms"].append((time.perf_counter() - began) * 1000)
        refused += isinstance(found.alignment, Refusal)
        if isinstance(found.alignment, Alignment):
            aligned += 1
            _place_errors(errors, pair, found.alignment)
        if found.change is not None and found.outlines[1] is not None:
            _figure_errors(errors, pair, found.change, found.outlines[1])
    print(f"aligned {aligned} of {pairs} (refused {refused}); different lesions: {wrong} of {pairs - 1}\n")
    print("| figure | n | median | median of the absolute error | 95 % of the errors |\n" + "| --- " * 5 + "|")
    for name, values in errors.items():
        low, high = np.percentile(values, [2.5, 97.5])
        print(f"| {name} | {len(values)} | {np.median(values):.2f} | {np.median(np.abs(values)):.2f} "
              f"| {low:.2f} to {high:.2f} |")


def _place_errors(errors: dict[str, list[float]], pair: Pair, found: Alignment) -> None:
    grid = np.stack(np.meshgrid([150, 300, 450], [112, 225, 338]), -1).reshape(-1, 2)
    off = grid @ (found.matrix[:, :2] - pair.truth[:, :2]).T + found.matrix[:, 2] - pair.truth[:, 2]
    errors["place, px of 600 x 450"].append(float(np.hypot(*off.T).mean()))
    errors["scale, %"].append(100 * (found.scale / math.hypot(pair.truth[0, 0], pair.truth[1, 0]) - 1))


def _figure_errors(errors: dict[str, list[float]], pair: Pair, found: change.Change, outline: Mask) -> None:
    if found.area_percent is not None:
        errors["area change, points of %"].append(found.area_percent - 100 * (pair.growth - 1))
    true_shift = float(change.delta_e(pair.before.lab, pair.after.lab))
    errors["mean colour change, Delta E 2000"].append(found.delta_e - true_shift)
    errors["asymmetry, mean of both axes"].append((sum(found.later.asymmetry) - sum(pair.after.asymmetry)) / 2)
    errors["border irregularity"].append(found.later.border - pair.after.border)
    moved = found.later.spread - found.earlier.spread
    errors["change of the colours' spread, Delta E"].append(moved - (pair.after.spread - pair.before.spread))
    errors["outline, overlap (IoU)"].append(float((outline & pair.mask).sum() / (outline | pair.mask).sum()))


def on_ham(folder: Path, pairs: int) -> None:
    rows = list(csv.DictReader((folder / "HAM10000_metadata.csv").open()))
    lesions: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        lesions[row["lesion_id"]].append(row["image_id"])
    rng = random.Random(5)  # noqa: S311 - a sample, no secret
    several = [ids for ids in lesions.values() if len(ids) > 1]
    rng.shuffle(several)
    firsts = [ids[0] for ids in lesions.values()]
    same = [(ids[0], ids[1]) for ids in several[:pairs]]
    different = [tuple(rng.sample(firsts, 2)) for _ in range(2 * pairs)]
    for name, chosen in (("one lesion", same), ("different lesions", different)):
        found = [_aligned(_read(folder, one), _read(folder, other)) for one, other in chosen]
        print(f"{name}: {sum(found)} of {len(found)} aligned ({sum(found) / len(found):.1%})")


def _aligned(one: Rgb, other: Rgb) -> bool:
    lesions = change.outline(one), change.outline(other)
    return isinstance(change.align(one, other, lesions=lesions), Alignment)


def _read(folder: Path, name: str) -> Rgb:
    path = next(folder.glob(f"HAM10000_images_part_*/{name}.jpg"))
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def on_isic2017(folder: Path, pairs: int, skip: int) -> None:
    masks = sorted((folder / "ISIC-2017_Training_Part1_GroundTruth").glob("*.png"))
    random.Random(3).shuffle(masks)  # noqa: S311 - a sample, no secret
    overlaps, areas, missing = [], [], 0
    for path in masks[skip:skip + pairs]:
        name = path.name.replace("_segmentation.png", ".jpg")
        picture = np.ascontiguousarray(cv2.imread(str(folder / "ISIC-2017_Training_Data" / name))[..., ::-1])
        true = cv2.resize(cv2.imread(str(path), 0), picture.shape[1::-1]) > 127
        found = change.outline(picture)
        if found is None:
            missing += 1
            continue
        overlaps.append((found & true).sum() / (found | true).sum())
        areas.append(found.sum() / true.sum())
    print(f"n {len(overlaps)}, not found {missing}; IoU mean {np.mean(overlaps):.2f}, "
          f"median {np.median(overlaps):.2f}, 10th percentile {np.percentile(overlaps, 10):.2f}; "
          f"area / true area, median {np.median(areas):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--ham", type=Path)
    parser.add_argument("--isic2017", type=Path)
    parser.add_argument("--skip", type=int, default=0, help="pictures of ISIC 2017 to leave out first")
    asked = parser.parse_args()
    if asked.ham:
        on_ham(asked.ham, asked.pairs or 400)
    elif asked.isic2017:
        on_isic2017(asked.isic2017, asked.pairs or 150, asked.skip)
    else:
        on_drawn(asked.pairs or 120)


if __name__ == "__main__":
    main()
