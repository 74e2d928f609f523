"""The gate's classifiers of presence: they tell a picture of a lesion from one without, in the network's embedding.

They are shown training pictures; pictures that are drawn (`evaluation.not_lesions.LEARNABLE`); and plain skin, cut from
the corners of training pictures, with drawn skin. Drawn pictures are told by a few small networks with one hidden
layer, skin by a linear classifier. Their limits come from real lesions of the calibration part alone, so that the share
of lesions that is flagged or refused is chosen, and nothing is fitted to what the exam shows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from macule.analysis import preprocess
from macule.analysis.batch import cores, in_order
from macule.analysis.gate import Hidden, Presence
from macule.analysis.image import decode
from macule.analysis.pipeline import Analyzer
from macule.analysis.quality import contrast
from macule.data.record import Record
from macule.errors import MaculeError, MissingExtra, TooFewPictures
from macule.evaluation import not_lesions

#: Fewer training pictures do not tell what a lesion looks like from what does not.
LEAST_PICTURES = 500
#: Share of real calibration pictures that each classifier lets pass unflagged, and that it does not refuse. Closer to 1
#: than a few pictures of the calibration part, a limit is the score of one strange picture and moves with it.
FLAG_QUANTILE, REFUSE_QUANTILE = 0.995, 0.9975
#: Inverse regularisation on standardised embeddings; on the first network 0.1 did as well and 0.001 less.
INVERSE_REGULARISATION = 0.01
#: Small networks whose answers are averaged, their hidden units, weight decay and rounds through the pictures. A decay
#: of 0.1 and one of 10 each let a few more pictures pass (docs/out-of-distribution.md).
MEMBERS, UNITS, DECAY, ROUNDS = 3, 32, 1.0, 30
#: Drawn pictures of each kind, and corners of training pictures.
PER_KIND, CORNERS = 150, 500
#: The learnable kind that is shown to the classifier of plain skin as well.
LIKE_SKIN = "hides"
#: Share of each side that a corner has; how much may stand out in it (`quality.contrast`); its least mean grey level.
CORNER, MOST_CONTRAST, LEAST_BRIGHTNESS = (0.3, 0.45), 14.0, 60.0
KINDS = ("drawn", "skin")


def fit(train: NDArray[np.float32], without: Sequence[NDArray[np.float32]], calibration: NDArray[np.float32], *,
        seed: int = 0) -> Presence:
    """Classifiers that tell embeddings of training pictures from those of pictures without a lesion, one for each group
    of such pictures: with a hidden layer for the first, linear for the others. The limits come from real pictures of
    the calibration part alone.

    train, calibration: shape (N, D). without: each of shape (M, D).

    Raises: TooFewPictures; MissingExtra without scikit-learn.
    """
    need(len(train))
    first, *others = without
    found = [limited(*linear(train, group), calibration) for group in others]
    weights = np.stack([weights for weights, _ in found], axis=1) if found else np.zeros((train.shape[1], 0))
    return Presence(weights, np.array([offset for _, offset in found]),
                    limited_hidden(hidden(train, first, seed=seed), calibration))


def need(train: int) -> None:
    """train: pictures. Raises: TooFewPictures."""
    if train < LEAST_PICTURES:
        raise TooFewPictures(f"{train} training pictures; {LEAST_PICTURES} are needed to tell pictures without a "
                             "lesion: give more data.")


def linear(train: NDArray[np.float32], without: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Weights and offset of the log-odds that there is no lesion, both groups counting the same in all."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise MissingExtra("the gate needs scikit-learn: pip install 'macule[training]'.") from error
    mean, scale = train.mean(axis=0), train.std(axis=0) + 1e-6
    rows = (np.vstack([train, without]) - mean) / scale
    wanted = np.r_[np.zeros(len(train)), np.ones(len(without))]
    model = LogisticRegression(C=INVERSE_REGULARISATION, class_weight="balanced", max_iter=1000).fit(rows, wanted)
    weights = np.asarray(model.coef_[0] / scale, np.float64)
    return weights, float(model.intercept_[0] - weights @ mean)


def hidden(train: NDArray[np.float32], without: NDArray[np.float32], *, members: int = MEMBERS,
           seed: int = 0) -> Hidden:
    """Small networks with one hidden layer, side by side: the mean of their log-odds that there is no lesion.

    Raises: MissingExtra without scikit-learn.
    """
    try:
        from sklearn.neural_network import MLPClassifier
    except ImportError as error:
        raise MissingExtra("the gate needs scikit-learn: pip install 'macule[training]'.") from error
    mean, scale = train.mean(axis=0), train.std(axis=0) + 1e-6
    again = np.tile(without, (max(1, len(train) // len(without)), 1))  # so that both groups count about the same
    rows = np.asarray((np.vstack([train, again]) - mean) / scale, np.float32)
    wanted = np.r_[np.zeros(len(train)), np.ones(len(again))]
    nets = [MLPClassifier((UNITS,), alpha=DECAY, max_iter=ROUNDS, tol=0, random_state=seed + member)
            for member in range(members)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the rounds are chosen: it says that they are few
        for net in nets:
            net.fit(rows, wanted)
    # In single precision from here on, as the file keeps it: the limits are read off what is served.
    weights = np.concatenate([net.coefs_[0] for net in nets], axis=1) / scale[:, None]
    offsets = np.concatenate([net.intercepts_[0] for net in nets]) - mean @ weights
    out = np.concatenate([net.coefs_[1][:, 0] for net in nets]) / members
    return Hidden(weights.astype(np.float32), offsets.astype(np.float64), out.astype(np.float64),
                  float(np.mean([net.intercepts_[1][0] for net in nets])))


def limited(weights: NDArray[np.float64], offset: float,
            calibration: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """The same classifier, scaled so that its limit for flagging is at 0 and that for refusing at 1."""
    flag, span = _limits(np.asarray(calibration @ weights + offset, np.float64))
    return weights / span, (offset - flag) / span


def limited_hidden(found: Hidden, calibration: NDArray[np.float32]) -> Hidden:
    flag, span = _limits(found.odds(calibration))
    return replace(found, out=found.out / span, bias=(found.bias - flag) / span)


def _limits(odds: NDArray[np.float64]) -> tuple[float, float]:
    """Where a picture is flagged, and how far above that it is refused."""
    flag, refuse = np.quantile(odds, [FLAG_QUANTILE, REFUSE_QUANTILE])
    # Alike only where the calibration part is tiny.
    return float(flag), max(float(refuse - flag), 1e-3 * float(odds.std()), 1e-9)


def drawn(analyzer: Analyzer, *, per_kind: int, seed: int = 0) -> NDArray[np.float32]:
    """Embeddings of drawn pictures of every learnable kind. Returns: float32, shape (kinds * per_kind, D)."""
    pictures = (rgb for kind in not_lesions.LEARNABLE for rgb in not_lesions.generate(kind, per_kind, seed))
    return _embedded(analyzer, pictures)


def like_skin(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Those of `drawn` that look like skin."""
    per_kind, place = len(rows) // len(not_lesions.LEARNABLE), list(not_lesions.LEARNABLE).index(LIKE_SKIN)
    return rows[place * per_kind:(place + 1) * per_kind]


def skin(analyzer: Analyzer, records: Sequence[Record], *, most: int, seed: int = 0) -> NDArray[np.float32]:
    """Embeddings of plain skin from corners of the pictures. Returns: float32, shape (M, D), M at most `most`.

    Raises: TooFewPictures if hardly a corner is plain.
    """
    rng = np.random.default_rng(seed)
    # One in three corners is plain in HAM10000 and MILK10k.
    some = [records[place] for place in rng.permutation(len(records))[:6 * most]]
    side = preprocess.decoding_side(analyzer.bundle.preprocessing.size)
    corners = (corner for record in some for corner in [_corner(record, rng, side)] if corner is not None)
    found = _embedded(analyzer, (corner for _, corner in zip(range(most), corners, strict=False)))
    if len(found) < min(most, 20):
        raise TooFewPictures(f"{len(found)} of {len(some)} training pictures have a corner of plain skin; at least "
                             f"{min(most, 20)} are needed: give more data.")
    return found


def _corner(record: Record, rng: np.random.Generator, side: int) -> NDArray[np.uint8] | None:
    """A corner at the size of the whole; None if something stands out in it or it is dark, or nothing can be read."""
    try:
        rgb = decode(record.read(), short_side=side).rgb
    except MaculeError:
        return None
    height, width = rgb.shape[:2]
    share, low, right = rng.uniform(*CORNER), rng.integers(2), rng.integers(2)
    tall, wide = int(share * height), int(share * width)
    top, left = low * (height - tall), right * (width - wide)
    part = rgb[top:top + tall, left:left + wide]
    small = np.asarray(cv2.resize(part, (80, 64), interpolation=cv2.INTER_AREA), np.uint8)
    if contrast(small) > MOST_CONTRAST or part.mean() < LEAST_BRIGHTNESS:
        return None
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _embedded(analyzer: Analyzer, pictures: Iterator[NDArray[np.uint8]]) -> NDArray[np.float32]:
    encoded: Iterator[bytes] = (not_lesions.encoded(rgb) for rgb in pictures)
    work: Callable[[bytes], NDArray[np.float32]] = analyzer.embedding
    rows = []
    for _, found in in_order(work, encoded, workers=cores()):
        if isinstance(found, MaculeError):
            raise found
        rows.append(found)
    return np.array(rows, dtype=np.float32)
