"""Embeddings of pictures by a network that has seen no skin lesion: EfficientNet-Lite0 as trained on ImageNet.

Nothing of it is fitted to a lesion, so no split of the pictures can leak through it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from macule.analysis import image, preprocess
from macule.analysis.patient import VECTOR_LENGTH
from macule.analysis.preprocess import Preprocessing
from macule.data.record import Record
from macule.training import networks
from macule.training.recipe import Network, Targets

SIZE, BATCH = 160, 64
SPEC = Preprocessing(size=SIZE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def load(records: Sequence[Record], work: Path) -> NDArray[np.float32]:
    """The pooled features of every picture; made once and kept in `work`.

    Returns: float32, shape (N, 1280), in the order of `records`.
    """
    names = [f"{record.dataset}:{record.picture_id}" for record in records]
    key = hashlib.sha256(repr(names).encode()).hexdigest()[:16]
    path = work / f"imagenet-lite0-{SIZE}-{key}.npy"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, _embed(records))
        partial.rename(path)
    return np.asarray(np.load(path), np.float32)


def _embed(records: Sequence[Record]) -> NDArray[np.float32]:
    settings = Network(backbone="lite0", pretrained="require", fusion="none")
    network = networks.build(settings, targets=Targets.MALIGNANT).eval()
    # Twice as fast on a CPU.
    network = network.to(memory_format=torch.channels_last)
    starts = range(0, len(records), BATCH)
    found = []
    with ThreadPoolExecutor(1) as pool, torch.inference_mode():
        ahead = pool.submit(_pictures, records[:BATCH])
        for start in track(starts, description="embedding"):
            images = torch.from_numpy(ahead.result()).to(memory_format=torch.channels_last)
            # One batch ahead and no more: all of them together would take six gigabytes.
            ahead = pool.submit(_pictures, records[start + BATCH:start + 2 * BATCH])
            _, embedding, _ = network(images, torch.zeros(len(images), VECTOR_LENGTH))
            found.append(embedding.numpy())
    return np.concatenate(found)


def _pictures(records: Sequence[Record]) -> NDArray[np.float32]:
    images = [preprocess.apply(image.decode(record.read()).rgb, SPEC) for record in records]
    return np.stack(images) if images else np.empty((0, 3, SIZE, SIZE), np.float32)
