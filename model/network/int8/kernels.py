"""The layers of an int8 network, compiled by Numba.

Between two products every kernel goes through memory once, a row at a time: it takes the numbers
that a product left, does what the network does there, and leaves uint8 for the next product. No row
reads another one but in attention, and a row's sums are taken in an order that its own sentence
decides; so a sentence gets the very same bits alone and in any company.

Shapes are written with

    N  rows, whatever they are         H  heads
    d  width of the model              D  width of a head: d / H, filled up to whole vectors
    R  hypotheses (G * K)              S  source positions
    G  sentences                       T  target positions
    K  hypotheses a sentence           V  vocabulary

Arrays are C-contiguous, and float32 if nothing else is said. Widths of products are filled up (see
`products`): what lies beyond d in a row of activations meets weights of zero. Kernels run without
the interpreter's lock.

An innermost loop begins at zero and has the last index of its arrays to itself: only then does the
compiler know that the index is not negative (which would count from the end), and uses vectors.
"""

from __future__ import annotations

import numpy as np

from tformer.model.hardware.numba_cache import inner, njit
from tformer.model.network.int8.abi import (
    BEGINNING,
    LAYERS,
    LINEAR,
    beginning_at,
    linear_at,
    norm_at,
    places,
    shape_at,
    size,
    work_at,
)
from tformer.model.network.int8.attention import (
    attend_across,
    attend_source,
    attend_target,
    look_back,
    store_cross,
    weigh_across,
)
from tformer.model.network.int8.elementwise import begin, leave
from tformer.model.network.int8.feed_forward import feed_forward
from tformer.model.network.int8.products import product
from tformer.model.network.int8.records import DecoderLayerWeights, EncoderLayerWeights, head_width
from tformer.model.network.int8.recurrence import recur

_ENCODER, _ENCODER_LAYER = places(EncoderLayerWeights), size(EncoderLayerWeights)
_DECODER, _DECODER_LAYER = places(DecoderLayerWeights), size(DecoderLayerWeights)


@njit(nogil=True, cache=True)
def encode(tokens, offsets, stack, count, working):
    """Leave in ``working`` the encoder states of sentences, one after the other without padding.

    Args:
        tokens: (N,) int64.
        offsets: (G + 1,) int64; sentence g has the rows ``offsets[g]..offsets[g + 1]``.
        stack: table of `records.Shape`, `Beginning` and every `EncoderLayerWeights`.
        count: how many layers.
        working: table of `records.RowBuffers`.
    """
    shape, work, rows = shape_at(stack, 0), work_at(working, 0), tokens.shape[0]
    positions = np.empty(rows, np.int64)
    for g in range(offsets.shape[0] - 1):
        for n in range(offsets[g], offsets[g + 1]):
            positions[n] = n - offsets[g]
    begin(tokens, positions, beginning_at(stack, BEGINNING), shape, work)
    for number in range(count):
        at = LAYERS + number * _ENCODER_LAYER
        linear = linear_at(stack, at + _ENCODER.projections)
        product(work.entered, work.entered_scale, rows, linear, work.outputs, work.board)
        attend_source(offsets, linear, shape, work)
        linear = linear_at(stack, at + _ENCODER.output)
        product(work.context, work.context_scale, rows, linear, work.outputs, work.board)
        leave(0, rows, linear, norm_at(stack, at + _ENCODER.after_attention), shape, work)
        inner, outer = linear_at(stack, at + _ENCODER.inner), linear_at(stack, at + _ENCODER.outer)
        norm = norm_at(stack, at + _ENCODER.after_feed_forward)
        feed_forward(rows, inner, outer, norm, shape, work)


@njit(nogil=True, cache=True)
def decode(tokens, stack, count, beam, past, working, unit):
    """Leave in ``working`` what follows the first layers, of R hypotheses a position further.

    After all of them that is what the output projection reads.

    Args:
        tokens: (R,) int64, the newest of each hypothesis.
        stack: table of `records.Shape`, `Beginning` and every `DecoderLayerWeights`.
        count: how many of the layers.
        beam: K.
        past: `records.Past`, with room for the position.
        working: table of `records.RowBuffers`.
        unit: True if every first sub-layer is a recurrent unit; None for self-attention.
    """
    shape, work, rows = shape_at(stack, 0), work_at(working, 0), tokens.shape[0]
    positions = np.empty(rows, np.int64)
    for r in range(rows):
        positions[r] = past.sentences[r // beam].steps
    begin(tokens, positions, beginning_at(stack, BEGINNING), shape, work)
    living = look_back(beam, past, head_width(shape.width, shape.heads))
    for number in range(count):
        at = LAYERS + number * _DECODER_LAYER
        _attend_to_target(number, stack, shape, beam, past, living, work, unit)
        attend_across(number, beam, linear_at(stack, at + _DECODER.cross_query), shape, past, work)
        linear = linear_at(stack, at + _DECODER.cross_output)
        product(work.context, work.context_scale, rows, linear, work.outputs, work.board)
        leave(0, rows, linear, norm_at(stack, at + _DECODER.after_cross_attention), shape, work)
        inner, outer = linear_at(stack, at + _DECODER.inner), linear_at(stack, at + _DECODER.outer)
        norm = norm_at(stack, at + _DECODER.after_feed_forward)
        feed_forward(rows, inner, outer, norm, shape, work)


@inner
def _attend_to_target(number, stack, shape, beam, past, living, work, unit):
    """The first sub-layer of a decoder layer, and the queries of the second."""
    rows, at = past.sentences.shape[0] * beam, LAYERS + number * _DECODER_LAYER
    linear = linear_at(stack, at + _DECODER.projections)
    norm = norm_at(stack, at + _DECODER.after_attention)
    product(work.entered, work.entered_scale, rows, linear, work.outputs, work.board)
    if unit is not None:
        recur(number, beam, linear, shape, past, work)
        leave(0, rows, linear, norm, shape, work)
    else:
        attend_target(number, beam, linear, shape, past, living, work)
        linear = linear_at(stack, at + _DECODER.output)
        product(work.context, work.context_scale, rows, linear, work.outputs, work.board)
        leave(0, rows, linear, norm, shape, work)
    linear = linear_at(stack, at + _DECODER.cross_query)
    product(work.entered, work.entered_scale, rows, linear, work.outputs, work.board)


@njit(nogil=True, cache=True)
def look(number, stack, past, chosen, working, out, unit):
    """Cross-attention weights of positions over S source tokens, by some heads of a layer.

    Args:
        number: of the layer, from 0; what went before is in ``working``.
        stack: as in :func:`decode`.
        past: `records.Past` of N sentences with a beam of one.
        chosen: (H,), the share of every head in the mean.
        working: table of `records.RowBuffers`, entered.
        out: (N, whole vectors of the longest source), to be filled.
        unit: as in :func:`decode`.
    """
    shape, work = shape_at(stack, 0), work_at(working, 0)
    living = look_back(1, past, head_width(shape.width, shape.heads))
    _attend_to_target(number, stack, shape, 1, past, living, work, unit)
    linear = linear_at(stack, LAYERS + number * _DECODER_LAYER + _DECODER.cross_query)
    weigh_across(number, linear, shape, past, chosen, work, out)


@njit(nogil=True, cache=True)
def project_source(projections, count, stack, offsets, cross, working):
    """Project the encoder states, entered, to keys and values of every layer, for all steps.

    Args:
        projections: table of each layer's :class:`PackedLinear` to keys and values.
        count: how many layers.
        stack: as in :func:`decode`.
        offsets: (G + 1,) int64, of the sentences' rows.
        cross: (G,) int64, addresses as in `records.Past`.
        working: table of `records.RowBuffers`.
    """
    shape, work = shape_at(stack, 0), work_at(working, 0)
    for number in range(count):
        linear = linear_at(projections, number * LINEAR)
        product(work.entered, work.entered_scale, offsets[-1], linear, work.outputs, work.board)
        store_cross(number, linear, shape, offsets, cross, work)


@njit(nogil=True, cache=True)
def follow(rows, beam, sentences, ancestors, out):
    """Let hypotheses continue others: row r of ``out`` (R', T) takes over from ``rows[r]``.

    ``sentences`` (G',) are those that remain, as in `records.Past`: of each some positions matter.
    """
    for r in range(rows.shape[0]):
        for t in range(sentences[r // beam].steps):
            out[r, t] = ancestors[rows[r], t]
