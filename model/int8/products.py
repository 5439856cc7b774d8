"""Products of int8 matrices, compiled by Numba for the processor at hand.

A weight matrix has a scale for every output, an activation one for every row: the largest magnitude
of each becomes 127. Sums of int8 products in int32 are exact, so they cannot depend on who else is
in a batch, nor on the order in which they are taken.

Processors with AVX-512 VNNI multiply 64 pairs of bytes an instruction, of which the left ones have
no sign. Activations are therefore stored as uint8, 128 too large, and the sums begin with what that
adds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from tformer.model.errors import ModelError
from tformer.model.int8.vectors import PANEL, QUAD, tile
from tformer.model.processor import has_vnni

Floats = NDArray[np.float32]

LOWEST = np.float32(-1e30)
"""Below any logit."""

OFFSET = 128
"""What is added to a quantised activation to make it a uint8."""

LIMIT = 127
"""Largest magnitude of a quantised number; -128 is not used, so that signs are alike."""

ROWS = 4
"""Rows that are computed together."""


class Linear(NamedTuple):
    """A projection xWᵀ + b of width ``in`` to ``out``, both filled up to whole panels."""

    weight: NDArray[np.int8]
    """(out / PANEL, in / QUAD, PANEL, QUAD): a panel is read from its beginning to its end."""
    start: NDArray[np.int32]
    """(out,): the sums of nothing, -OFFSET times the sum of each output's weights."""
    scale: Floats
    """(out,)"""
    bias: Floats
    """(out,)"""


def filled(width: int) -> int:
    """``width`` and what it takes to make whole panels."""
    return -(-width // PANEL) * PANEL


def quantised(*projections: tuple[Tensor, Tensor | None]) -> Linear:
    """Projections (weight (out, in), bias (out,) or None) of one input, side by side, as int8.

    Each of them begins with a panel of its own.

    Raises:
        ModelError: when a weight is NaN or infinite.
    """
    weight = _whole_panels([weight.detach().float() for weight, _ in projections])  # (out, in)
    bias = _whole_panels(
        [
            (torch.zeros(weight.shape[0]) if bias is None else bias.detach().float())[:, None]
            for weight, bias in projections
        ]
    )
    bias = bias.clamp(min=float(LOWEST))  # what may never be said has a bias of minus infinity
    if not (torch.isfinite(weight).all() and torch.isfinite(bias).all()):
        raise ModelError("the model computes no numbers (NaN): its weights are damaged")
    scale = weight.abs().amax(1) / LIMIT  # (out,)
    whole = (weight / scale.clamp(min=1e-30)[:, None]).round().to(torch.int8)
    start = whole.sum(1, dtype=torch.int32) * -OFFSET
    panels = whole.unflatten(0, (-1, PANEL)).unflatten(2, (-1, QUAD)).transpose(1, 2)
    return Linear(
        panels.contiguous().numpy(), start.numpy(), scale.numpy(), bias[:, 0].contiguous().numpy()
    )


def _whole_panels(parts: list[Tensor]) -> Tensor:
    """Matrices one below the other, each filled up with zeros to whole panels."""
    pad = torch.nn.functional.pad
    columns = parts[0].shape[1]
    wider = 0 if columns == 1 else filled(columns) - columns
    return torch.cat([pad(p, (0, wider, 0, filled(p.shape[0]) - p.shape[0])) for p in parts])


_four_rows, _one_row = tile(ROWS), tile(1)


@njit(nogil=True)
def _product_vnni(activations, rows, linear, sums):
    depth, panels = activations.shape[1], linear.weight.shape[0]
    out = panels * PANEL
    whole = rows - rows % ROWS
    for p in range(panels):
        weights, column = p * depth * PANEL, p * PANEL
        for n in range(0, whole, ROWS):
            _four_rows(
                activations, n * depth, depth, linear.weight, weights,
                linear.start, column, sums, n * out + column, out,
            )  # fmt: skip
        for n in range(whole, rows):
            _one_row(
                activations, n * depth, depth, linear.weight, weights,
                linear.start, column, sums, n * out + column, out,
            )  # fmt: skip


@njit(nogil=True)
def product_plain(activations, rows, linear, sums):
    """The same sums for any processor, as one would write them down."""
    panels, quads = linear.weight.shape[:2]
    totals = np.empty(PANEL, np.int32)
    for n in range(rows):
        for p in range(panels):
            totals[:] = linear.start[p * PANEL : p * PANEL + PANEL]
            for q in range(quads):
                for lane in range(QUAD):
                    x = np.int32(activations[n, q * QUAD + lane])
                    for i in range(PANEL):
                        totals[i] += x * np.int32(linear.weight[p, q, i, lane])
            at = (n * panels + p) * PANEL
            sums[at : at + PANEL] = totals


product = _product_vnni if has_vnni() else product_plain
"""Multiply the first ``rows`` of activations (N, in) uint8 with a :class:`Linear`.

Its sums go to ``sums``, one int32 after the other, rows by filled-up outputs."""
