"""Weights and working memory as tables of addresses, and back.

A call of a compiled function unpacks every array that it is given, which for the hundred arrays of
a network takes as long as a step for one sentence. So kernels are given tables of whole numbers,
an address and the extents for every array, from which they make the arrays again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import carray, njit
from numpy.typing import NDArray

from tformer.model.network.int8.elementwise import Beginning, Norm, RowBuffers, Shape
from tformer.model.network.int8.gemm import PackedLinear
from tformer.model.network.int8.simd.pointers import (
    pointer_to_bytes,
    pointer_to_floats,
    pointer_to_integers,
    pointer_to_signed_bytes,
)

_LINEAR, _NORM, _SHAPE, _BEGINNING = 11, 4, 5, 21
"""Numbers that describe each."""

_ENCODER_LAYER, _DECODER_LAYER = 4 * _LINEAR + 2 * _NORM, 6 * _LINEAR + 3 * _NORM
_FIRST = _SHAPE + _BEGINNING
"""Offset of the first layer of a stack."""


class Table:
    """Addresses and extents of arrays, which live as long as it does."""

    def __init__(self, *parts: Any) -> None:
        """Describe arrays, whole numbers and tuples of these, one after the other."""
        self.parts = parts
        self.numbers: NDArray[np.int64] = np.fromiter(_described(parts), np.int64)


def _described(part: Any) -> Iterator[int]:
    if isinstance(part, np.ndarray):
        assert part.flags.c_contiguous
        yield part.ctypes.data
        yield from part.shape
    elif isinstance(part, tuple):
        for item in part:
            yield from _described(item)
    else:
        yield int(part)


@njit(inline="always")
def _floats(table, at):
    return carray(pointer_to_floats(table[at]), (table[at + 1],))


@njit(inline="always")
def _float_rows(table, at):
    return carray(pointer_to_floats(table[at]), (table[at + 1], table[at + 2]))


@njit(inline="always")
def _byte_rows(table, at):
    return carray(pointer_to_bytes(table[at]), (table[at + 1], table[at + 2]))


@njit(inline="always")
def _signed_byte_rows(table, at):
    return carray(pointer_to_signed_bytes(table[at]), (table[at + 1], table[at + 2]))


@njit(inline="always")
def _linear(table, at):
    extents = (table[at + 1], table[at + 2], table[at + 3], table[at + 4])
    return PackedLinear(
        carray(pointer_to_signed_bytes(table[at]), extents),
        carray(pointer_to_integers(table[at + 5]), (table[at + 6],)),
        _floats(table, at + 7),
        _floats(table, at + 9),
    )


@njit(inline="always")
def _norm(table, at):
    return Norm(_floats(table, at), _floats(table, at + 2))


@njit(inline="always")
def linear_of(table, number):
    """A :class:`PackedLinear` of a table of several."""
    return _linear(table, number * _LINEAR)


@njit(inline="always")
def shape_of(table):
    """The :class:`Shape` with which a stack begins."""
    return Shape(table[0], table[1], table[2] == 1, table[3], table[4] == 1)


@njit(inline="always")
def beginning_of(table):
    """The :class:`Beginning` of a stack."""
    at = _SHAPE
    return Beginning(
        _float_rows(table, at),
        _signed_byte_rows(table, at + 3),
        _floats(table, at + 6),
        _float_rows(table, at + 8),
        _floats(table, at + 11),
        _norm(table, at + 13),
        _norm(table, at + 17),
    )


@njit(inline="always")
def encoder_layer_of(table, number):
    """Layer ``number`` of a stack, in the order of `kernels.EncoderLayerWeights`."""
    at = _FIRST + number * _ENCODER_LAYER
    norms = at + 4 * _LINEAR
    return (
        _linear(table, at),
        _linear(table, at + _LINEAR),
        _linear(table, at + 2 * _LINEAR),
        _linear(table, at + 3 * _LINEAR),
        _norm(table, norms),
        _norm(table, norms + _NORM),
    )


@njit(inline="always")
def decoder_layer_of(table, number):
    """Layer ``number`` of a stack, in the order of `kernels.DecoderLayerWeights`."""
    at = _FIRST + number * _DECODER_LAYER
    norms = at + 6 * _LINEAR
    return (
        _linear(table, at),
        _linear(table, at + _LINEAR),
        _linear(table, at + 2 * _LINEAR),
        _linear(table, at + 3 * _LINEAR),
        _linear(table, at + 4 * _LINEAR),
        _linear(table, at + 5 * _LINEAR),
        _norm(table, norms),
        _norm(table, norms + _NORM),
        _norm(table, norms + 2 * _NORM),
    )


@njit(inline="always")
def work_of(table):
    """The :class:`RowBuffers` that a table describes."""
    return RowBuffers(
        _float_rows(table, 0),
        _byte_rows(table, 3),
        _floats(table, 6),
        _byte_rows(table, 8),
        _floats(table, 11),
        _byte_rows(table, 13),
        _floats(table, 16),
        _floats(table, 18),
    )
