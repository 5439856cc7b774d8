"""Attention of queries to keys that lie anywhere in memory.

A head's width D is that of whole vectors, the rest being zero. Queries that attend to the same keys
are taken four at a time, which reads every key and value once for all of them: the positions of a
sentence in the encoder, and the hypotheses of a sentence in the decoder, of which each attends to
those that its mask names.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import carray, njit
from numba.extending import register_jitable
from numpy.typing import NDArray

from tformer.model.hardware.numba_cache import inner
from tformer.model.network.int8.elementwise import quantise
from tformer.model.network.int8.records import head_width, whole_vectors
from tformer.model.network.int8.simd.attention import dots, mixture, put_halves, softmax
from tformer.model.network.int8.simd.pointers import fetch, pointer_to_halves
from tformer.model.network.int8.simd.vectors import LANES

QUERIES = 4
"""Queries that are taken together."""


class Living(NamedTuple):
    """The positions to which hypotheses can look back, those of a sentence without repeats."""

    counts: NDArray[np.int64]
    """(G,), how many a sentence has."""
    places: NDArray[np.int64]
    """(G, whole vectors), where each begins among the keys of a head."""
    masks: NDArray[np.uint16]
    """(R, vectors), which of them are those of hypothesis r, a bit each."""


register_jitable(head_width)


@njit(inline="always")
def _halves(address, part, size):
    """Part number ``part``, of ``size`` numbers each, of the memory at an address."""
    return carray(pointer_to_halves(address + 2 * part * size), (size,))


@inner
def _put(row, at, out, head, place, heads, width):
    """Write keys or values of a row, (H, D), where each head has ``head`` numbers."""
    for h in range(heads):
        put_halves(row, at + h * width, out, h * head + place, width // LANES)


@inner
def look_back(beam, past, width):
    """Enter the position that every hypothesis has come to, and see what each can look back to."""
    rows, columns = past.ancestors.shape
    most = columns * beam
    places = np.empty((past.sentences.shape[0], whole_vectors(most)), np.int64)
    counts = np.empty(past.sentences.shape[0], np.int64)
    masks = np.zeros((rows, whole_vectors(most) // LANES), np.uint16)
    numbers = np.empty(beam, np.int64)
    for g in range(past.sentences.shape[0]):
        first, count, steps = g * beam, 0, past.sentences[g].steps
        for k in range(beam):
            past.ancestors[first + k, steps] = k
        for t in range(steps + 1):
            numbers[:] = -1
            for r in range(first, first + beam):
                ancestor = past.ancestors[r, t]
                if numbers[ancestor] < 0:
                    numbers[ancestor] = count
                    places[g, count] = (t * beam + ancestor) * width
                    count += 1
                number = numbers[ancestor]
                masks[r, number // LANES] |= np.uint16(1 << (number % LANES))
        counts[g] = count
        places[g, count : whole_vectors(count)] = 0  # looked at, and masked
    return Living(counts, places, masks)


@njit(inline="always")
def _fill_mask(length, masks):
    """Let the first ``length`` bits count, and no others."""
    for v in range(whole_vectors(length) // LANES):
        masks[v] = (1 << min(LANES, length - v * LANES)) - 1


_four_softmax, _one_softmax = softmax(QUERIES), softmax(1)


def _scorer(queries):
    """A function that multiplies so many queries, 1 or 4, with ``count`` keys at ``places``."""
    multiply = dots(queries)

    @inner
    def score(left, left_at, apart, right, right_at, places, count, vectors, out, out_at, stride):
        for n in range(0, count, LANES // queries):
            at = out_at + n
            multiply(left, left_at, apart, right, right_at, places, n, vectors, out, at, stride)

    return score


def _mixer(queries):
    """A function that sums ``count`` rows at ``places`` with the weights of so many queries."""
    four, two, one = (mixture(queries, vectors) for vectors in (4, 2, 1))

    @inner
    def mix(weights, at, apart, places, count, rows, rows_at, vectors, out, out_at, stride):
        done = 0
        while vectors - done >= 4:
            first, to = rows_at + done * LANES, out_at + done * LANES
            four(weights, at, apart, places, 0, count, rows, first, out, to, stride)
            done += 4
        if vectors - done >= 2:
            first, to = rows_at + done * LANES, out_at + done * LANES
            two(weights, at, apart, places, 0, count, rows, first, out, to, stride)
            done += 2
        if vectors > done:
            first, to = rows_at + done * LANES, out_at + done * LANES
            one(weights, at, apart, places, 0, count, rows, first, out, to, stride)

    return mix


_score_four, _score_one = _scorer(QUERIES), _scorer(1)
_mix_four, _mix_one = _mixer(QUERIES), _mixer(1)


@inner
def _attend(
    queries, at, apart, number, keys, values, head, places, count, masks, scale, scores, contexts
):
    """Let queries, 1 or 4, attend to ``count`` keys at ``places``; their contexts (number, H, D).

    Args:
        queries: flat, of which the first begins at ``at`` and the next ``apart`` further.
        keys, values: flat float16, ``head`` numbers a head.
        places: (whole vectors of count,), where each key and value begins in its head; what is
            beyond the count must lie there, too.
        masks: (number or 1, vectors) uint16, which keys count.
        scale: of the products.
        scores: room for number * (whole vectors of count).
    """
    _, heads, width = contexts.shape
    stride, vectors = whole_vectors(count), width // LANES
    apart_masks = masks.shape[1] if masks.shape[0] > 1 else 0
    out, apart_contexts = contexts.reshape(-1), heads * width
    for h in range(heads):
        query, key, context = at + h * width, h * head, h * width
        if number == QUERIES:
            _score_four(queries, query, apart, keys, key, places, count, vectors, scores, 0, stride)
            _four_softmax(scores, 0, stride // LANES, stride, masks, 0, apart_masks, scale)
            _mix_four(
                scores, 0, stride, places, count, values, key, vectors, out, context, apart_contexts
            )
        else:
            _score_one(queries, query, apart, keys, key, places, count, vectors, scores, 0, stride)
            _one_softmax(scores, 0, stride // LANES, stride, masks, 0, apart_masks, scale)
            _mix_one(
                scores, 0, stride, places, count, values, key, vectors, out, context, apart_contexts
            )


@inner
def _attend_and_quantise(
    queries, at, apart, rows, keys, values, head, places, count, masks, scale, scores, contexts,
    first, work,
):  # fmt: skip
    """Let ``rows`` queries attend to the same keys; quantise their contexts from ``first`` on."""
    done = 0
    flat = contexts.reshape(contexts.shape[0], -1)
    while done < rows:
        number = QUERIES if rows - done >= QUERIES else 1
        own = masks[done : done + number] if masks.shape[0] > 1 else masks
        _attend(
            queries, at + done * apart, apart, number, keys, values, head, places, count, own,
            scale, scores, contexts,
        )  # fmt: skip
        for n in range(number):
            row = first + done + n
            work.context_scale[row] = quantise(flat[n], work.context[row])
        done += number


@njit(inline="always")
def _scale(shape):
    """1 / sqrt(d / H), section 3.2.1 of the paper."""
    return np.float32(1.0) / np.sqrt(np.float32(shape.width // shape.heads))


@njit(inline="always")
def _largest(lengths):
    longest = 1
    for length in lengths:
        longest = max(longest, length)
    return longest


@njit(inline="always")
def _longest_source(past):
    longest = 1
    for g in range(past.sentences.shape[0]):
        longest = max(longest, past.sentences[g].source_length)
    return longest


@njit(inline="always")
def _places(count, width):
    """Addresses of keys that lie one after the other."""
    places = np.empty(count, np.int64)
    for n in range(count):
        places[n] = n * width
    return places


@njit(inline="always")
def _room(longest, heads, width):
    """For the scores of four queries in a head, and for their contexts."""
    scores = np.empty(QUERIES * whole_vectors(longest), np.float32)
    return scores, np.empty((QUERIES, heads, width), np.float32)


@njit(inline="always")
def attend_source(offsets, linear, shape, work):
    """Every position of a sentence attends to all of them.

    ``work.outputs`` are queries, keys and values (N, 3, H * D); sentence g has the rows
    ``offsets[g]..offsets[g + 1]``.
    """
    heads, filled, outputs = shape.heads, linear.scale.shape[0] // 3, work.outputs
    width, stride = head_width(shape.width, heads), 3 * filled
    longest = 1
    for g in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[g + 1] - offsets[g])
    columns = whole_vectors(longest)
    scores, contexts = _room(longest, heads, width)
    keys = np.empty(heads * columns * width, np.uint16)
    values = np.empty(heads * columns * width, np.uint16)
    places = _places(columns, width)
    masks = np.empty((1, columns // LANES), np.uint16)
    for g in range(offsets.shape[0] - 1):
        start, length = offsets[g], offsets[g + 1] - offsets[g]
        _fill_mask(length, masks[0])
        for s in range(length):
            at = (start + s) * stride
            _put(outputs, at + filled, keys, columns * width, places[s], heads, width)
            _put(outputs, at + 2 * filled, values, columns * width, places[s], heads, width)
        _attend_and_quantise(
            outputs, start * stride, stride, length, keys, values, columns * width, places, length,
            masks, _scale(shape), scores, contexts, start, work,
        )  # fmt: skip


@njit(inline="always")
def attend_target(layer, beam, linear, shape, past, living, work):
    """Append a position to every hypothesis, which attends to all of its positions.

    ``work.outputs`` are queries, keys and values (R, 3, H * D).
    """
    heads, filled, outputs = shape.heads, linear.scale.shape[0] // 3, work.outputs
    width, stride = head_width(shape.width, heads), 3 * filled
    scores, contexts = _room(_largest(living.counts), heads, width)
    for g in range(past.sentences.shape[0]):
        if g + 1 < past.sentences.shape[0]:
            _fetch_positions(g + 1, layer, beam, heads, width, past, living)
        sentence, first = past.sentences[g], g * beam
        head = sentence.capacity * beam * width
        keys = _halves(sentence.positions, 2 * layer, heads * head)
        values = _halves(sentence.positions, 2 * layer + 1, heads * head)
        for k in range(beam):
            at, place = (first + k) * stride, (sentence.steps * beam + k) * width
            _put(outputs, at + filled, keys, head, place, heads, width)
            _put(outputs, at + 2 * filled, values, head, place, heads, width)
        _attend_and_quantise(
            outputs, first * stride, stride, beam, keys, values, head, living.places[g],
            living.counts[g], living.masks[first : first + beam], _scale(shape), scores, contexts,
            first, work,
        )  # fmt: skip


@njit(inline="always")
def _fetch_positions(g, layer, beam, heads, width, past, living):
    """Ask for what the hypotheses of a sentence will look back to."""
    head = past.sentences[g].capacity * beam * width
    for part in range(2 * layer * heads, 2 * (layer + 1) * heads):
        start = past.sentences[g].positions + 2 * part * head
        for n in range(living.counts[g]):
            fetch(start + 2 * living.places[g, n], 2 * width)


@njit(inline="always")
def attend_across(layer, beam, linear, shape, past, work):
    """Cross-attention of every hypothesis to its source; ``work.outputs`` are queries."""
    heads, filled = shape.heads, linear.scale.shape[0]
    width, longest = head_width(shape.width, heads), _longest_source(past)
    scores, contexts = _room(longest, heads, width)
    places = _places(whole_vectors(longest), width)
    masks = np.empty((1, whole_vectors(longest) // LANES), np.uint16)
    for g in range(past.sentences.shape[0]):
        if g + 1 < past.sentences.shape[0]:
            following = past.sentences[g + 1]
            size = 4 * heads * whole_vectors(following.source_length) * width
            fetch(following.cross + layer * size, size)
        sentence = past.sentences[g]
        length = sentence.source_length
        head = whole_vectors(length) * width
        keys = _halves(sentence.cross, 2 * layer, heads * head)
        values = _halves(sentence.cross, 2 * layer + 1, heads * head)
        _fill_mask(length, masks[0])
        _attend_and_quantise(
            work.outputs, g * beam * filled, filled, beam, keys, values, head, places, length,
            masks, _scale(shape), scores, contexts, g * beam, work,
        )  # fmt: skip


@inner
def weigh_across(layer, linear, shape, past, chosen, work, out):
    """Cross-attention weights of N rows over S source tokens, by some heads of a layer.

    Args:
        layer: its number.
        linear: projection to queries, which are ``work.outputs``.
        shape: `records.Shape`.
        past: :class:`Past`.
        chosen: (H,), the share of every head in the mean.
        work: `records.RowBuffers`.
        out: (N, whole vectors of the longest source), to be filled.
    """
    heads, filled = shape.heads, linear.scale.shape[0]
    width, longest = head_width(shape.width, heads), _longest_source(past)
    places, scores = _places(whole_vectors(longest), width), np.empty(out.shape[1], np.float32)
    masks = np.empty(whole_vectors(longest) // LANES, np.uint16)
    for n in range(out.shape[0]):
        length = past.sentences[n].source_length
        columns = whole_vectors(length)
        keys = _halves(past.sentences[n].cross, 2 * layer, heads * columns * width)
        _fill_mask(length, masks)
        out[n] = 0
        for h in range(heads):
            if chosen[h] == 0:
                continue
            _score_one(
                work.outputs, n * filled + h * width, filled, keys, h * columns * width, places,
                length, width // LANES, scores, 0, columns,
            )  # fmt: skip
            _one_softmax(scores, 0, columns // LANES, columns, masks, 0, 0, _scale(shape))
            for s in range(length):
                out[n, s] += chosen[h] * scores[s]


@njit(inline="always")
def store_cross(layer, linear, shape, offsets, cross, work):
    """Put keys and values of the source, ``work.outputs`` (N, 2, H * D), to their addresses."""
    heads, filled = shape.heads, linear.scale.shape[0] // 2
    width = head_width(shape.width, heads)
    for g in range(cross.shape[0]):
        start, length = offsets[g], offsets[g + 1] - offsets[g]
        head = whole_vectors(length) * width
        keys = _halves(cross[g], 2 * layer, heads * head)
        values = _halves(cross[g], 2 * layer + 1, heads * head)
        for s in range(length):
            at = (start + s) * 2 * filled
            _put(work.outputs, at, keys, head, s * width, heads, width)
            _put(work.outputs, at + filled, values, head, s * width, heads, width)
