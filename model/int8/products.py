"""Products of int8 matrices, compiled by Numba for the processor at hand.

A weight matrix has a scale for every output, an activation one for every row: the largest magnitude
of each becomes 127. Sums of int8 products in int32 are exact, so they cannot depend on who else is
in a batch, nor on the order in which they are taken.

Processors with AVX-512 VNNI multiply 64 pairs of bytes an instruction, of which the left ones have
no sign. Activations are therefore stored as uint8, 128 too large, and the sums begin with what that
adds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray
from torch import Tensor

from tformer.model.device import has_vnni
from tformer.model.errors import ModelError

Floats = NDArray[np.float32]

OFFSET = 128
"""What is added to a quantised activation to make it a uint8."""

LIMIT = 127
"""Largest magnitude of a quantised number; -128 is not used, so that signs are alike."""

PANEL = 64
"""Outputs that are computed together, and what every width is filled up to."""

LANES, QUAD, ROWS = 16, 4, 4
"""int32 numbers in a vector; bytes that make up one of them; rows that are computed together."""


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


# -- the instruction ----------------------------------------------------------------------

_BYTE, _WORD, _LONG = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, LANES)


def _tile(rows: int) -> Any:
    """A function that multiplies ``rows`` rows with one panel of weights.

    Its arguments are arrays and where in them to begin, in items: activations (uint8) and the
    length of their rows; weights (int8); the sums to begin with (int32); where to put the sums
    (int32) and the length of those rows. The sums stay in registers all along: rows x 4 vectors.
    """

    @intrinsic
    def multiply(  # type: ignore[no-untyped-def]
        typing, left, left_at, depth, right, right_at, start, start_at, out, out_at, stride
    ):
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            def place(number: int, item: ir.Type) -> Any:
                array = context.make_array(signature.args[number])(
                    context, builder, arguments[number]
                )
                data = builder.bitcast(array.data, item.as_pointer())
                return builder.gep(data, [arguments[number + 1]], source_etype=item)

            def load(base: Any, offset: Any, item: ir.Type, kind: ir.Type) -> Any:
                at = builder.gep(base, [offset], source_etype=item)
                value = builder.load(builder.bitcast(at, kind.as_pointer()), typ=kind)
                value.align = 1
                return value

            activations, weights = place(0, _BYTE), place(3, _BYTE)
            begin, sums = place(5, _WORD), place(7, _WORD)
            depth_, stride_ = arguments[2], arguments[9]
            columns = range(PANEL // LANES)
            first = [load(begin, _LONG(LANES * c), _WORD, _VECTOR) for c in columns]
            dot = cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(_VECTOR, [_VECTOR] * 3),
                "llvm.x86.avx512.vpdpbusd.512",
            )

            entry, loop = builder.block, builder.append_basic_block("quads")
            done = builder.append_basic_block("done")
            builder.branch(loop)
            builder.position_at_end(loop)
            index = builder.phi(_LONG)
            index.add_incoming(_LONG(0), entry)
            totals = [[builder.phi(_VECTOR) for _ in columns] for _ in range(rows)]
            panel_at = builder.mul(index, _LONG(PANEL * QUAD))
            panel = [
                load(weights, builder.add(panel_at, _LONG(LANES * QUAD * c)), _BYTE, _VECTOR)
                for c in columns
            ]
            for r, row in enumerate(totals):
                at = builder.add(builder.mul(depth_, _LONG(r)), builder.mul(index, _LONG(QUAD)))
                quad = load(activations, at, _BYTE, _WORD)
                everywhere = builder.shuffle_vector(
                    builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), quad, _WORD(0)),
                    ir.Constant(_VECTOR, ir.Undefined),
                    ir.Constant(_VECTOR, None),
                )
                for c, total in enumerate(row):
                    total.add_incoming(first[c], entry)
                    row[c] = builder.call(dot, [total, everywhere, panel[c]])
                    total.add_incoming(row[c], loop)
            following = builder.add(index, _LONG(1))
            index.add_incoming(following, loop)
            count = builder.sdiv(depth_, _LONG(QUAD))
            builder.cbranch(builder.icmp_signed("<", following, count), loop, done)

            builder.position_at_end(done)
            for r, row in enumerate(totals):
                for c, total in enumerate(row):
                    at = builder.add(builder.mul(stride_, _LONG(r)), _LONG(LANES * c))
                    into = builder.gep(sums, [at], source_etype=_WORD)
                    builder.store(total, builder.bitcast(into, _VECTOR.as_pointer())).align = 4
            return context.get_dummy_value()

        number = types.int64
        signature = types.void(
            left, number, number, right, number, start, number, out, number, number
        )
        return signature, generate

    return multiply


_four_rows, _one_row = _tile(ROWS), _tile(1)


@njit(nogil=True)
def _product_vnni(activations, rows, linear, sums):  # type: ignore[no-untyped-def]
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
def product_plain(activations, rows, linear, sums):  # type: ignore[no-untyped-def]
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
