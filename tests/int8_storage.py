"""Activations in bytes, as int8 products read them at the level of the test."""

from __future__ import annotations

import numpy as np

from tformer.model.network.int8.packing import OFFSET
from tformer.model.network.int8.simd.dot import DOT, LINE


def stored(values: np.ndarray) -> np.ndarray:
    """Rows (N, in) of whole numbers from -127 to 127, as uint8."""
    if DOT.width == 1:
        return (values + OFFSET).astype(np.uint8)
    parts = np.stack([np.abs(values), -(values < 0).astype(int)], 1).astype(np.uint8)
    quads = parts.reshape(len(values), 2, -1, 4).transpose(0, 2, 1, 3).reshape(len(values), -1)
    ends = np.zeros((len(values), LINE // 4), np.int32)
    ends[:, 0] = -np.minimum(values, 0).sum(1)
    pairs = (values.reshape(len(values), -1, 2, 2, 2) ** 2).sum((2, 4)).astype(np.uint16)
    squares = pairs.reshape(len(values), -1).view(np.uint8)
    return np.concatenate([quads, squares, ends.view(np.uint8)], 1)
