"""Before anything else, does training work here? Two classes that anyone can tell apart, drawn and not photographed.

System B began so: a network that cannot learn these cannot learn melanoma, and the fault is in the machine or the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis import bundle as bundles
from macule.analysis.calibration import SUSPICIOUS
from macule.data.sources.folder import FOLDER, KINDS
from macule.errors import MaculeError, TrainingFault
from macule.training import bundling

RGB = NDArray[np.uint8]

RECALL = 0.98
EACH = 180  # pictures a class
SIDE = 256  # pixels: the quality gate that pictures pass in serving refuses smaller ones than 224
SKIN, BROWN, BLACK, BLUE = np.array([(206, 160, 136), (140, 92, 66), (52, 38, 40), (78, 88, 120)], np.float32)


@dataclass(frozen=True)
class Found:
    """What the locked part's answers came to. sensitivity: recall of malignant; specificity: recall of benign."""

    sensitivity: float
    specificity: float
    pictures: int

    def __str__(self) -> str:
        return (f"recall {self.sensitivity:.1%} of malignant and {self.specificity:.1%} of benign, of {self.pictures} "
                "locked pictures")


    def need(self) -> None:
        """Raises: TrainingFault below system B's 98 % in either class."""
        if min(self.sensitivity, self.specificity) < RECALL:
            raise TrainingFault(f"{self}; {RECALL:.0%} is needed of pictures that anyone can tell apart: training does "
                                "not work here. Look at the run's curve, and at the versions in run.json.")


def draw(folder: Path) -> Path:
    """The set in folders benign/ and malignant/, always the same; what is drawn already stays.

    Returns: the folder that holds data sets, as `--data` takes it.
    """
    for kind, malignant in KINDS.items():
        place = folder / FOLDER.folder / kind
        place.mkdir(parents=True, exist_ok=True)
        for number in range(EACH):
            path = place / f"{number:03}.jpg"
            if not path.exists():
                _write(path, picture(np.random.default_rng((number, int(malignant))), malignant=malignant))
    return folder


def picture(rng: np.random.Generator, *, malignant: bool) -> RGB:
    """A spot on skin: round, even and brown, or jagged, black and blue. uint8, shape (SIDE, SIDE, 3), sRGB."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE - 0.5
    x, y = x - np.float32(rng.uniform(-0.06, 0.06)), y - np.float32(rng.uniform(-0.06, 0.06))
    angle = np.arctan2(y, x)
    jagged = 0.25 * np.sin(7 * angle + rng.uniform(0, 6)) + 0.15 * np.sin(4 * angle + rng.uniform(0, 6))
    edge = rng.uniform(0.26, 0.32) * (1 + jagged) if malignant else rng.uniform(0.14, 0.18)
    inside = np.clip((edge - np.hypot(x, y)) * 60, 0, 1)[..., None]
    patches = (_noise(rng, 24) > 0)[..., None]
    spot = np.where(patches, BLUE, BLACK) if malignant else BROWN
    skin = SKIN * np.float32(rng.uniform(0.9, 1.08))
    # Texture at two scales: a flat picture would be refused as blurred.
    shown = skin + (spot - skin) * inside + (5 * _noise(rng, 0.7) + 6 * _noise(rng, 3))[..., None]
    return np.asarray(np.clip(shown, 0, 255), np.uint8)


def found(run: Path, bundle_folder: Path | None = None) -> Found:
    """How well the run tells its locked part apart, by the greater probability, as its bundle would say.

    bundle_folder: where it was written; None is the run's folder.
    Raises: MaculeError if the run is of other pictures.
    """
    place = bundle_folder or run / "bundle"
    with np.load(run / bundling.PREDICTIONS) as kept:
        names, logits = kept["test"].tolist(), kept["test_logits"]
    kinds = [str(name).removeprefix(f"{FOLDER.id}:").partition("/")[0] for name in names]
    if not set(KINDS) == set(kinds):
        raise MaculeError(f"{run} was scored on {', '.join(sorted(set(kinds))) or 'nothing'}, not on benign and "
                          "malignant pictures: it is no sanity run.")
    truth = np.array([KINDS[kind] for kind in kinds])
    shares = bundles.load(place).calibration.shares(logits)
    called = shares[:, SUSPICIOUS].sum(axis=1) >= 0.5
    return Found(float(called[truth].mean()), float((~called[~truth]).mean()), len(names))


def _noise(rng: np.random.Generator, sigma: float) -> NDArray[np.float32]:
    """Of deviation 1, smooth over `sigma` pixels. float32, shape (SIDE, SIDE)."""
    # Drawn small and enlarged, since a wide blur is slow.
    step = max(1, int(sigma / 2))
    small = rng.standard_normal((-(-SIDE // step),) * 2, dtype=np.float32)
    smooth = cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / step), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth / smooth.std(), np.float32)


def _write(path: Path, rgb: RGB) -> None:
    """Complete or not at all, so that a killed run draws the picture again."""
    _, coded = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    partial = path.with_suffix(".partial")
    partial.write_bytes(coded.tobytes())
    partial.replace(path)
