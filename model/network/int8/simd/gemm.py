"""The innermost loop of a product.

Arguments come in pairs: an array, and where in it to begin, in items (of a flat view of it).
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import int64, types
from numba.core import cgutils
from numba.extending import intrinsic

from tformer.model.network.int8.simd.emitter import (
    BYTE,
    FLOAT,
    FLOATS,
    INTEGERS,
    LANES,
    LONG,
    WORD,
    Emitter,
    Vectors,
)

PANEL = 4 * LANES
"""Outputs of a product that are computed together, and what every width is filled up to."""

QUAD = 4
"""Bytes whose products are summed in one lane."""


def tile(rows: int) -> Any:
    """A function that multiplies ``rows`` rows of bytes with one panel of weights (AVX-512 VNNI).

    Its arguments: activations (uint8) and the length of their rows; the rows' scales (float32);
    weights (int8); the panel's sums to begin with (int32), scales and biases (float32); where to
    put the outputs (float32) and the length of those rows.
    """
    columns = range(PANEL // LANES)

    @intrinsic
    def multiply(
        typing, left, left_at, depth, factors, factors_at, right, right_at, start, start_at,
        scale, scale_at, bias, bias_at, out, out_at, stride,
    ):  # fmt: skip
        def generate(context, builder, signature, arguments):
            depth, stride = arguments[2], arguments[15]
            emit = Emitter(context, builder, signature, arguments)
            activations, weights = emit.at(0, BYTE), emit.at(5, BYTE)
            kind = ir.FunctionType(INTEGERS, [INTEGERS] * 3)
            name = "llvm.x86.avx512.vpdpbusd.512"
            dot = cgutils.get_or_insert_function(builder.module, kind, name)

            def add(index: Any, totals: Vectors) -> Vectors:
                panel = emit.move(weights, builder.mul(index, LONG(PANEL * QUAD)), BYTE)
                vectors = [
                    emit.load(emit.move(panel, LANES * QUAD * c, BYTE), INTEGERS) for c in columns
                ]
                sums = []
                for row in range(rows):
                    quad = builder.add(
                        builder.mul(depth, LONG(row)), builder.mul(index, LONG(QUAD))
                    )
                    word = emit.load(emit.move(activations, quad, BYTE), WORD)
                    lanes = emit.everywhere(word, INTEGERS)
                    for c in columns:
                        total = totals[row * len(columns) + c]
                        sums.append(builder.call(dot, [total, lanes, vectors[c]]))
                return sums

            begin = emit.at(7, WORD)
            first = [emit.load(emit.move(begin, LANES * c, WORD), INTEGERS) for c in columns]
            totals = emit.sum_over(builder.sdiv(depth, LONG(QUAD)), first * rows, add)
            scales, biases, outputs = emit.at(9, FLOAT), emit.at(11, FLOAT), emit.at(13, FLOAT)
            for row in range(rows):
                factor = emit.share(emit.move(emit.at(3, FLOAT), row, FLOAT))
                line = emit.move(outputs, builder.mul(stride, LONG(row)), FLOAT)
                for c in columns:
                    total = builder.sitofp(totals[row * len(columns) + c], FLOATS)
                    scaled = builder.fmul(total, emit.floats(scales, c))
                    output = emit.add_product(emit.floats(biases, c), scaled, factor)
                    emit.store(output, emit.move(line, LANES * c, FLOAT))
            return context.get_dummy_value()

        at = int64
        signature = types.void(
            left, at, at, factors, at, right, at, start, at, scale, at, bias, at, out, at, at
        )
        return signature, generate

    return multiply
