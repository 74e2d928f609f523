"""What a heatmap is worth, picture by picture: does the answer follow what it marks, and does it mark the lesion?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis import explain, preprocess
from macule.analysis.arms import Frame
from macule.analysis.bundle import Bundle
from macule.analysis.calibration import Calibration
from macule.analysis.image import decode
from macule.analysis.patient import Patient, encode
from macule.data.record import Record
from macule.errors import UnreadableImage
from macule.evaluation.metrics import Floats

Pixels = NDArray[np.float32]
#: Pictures, float32 (N, 3, S, S), and patients, float32 (N, 13) -> logits, float32 (N, 11).
Ask = Callable[[Pixels, Pixels], Pixels]
#: Parts that are taken away, or given back, one after the other.
STEPS = 20
#: Standard deviation of the blur that stands in for what is taken away, as a share of the side. Petsiuk et al. blur
#: by 5 of 224 px, which leaves a lesion's colour and outline as they were.
BLUR = 0.1
#: Of the control that only knows that lesions lie in the middle, as a share of the side.
CENTRE = 0.2


@dataclass(frozen=True)
class Case:
    """One picture as the network sees it. tensor: float32, (3, S, S), normalised. patient: float32, (13,).

    mask: bool, (S, S): the lesion, where the publisher outlines it.
    """

    tensor: Pixels = field(repr=False)
    patient: Pixels = field(repr=False)
    mask: NDArray[np.bool_] | None = field(default=None, repr=False)


def case(bundle: Bundle, record: Record, *, with_patient: bool = True) -> Case:
    """Raises: InputError if the picture or its mask cannot be read."""
    seen, frame = of_picture(bundle, record.read(), record.patient if with_patient else Patient())
    return seen if record.mask is None else replace(seen, mask=_mask(record, frame, bundle.preprocessing.size))


def of_picture(bundle: Bundle, source: Path | bytes, patient: Patient) -> tuple[Case, Frame]:
    """As it is prepared for serving, and the part of the picture that it shows. Raises: InputError."""
    spec = bundle.preprocessing
    picture = decode(source, short_side=preprocess.decoding_side(spec.size))
    tensor, frame = preprocess.apply_framed(picture.rgb, spec)
    return Case(tensor, encode(patient)), frame


def _mask(record: Record, frame: Frame, size: int) -> NDArray[np.bool_] | None:
    """None where the outline is empty or lies outside what the network sees."""
    whole = cv2.imread(str(record.mask), cv2.IMREAD_GRAYSCALE)
    if whole is None:
        raise UnreadableImage(f"the mask {record.mask} cannot be read: get the data set again.")
    seen = frame.cut(np.repeat(np.asarray(whole, np.uint8)[..., None], 3, axis=2))
    mask = preprocess.squash(seen, size)[..., 0] > 127
    return mask if mask.any() else None


def fill(tensor: Pixels) -> Pixels:
    """The picture blurred until no structure is left. Returns: float32, (3, S, S)."""
    blurred = cv2.GaussianBlur(tensor.transpose(1, 2, 0), (0, 0), BLUR * tensor.shape[-1],
                               borderType=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(blurred.transpose(2, 0, 1), dtype=np.float32)


def perturbed(tensor: Pixels, heat: Pixels, *, seed: int = 0) -> Pixels:
    """Deletion and insertion (Petsiuk et al. 2018): the picture with its hottest parts blurred, and the blurred
    picture with its hottest parts given back, 0 to all in STEPS steps.

    heat: float32, (S, S). Equal heat is taken in random order. Returns: float32, (2 * (STEPS + 1), 3, S, S).
    """
    chance = np.random.default_rng(seed).permutation(heat.size)
    rank = np.empty(heat.size, np.float64)
    rank[np.lexsort((chance, -heat.ravel()))] = np.arange(heat.size) / heat.size
    hot = rank.reshape(heat.shape) < np.linspace(0, 1, STEPS + 1)[:, None, None]
    blurred = fill(tensor)
    deleted = np.where(hot[:, None], blurred, tensor)
    inserted = np.where(hot[:, None], tensor, blurred)
    return np.concatenate([deleted, inserted])


def curves(ask: Ask, shown: Case, heat: Pixels, *, how: Calibration, seed: int = 0) -> Floats:
    """Calibrated probabilities along deletion and insertion. Returns: float64, (2, STEPS + 1, 11)."""
    pictures = perturbed(shown.tensor, heat, seed=seed)
    logits = ask(pictures, np.repeat(shown.patient[None], len(pictures), axis=0))
    return how.shares(logits.astype(np.float64)).reshape(2, STEPS + 1, -1)


def area(curve: Floats) -> Floats:
    """Area under curves over the share of the picture that was changed, 0 to 1. curve: (..., STEPS + 1)."""
    return np.asarray(np.trapezoid(curve, dx=1 / STEPS, axis=-1))


def inside(heat: Pixels, mask: NDArray[np.bool_]) -> tuple[float, bool] | None:
    """The share of the heat that lies in the mask, and whether its maximum does (the pointing game, Zhang et al. 2018).

    None for a blank map.
    """
    total = float(heat.sum())
    if total <= 0:
        return None
    return float(heat[mask].sum()) / total, bool(mask.ravel()[int(heat.argmax())])


def enlarged(heat: Pixels, size: int) -> Pixels:
    """As the overlay shows it; float32, (size, size)."""
    return explain.enlarge(heat, size, size)


def positive(evidence: Pixels) -> Pixels:
    """What speaks for the class, 0 to 1, maximum 1; all 0 if nothing does."""
    kept = np.maximum(evidence, 0).astype(np.float32)
    peak = float(kept.max())
    return kept / np.float32(peak) if peak > 0 else kept


def random_map(size: int, cells: int, *, seed: int) -> Pixels:
    """A control: random heat in cells as large as those of the map that it stands beside; float32, (size, size)."""
    return enlarged(np.random.default_rng(seed).random((cells, cells), dtype=np.float32), size)


def centre_map(size: int) -> Pixels:
    """A control: heat in the middle, whatever the picture; float32, (size, size)."""
    line = (np.arange(size) + 0.5) / size - 0.5
    bell = np.exp(-(line / CENTRE) ** 2 / 2)
    return np.outer(bell, bell).astype(np.float32)


def rank_correlation(one: Pixels, other: Pixels) -> float:
    """Spearman's, with equal values sharing their rank. NaN if either map is of one value."""
    return pearson(_ranks(one.ravel()), _ranks(other.ravel()))


def pearson(one: Floats | Pixels, other: Floats | Pixels) -> float:
    """NaN if either is of one value."""
    left, right = (np.asarray(each, np.float64).ravel() - float(np.mean(each)) for each in (one, other))
    scale = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / scale if scale > 0 else float("nan")


def _ranks(values: Pixels) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place], np.float64)


def similarity(one: Pixels, other: Pixels) -> float:
    """Structural similarity (Wang et al. 2004) of two maps of 0 to 1, at least 11 px a side; Gaussian of 1.5 px."""
    x, y = (np.asarray(each, np.float64) for each in (one, other))

    def smooth(values: Floats) -> Floats:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT))

    mean_x, mean_y = smooth(x), smooth(y)
    var_x, var_y = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2
    both = smooth(x * y) - mean_x * mean_y
    small, smaller = 0.01**2, 0.03**2
    index = ((2 * mean_x * mean_y + small) * (2 * both + smaller)) / (
        (mean_x**2 + mean_y**2 + small) * (var_x + var_y + smaller))
    return float(index[5:-5, 5:-5].mean())
