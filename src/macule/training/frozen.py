"""Features of a network that has seen no skin lesion: EfficientNet-Lite0 as trained on ImageNet.

Nothing of it is fitted to a lesion, so no split of the pictures can leak through it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from macule.analysis import image, preprocess
from macule.analysis.patient import VECTOR_LENGTH
from macule.analysis.preprocess import Preprocessing
from macule.data.record import Record
from macule.training import networks
from macule.training.recipe import Network, Targets

SIZE, BATCH, WIDTH = 160, 32, 1280
SPEC = Preprocessing(size=SIZE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def features(records: Sequence[Record], *, tick: Callable[[], None] = lambda: None) -> NDArray[np.float32]:
    """The pooled features of every picture; about 25 ms each on a core.

    tick: called after each picture. Returns: float32, shape (N, 1280).
    Raises: UnreadableImage; MissingExtra without the package of weights.
    """
    settings = Network(backbone="lite0", pretrained="require", fusion="none")
    network = networks.build(settings, targets=Targets.MALIGNANT).eval()
    # Twice as fast on a CPU.
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = [np.zeros((0, WIDTH), np.float32)]
    with ThreadPoolExecutor(1) as pool, torch.inference_mode():
        ahead = pool.submit(_pictures, records[:BATCH])
        for start in range(0, len(records), BATCH):
            pictures = torch.from_numpy(ahead.result()).to(memory_format=torch.channels_last)
            # One batch ahead and no more: memory does not grow with the pictures.
            ahead = pool.submit(_pictures, records[start + BATCH:start + 2 * BATCH])
            _, embedding, _ = network(pictures, torch.zeros(len(pictures), VECTOR_LENGTH))
            found.append(embedding.numpy())
            for _ in range(len(pictures)):
                tick()
    return np.concatenate(found)


def _pictures(records: Sequence[Record]) -> NDArray[np.float32]:
    images = [preprocess.apply(image.decode(record.read()).rgb, SPEC) for record in records]
    return np.stack(images) if images else np.empty((0, 3, SIZE, SIZE), np.float32)
