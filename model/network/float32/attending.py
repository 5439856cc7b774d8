"""Attention of a network that is packed."""

from __future__ import annotations

from array import array
from functools import cache

import torch
from torch import Tensor

from tformer.model.hardware.native_call import Call
from tformer.model.network.float32.entries import attend
from tformer.model.network.float32.packed import team
from tformer.model.network.int8.simd.vectors import LANES

SHARED = 1 << 20
"""Multiplications from which on torch's threads share the work."""


def suits(queries: Tensor, mask: Tensor | None) -> bool:
    """Return whether heads are whole vectors, and all queries of a group have the same mask."""
    return queries.size(-1) % LANES == 0 and (mask is None or mask.size(-2) == 1)


def attended(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Attention softmax(QKᵀ/√D + mask)V of (B, H, T, D) to (B, H, S, D), joined: (B, T, H * D).

    The mask is additive, (B or 1, H or 1, 1, S). No row depends on the others, nor on how many keys
    are masked at the end.
    """
    groups, heads, rows, width = queries.shape
    count = keys.size(2)
    if queries.stride(3) != 1:
        queries = queries.contiguous()
    if keys.stride() != values.stride() or keys.stride(3) != 1:
        keys, values = keys.contiguous(), values.contiguous()
    outputs = queries.new_empty(groups, rows, heads * width)
    numbers = [0, groups, heads, rows, count, width]
    for each in (queries, keys, values):
        numbers += (each.data_ptr(), *each.stride()[:3])
    numbers += (outputs.data_ptr(), rows * heads * width, width, heads * width)
    if mask is None:
        numbers += (0, 0, 0, 0)
    else:
        mask = mask.expand(groups, heads, 1, count)
        if mask.stride(3) != 1:
            mask = mask.contiguous()
        numbers += (mask.data_ptr(), *mask.stride()[:3])
    job = array("q", numbers)
    size = 2 * groups * heads * rows * count * width
    threads = torch.get_num_threads() if size >= SHARED else 1
    _call()([job.buffer_info()[0], team(), threads])
    return outputs


@cache
def _call() -> Call:
    return attend.for_numbers(3)
