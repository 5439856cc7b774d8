"""Products of matrices of bytes by the tile registers of AMX.

A tile has 16 rows of 64 bytes. One of activations, 64 of each of 16 rows, meets one of weights, 64
of each of 16 outputs. These lie in it as `packing` lays them out: a row of the tile is a quad of
every output. Their products are added in int32 to a tile of sums, and there are sums for a whole
block of outputs at once.

Tiles are a thread's own: :func:`begin_tiles` says how large they are, and :func:`end_tiles` gives
them up, without which the system would save them whenever it takes the core.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import int64, types
from numba.extending import intrinsic

from tformer.model.hardware.cpu import level
from tformer.model.network.int8.simd.dot import QUAD
from tformer.model.network.int8.simd.emitter import (
    BYTE,
    FLOAT,
    FLOATS,
    INTEGERS,
    LONG,
    WORD,
    Emitter,
)
from tformer.model.network.int8.simd.tile import scaled_output
from tformer.model.network.int8.simd.tiles import BLOCK
from tformer.model.network.int8.simd.vectors import LANES

TILE_ROWS = 16
"""Rows that are multiplied together."""

TILE_BYTES = 64
"""Activations of a row that a tile has, of which a filled-up row has a multiple."""

_SUMS = range(BLOCK // TILE_ROWS if level().tiles else 0)
"""Tiles of sums of a block, by number."""

_ACTIVATIONS, _WEIGHTS = len(_SUMS), len(_SUMS) + 1
_NUMBER = 8
"""Tiles that a processor has."""


def _configuration() -> list[int]:
    """Bytes for `ldtilecfg`: the palette, then 16 bits of bytes a row and 8 of rows for each."""
    widths = [part for _ in range(_NUMBER) for part in (TILE_BYTES, 0)]
    heights = [TILE_ROWS] * _NUMBER
    return [1, *[0] * 15, *widths, *[0] * 16, *heights, *[0] * 8]


@intrinsic
def begin_tiles(typing):
    """Take the tiles; all of them are zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from numba.core import cgutils

        emit = Emitter(context, builder, signature, arguments)
        kind = ir.VectorType(BYTE, 64)
        place = builder.bitcast(cgutils.alloca_once(builder, kind), BYTE.as_pointer())
        emit.store(kind(_configuration()), place)
        _tile_function(emit, "ldtilecfg", place)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def end_tiles(typing):
    """Give the tiles up."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _tile_function(Emitter(context, builder, signature, arguments), "tilerelease")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def clear_sums(typing):
    """Make the sums zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        for number in _SUMS:
            _tile_function(emit, "tilezero", BYTE(number))
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def add_to_sums(typing, left, left_at, length, right, right_at):
    """Add the products of 64 activations of 16 rows and a block's weights of them.

    Args:
        left: activations, uint8, of which a row has ``length`` bytes.
        right: weights, int8.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        _tile_function(emit, "tileloadd64", BYTE(_ACTIVATIONS), emit.at(0, BYTE), arguments[2])
        weights, apart = emit.at(3, BYTE), LONG(BLOCK * QUAD)
        for number in _SUMS:
            # In turn, so that one is loaded while another one is multiplied.
            tile = _WEIGHTS + number % (_NUMBER - _WEIGHTS)
            place = emit.move(weights, number * TILE_ROWS * QUAD, BYTE)
            _tile_function(emit, "tileloadd64", BYTE(tile), place, apart)
            _tile_function(emit, "tdpbusd", BYTE(number), BYTE(_ACTIVATIONS), BYTE(tile))
        return context.get_dummy_value()

    return types.void(left, int64, int64, right, int64), generate


@intrinsic
def put_sums(typing, out, out_at):
    """Put the sums (16, block), int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        first, apart = emit.at(0, WORD), LONG(BLOCK * 4)
        for number in _SUMS:
            place = builder.bitcast(emit.move(first, number * TILE_ROWS, WORD), BYTE.as_pointer())
            _tile_function(emit, "tilestored64", BYTE(number), place, apart)
        return context.get_dummy_value()

    return types.void(out, int64), generate


@intrinsic
def put_outputs(
    typing, sums, sums_at, start, start_at, scale, scale_at, bias, bias_at, factors, factors_at,
    out, out_at,
):  # fmt: skip
    """Put a row's outputs of a block, from its sums and the sums to begin with."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, signature, arguments)
        sums, starts = emit.at(0, WORD), emit.at(2, WORD)
        scales, biases, outputs = emit.at(4, FLOAT), emit.at(6, FLOAT), emit.at(10, FLOAT)
        factor = emit.share(emit.at(8, FLOAT))
        for column in range(0, BLOCK, LANES):
            total, begun = (
                emit.load(emit.move(each, column, WORD), INTEGERS) for each in (sums, starts)
            )
            scale, bias = (
                emit.load(emit.move(each, column, FLOAT), FLOATS) for each in (scales, biases)
            )
            output = scaled_output(emit, builder.add(total, begun), scale, bias, factor)
            emit.store(output, emit.move(outputs, column, FLOAT))
        return context.get_dummy_value()

    at = int64
    return types.void(sums, at, start, at, scale, at, bias, at, factors, at, out, at), generate


def _tile_function(emit: Emitter, name: str, *arguments: Any) -> None:
    kinds = [each.type for each in arguments]
    emit.builder.call(emit.function(f"llvm.x86.{name}", ir.VoidType(), kinds), arguments)
