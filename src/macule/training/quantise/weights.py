"""The scale of each output channel's weights, so that no processor's sums overflow.

Processors without VNNI (most laptops made before 2020) multiply bytes in pairs and add each pair up in 16 bits, where
255 * (127 + 127) does not fit: the sum saturates, and the answer is another one than on the machine that was tested.
The usual way out, weights of seven bits (`reduce_range`), doubles every step. Here a channel's step grows only until
its own largest pair fits, mostly by a few per cent, and every processor gives the same answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ranges(weight: NDArray[np.float32], *, groups: int) -> NDArray[np.float64]:
    """The largest weight that each output channel can hold, (O,): 127 of its steps. The sum of two neighbours of one
    sign may be a step more, once both are rounded: 255 * 128 is below 2^15.

    weight: (O, I, h, w). groups: of the convolution; more than one are multiplied in 32 bits, and need no care.
    """
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    largest = np.abs(rows).max(axis=1)
    if groups == 1:
        largest = np.maximum(largest, _largest_pair(weight))
    return np.asarray(np.where(largest > 0, largest, 1.0))


def overrides(weight: NDArray[np.float32], *, groups: int) -> list[dict[str, Any]]:
    """The same, as ONNX Runtime's quantiser takes it: one entry a channel."""
    return [{"axis": 0, "rmin": np.float32(-top), "rmax": np.float32(top), "symmetric": True, "reduce_range": False}
            for top in ranges(weight, groups=groups)]


def _largest_pair(weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """(O,). Pairs are neighbours in the order in which they are multiplied: rows, columns, then channels."""
    rows = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1).astype(np.float64)
    if rows.shape[1] % 2:
        rows = np.pad(rows, ((0, 0), (0, 1)))
    pairs = rows.reshape(len(rows), -1, 2)
    return np.asarray(np.maximum(np.maximum(pairs, 0).sum(axis=2), np.maximum(-pairs, 0).sum(axis=2)).max(axis=1))
