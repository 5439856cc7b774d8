"""Positional encodings (Vaswani et al., 2017, section 3.5), for every network."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tformer.model.config import PositionLayout


def sinusoidal_positions(
    length: int, d_model: int, layout: PositionLayout = "interleaved", first: int = 0
) -> NDArray[np.float32]:
    """Positional encodings of section 3.5, (length, d_model) float32.

    PE(pos, 2i) = sin(pos / 10000^(2i/d_model)), PE(pos, 2i+1) = cos(the same). Concatenated, the
    cosines follow all the sines: PE(pos, i + d_model/2). In tensor2tensor the exponent is
    i/(d_model/2 - 1).

    Args:
        length: number of positions.
        d_model: their width.
        layout: one of those.
        first: the first position.
    """
    width = d_model - 2 if layout == "tensor2tensor" else d_model
    step = -math.log(10_000.0) / max(width, 1)
    frequency = np.exp(np.arange(0, d_model, 2, dtype=np.float64) * step)  # (d_model / 2)
    position = np.arange(first, first + length, dtype=np.float64)
    angle = position[:, None] * frequency  # (length, d_model / 2)
    if layout == "interleaved":
        pairs = np.stack([np.sin(angle), np.cos(angle)], 2, dtype=np.float32)
        return pairs.reshape(length, d_model)
    return np.concatenate([np.sin(angle), np.cos(angle)], 1, dtype=np.float32)
