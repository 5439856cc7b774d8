"""The recurrent unit that some decoders have instead of self-attention (`network.ssru`).

What it remembers of a position, d float32, lies where attention would have a key and a value of the
position, D float16 of each head: as many bytes, so that beams are reordered, sentences come and go
and prefixes are read as they are with attention.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from tformer.model.hardware.numba_cache import inner
from tformer.model.network.int8.records import head_width
from tformer.model.network.int8.simd.pointers import pointer_to_halves


@inner
def _fetch(halves, head, place, heads, width, row):
    """Read the cell (H * D,) of a position; ``row`` is its two halves a number."""
    for part in range(2):
        for h in range(heads):
            start, to = (part * heads + h) * head + place, (2 * h + part) * width
            for i in range(width):
                row[to + i] = halves[start + i]


@inner
def _keep(row, head, place, heads, width, halves):
    """Write the cell of a position; the other way round."""
    for part in range(2):
        for h in range(heads):
            start, to = (part * heads + h) * head + place, (2 * h + part) * width
            for i in range(width):
                halves[start + i] = row[to + i]


@inner
def recur(layer, beam, linear, shape, past, work):
    """Move the unit of every hypothesis on, c = f c' + (1 - f) x, and leave max(0, c).

    ``work.outputs`` are candidates x and what f is the sigmoid of, (R, 2, filled-up d); the results
    take the places of the candidates. Rows are taken in their order: that of a position which is
    read along with the one before comes after it.
    """
    heads, stride, outputs = shape.heads, linear.scale.shape[0], work.outputs
    width, one = head_width(shape.width, heads), np.float32(1.0)
    cell = np.zeros(heads * width, np.float32)
    row = cell.view(np.uint16)
    for r in range(past.sentences.shape[0] * beam):
        g, at = r // beam, r * stride
        sentence = past.sentences[g]
        step, head = sentence.steps, sentence.capacity * beam * width
        size = 2 * heads * head
        halves = carray(pointer_to_halves(sentence.positions + 2 * layer * size), (size,))
        if step > 0:
            before = ((step - 1) * beam + past.ancestors[r, step - 1]) * width
            _fetch(halves, head, before, heads, width, row)
        else:
            cell[:] = 0
        for i in range(shape.width):
            kept = one / (one + np.exp(-outputs[at + stride // 2 + i]))
            cell[i] = kept * cell[i] + (one - kept) * outputs[at + i]
            outputs[at + i] = max(cell[i], np.float32(0.0))
        _keep(row, head, (step * beam + r % beam) * width, heads, width, halves)
