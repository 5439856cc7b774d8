"""Projections of which no row depends on how many rows there are."""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tformer.model.hardware.cpu import has_avx512, is_intel
from tformer.model.network.float32.packed import Packed

# On Intel's processors torch has its float32 products from MKL, which takes sums in another order
# where there are few rows, if it is not told to be strict; it asks before its first product.
# Products of few rows then take longer.
if is_intel():
    os.environ.setdefault("MKL_CBWR", "AVX512,STRICT" if has_avx512() else "AVX2,STRICT")

ROWS = 4
"""Rows that the CPU's float32 kernels take at a time. Those left over are computed by others, whose
results differ in the last bits: from row to row, and from thread to thread."""


def whole_rows(states: Tensor) -> Tensor:
    """(..., rows, d) with zeros up to a multiple of ``ROWS``."""
    missing = -states.size(-2) % ROWS
    return F.pad(states, (0, 0, 0, missing)) if missing else states


def linear(states: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """statesWᵀ + b, of which no row depends on how many rows there are.

    So a sentence decoded alone gets the very numbers that it gets in a batch. Training has no use
    for that.
    """
    rows = states.shape[:-1].numel()
    if rows % ROWS == 0 or torch.is_grad_enabled():
        return F.linear(states, weight, bias)
    filled = whole_rows(states.reshape(rows, -1))
    return F.linear(filled, weight, bias)[:rows].unflatten(0, states.shape[:-1])


class Linear(nn.Linear):
    """A learned projection by :func:`linear`, or by a product of our own once it is packed."""

    packed: Packed | None = None

    def pack(self) -> None:
        """Lay out the weight for translation in float32 on the CPU; as it was, it is gone."""
        self.packed = Packed(self.weight, self.bias)
        del self.weight

    def forward(self, states: Tensor) -> Tensor:
        """(..., d_in) to (..., d_out)."""
        if self.packed is not None:
            return self.packed(states)
        return linear(states, self.weight, self.bias)
