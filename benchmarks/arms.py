"""What the preparation arms do to real pictures, and what they cost: `python benchmarks/arms.py DATA`.

DATA is the folder that holds ISIC2017 (with its part 1 masks), HAM10000 and MILK10k as unzipped. Prints three Markdown
tables; docs/preparation.md holds one run. Times are of the process, so that work beside it counts little.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis import arms, preprocess
from macule.analysis.arms import lesion_crop
from macule.analysis.image import decode
from macule.data import sources

#: The limits of `macule.analysis.arms.lesion` were set on the first 600 of the shuffled pictures with a mask.
SEED, SET_ON, SCORED, SAMPLE = 5, 600, 300, 300
Picture = NDArray[np.uint8]


def masked(data: Path) -> Iterator[tuple[Picture, NDArray[np.bool_]]]:
    """Every picture of ISIC 2017 with a mask, in the mask's shape (the copies here are squashed), shuffled."""
    paths = {path.name.removesuffix("_segmentation.png"): path
             for path in (data / "ISIC2017").glob("ISIC-2017_*_Part1_GroundTruth/*_segmentation.png")}
    pictures = {path.stem: path for path in (data / "ISIC2017").glob("ISIC-2017_*_Data/*.jpg") if path.stem in paths}
    names = sorted(pictures)
    random.Random(SEED).shuffle(names)  # noqa: S311  # a sample, not a secret
    for name in names[:SET_ON] + names[-SCORED:]:
        mask = np.asarray(cv2.imread(str(paths[name]), cv2.IMREAD_GRAYSCALE)) > 127
        yield np.asarray(cv2.resize(decode(pictures[name]).rgb, mask.shape[::-1]), np.uint8), mask


def crop_table(data: Path) -> None:
    rows = [_crop(rgb, mask) for rgb, mask in masked(data)]
    print("| ISIC 2017 | n | lesion kept: median | 5th percentile | 1st percentile | at least 95 % kept | left whole "
          "| picture kept: mean | with the mask's own box |\n|---|---|---|---|---|---|---|---|---|")
    for title, part in (("the limits were set on these", rows[:SET_ON]), ("others", rows[SET_ON:])):
        kept, area, own = np.array(part).T
        print(f"| {title} | {len(part)} | {np.median(kept):.3f} | {np.quantile(kept, 0.05):.3f} "
              f"| {np.quantile(kept, 0.01):.3f} | {(kept >= 0.95).mean():.1%} | {(area == 1).mean():.1%} "
              f"| {area.mean():.1%} | {own.mean():.1%} |")


def _crop(rgb: Picture, mask: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Shares: of the lesion that the crop keeps; of the picture that it keeps; of that in the box of the mask."""
    as_picture = np.repeat(mask[..., None], 3, axis=2).astype(np.uint8)
    kept = lesion_crop.find(rgb).cut(as_picture)[..., 0]
    own = lesion_crop.around(mask, *rgb.shape[:2]).cut(as_picture)[..., 0]
    return kept.sum() / mask.sum(), kept.size / mask.size, own.size / mask.size


def sample(data: Path) -> dict[str, list[Path]]:
    rng = random.Random(SEED)  # noqa: S311
    ham, milk = (sources.load(name, data / sources.find(name).folder) for name in ("ham10000", "milk10k"))
    close = [record for record in milk if record.patient.modality == "clinical"]
    return {title: rng.sample(sorted(record.picture for record in records if record.picture), SAMPLE)
            for title, records in (("HAM10000, dermoscopic", ham), ("MILK10k, close-ups", close))}


def touch_table(chosen: dict[str, list[Path]]) -> None:
    print("\n| pictures | arm | n | touched at all | more than 1 % of the pixels | more than 10 % |")
    print("|---|---|---|---|---|---|")
    for title, paths in chosen.items():
        pictures = [decode(path).rgb for path in paths]
        for name in ("hair", "glare"):
            shares = np.array([(arms.apply(rgb, [name]) != rgb).any(axis=2).mean() for rgb in pictures])
            print(f"| {title} | {name} | {len(paths)} | {(shares > 0).mean():.1%} | {(shares > 0.01).mean():.1%} "
                  f"| {(shares > 0.1).mean():.1%} |")


def speed_table(paths: list[Path]) -> None:
    small = [path.read_bytes() for path in paths]
    pictures = [preprocess.clean(decode(content).rgb, arms=(), short_side=256) for content in small]
    large = _photograph(pictures[0])
    photograph = _milliseconds(lambda _: decode(large), pictures[:20])
    copy = _milliseconds(decode, small)
    print("\n| what | ms a picture, one core | of decoding 12 megapixels | of decoding a 256 px copy |")
    print("|---|---|---|---|")
    rows = [("decoding a 12 megapixel JPEG", photograph), ("decoding a JPEG of 256 px", copy)]
    rows += [(f"`{name}`", _milliseconds(lambda rgb, name=name: arms.apply(rgb, [name]), pictures))
             for name in arms.ARMS]
    for what, cost in rows:
        print(f"| {what} | {cost:.1f} | {cost / photograph:.2f} | {cost / copy:.1f} |")


def _photograph(rgb: Picture) -> bytes:
    """A JPEG of 12 megapixels with a sensor's noise: without it, it would decode too fast."""
    large = cv2.resize(rgb, (4000, 3000), interpolation=cv2.INTER_CUBIC)
    noisy = large + np.random.default_rng(0).normal(0, 5, (3000, 4000, 1))
    return cv2.imencode(".jpg", noisy.clip(0, 255).astype(np.uint8)[..., ::-1])[1].tobytes()


def _milliseconds(work: Callable[..., object], inputs: list[Picture] | list[bytes]) -> float:
    started = time.process_time()
    for each in inputs:
        work(each)
    return (time.process_time() - started) / len(inputs) * 1000


def main(data: Path) -> None:
    cv2.setNumThreads(1)
    crop_table(data)
    chosen = sample(data)
    touch_table(chosen)
    speed_table(chosen["HAM10000, dermoscopic"][:100])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
