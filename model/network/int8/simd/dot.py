"""Sums of products of bytes, by the instructions of each level; all of them exact.

Four activations of a row meet a vector of weights, four for each output. What an instruction wants
differs, and with it how activations are stored:

    vpdpbusd   unsigned bytes times signed ones, four products a lane: activations are 128 too large
    vpmaddwd   numbers of 16 bits, two products a lane: bytes are widened before
    sdot       signed bytes, four products a lane
    smull      signed bytes to 16 bits, which are added to 32 by pairs

With two products a lane an output has two sums, side by side, which are added at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir

from tformer.model.hardware.cpu import Level, level
from tformer.model.network.int8.simd.emitter import BYTE, LONG, SHORT, WORD, Emitter

QUAD = 4
"""Products of an output that are computed together."""

Add = Callable[[Emitter, Any, Any, Any], Any]
"""The sums (int32), with the products of activations (one number that holds four) and weights."""


class Dot(NamedTuple):
    """Byte products at a level."""

    offset: int
    """Offset of an activation that is stored as an unsigned byte."""
    width: int
    """Bytes of an activation where it is multiplied."""
    sums: int
    """Partial sums of an output, in lanes side by side."""
    add: Add


def _vpdpbusd(emit: Emitter, total: Any, activations: Any, weights: Any) -> Any:
    kind = total.type
    dot = emit.function(f"llvm.x86.avx512.vpdpbusd.{32 * kind.count}", kind, [kind] * 3)
    lanes = emit.everywhere(activations, kind)
    return emit.builder.call(dot, [total, lanes, emit.builder.bitcast(weights, kind)])


def _vpmaddwd(emit: Emitter, total: Any, activations: Any, weights: Any) -> Any:
    builder, kind = emit.builder, total.type
    shorts = ir.VectorType(SHORT, 2 * kind.count)
    name = {8: "avx2.pmadd.wd", 16: "avx512.pmaddw.d.512"}[kind.count]
    multiply = emit.function(f"llvm.x86.{name}", kind, [shorts] * 2)
    lanes = emit.everywhere(activations, ir.VectorType(LONG, kind.count // 2))
    pairs = [builder.bitcast(lanes, shorts), builder.sext(weights, shorts)]
    return builder.add(total, builder.call(multiply, pairs))


def _sdot(emit: Emitter, total: Any, activations: Any, weights: Any) -> Any:
    kind, signed = total.type, weights.type
    dot = emit.function("llvm.aarch64.neon.sdot.v4i32.v16i8", kind, [kind, signed, signed])
    lanes = emit.builder.bitcast(emit.everywhere(activations, kind), signed)
    return emit.builder.call(dot, [total, weights, lanes])


def _smull(emit: Emitter, total: Any, activations: Any, weights: Any) -> Any:
    kind, half, shorts = total.type, weights.type, ir.VectorType(SHORT, 8)
    multiply = emit.function("llvm.aarch64.neon.smull.v8i16", shorts, [half] * 2)
    pairs = emit.function("llvm.aarch64.neon.saddlp.v4i32.v8i16", kind, [shorts])
    lanes = emit.builder.bitcast(emit.everywhere(activations, ir.VectorType(WORD, 2)), half)
    products = emit.builder.call(multiply, [weights, lanes])
    return emit.builder.add(total, emit.builder.call(pairs, [products]))


_DOTS = {
    "vpdpbusd": Dot(128, 1, 1, _vpdpbusd),
    "vpmaddwd": Dot(0, 2, 2, _vpmaddwd),
    "sdot": Dot(0, 1, 1, _sdot),
    "smull": Dot(0, 1, 2, _smull),
}


def dot_of(level: Level) -> Dot:
    """Byte products of a level; one without vectors stores activations as most do."""
    return _DOTS.get(level.products, _DOTS["sdot"])


DOT = dot_of(level())
"""Byte products of the chosen level."""


def weights_of(lanes: int, dot: Dot) -> ir.VectorType:
    """The weights that are multiplied to ``lanes`` sums."""
    return ir.VectorType(BYTE, lanes // dot.sums * QUAD)
