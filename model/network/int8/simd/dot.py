"""Sums of products of bytes, by the instructions of each level; all of them exact.

Four activations of a row meet a vector of weights, four for each output. What an instruction wants
differs, and with it how activations are stored:

    vpdpbusd    unsigned bytes times signed ones, four products a lane: activations are 128 too
                large, and sums begin with what that adds
    vpmaddubsw  unsigned bytes times signed ones, two products of 16 bits, which hold 2 * 127 * 128
                but no more: activations are four magnitudes and then four signs, 0 or -1
    sdot        signed bytes, four products a lane; where there is `smmla`, several rows are
                multiplied by it, see `gemm`
    smull       signed bytes to 16 bits, which are added to 32 by pairs

With signs apart a weight w is negated by an exclusive or, which makes it -w - 1: what that takes
away is the magnitude of the activation, whatever the output. So a row ends with the sum of its
negative magnitudes (int32), with which sums begin. Before it are sums of squares, two uint16 of
every two quads, which tell where these may be added in 16 bits (`bounded_tile`). With `smull` an
output has two sums, side by side, which are added at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from llvmlite import ir

from tformer.model.hardware.cpu import Level, level
from tformer.model.network.int8.simd.emitter import BYTE, SHORT, WORD, Emitter

LINE = 16
"""Bytes at the end of a row that has its signs apart, of which the first four are its sum."""

QUAD = 4
"""Products of an output that are computed together."""

Add = Callable[[Emitter, Any, Sequence[Any], Any], Any]
"""The sums (int32), with the products of activations and weights; a number holds four activations,
or their magnitudes, and another one their signs."""


class Dot(NamedTuple):
    """Byte products at a level."""

    offset: int
    """Offset of an activation that is stored as an unsigned byte."""
    width: int
    """Bytes of an activation: one, or two if its magnitude and its sign are apart."""
    sums: int
    """Partial sums of an output, in lanes side by side."""
    add: Add

    def row(self, depth: int) -> int:
        """Length of a stored row of ``depth`` activations, in bytes."""
        return depth if self.width == 1 else depth * self.width + depth // 2 + LINE


def _vpdpbusd(emit: Emitter, total: Any, activations: Sequence[Any], weights: Any) -> Any:
    kind = total.type
    dot = emit.function(f"llvm.x86.avx512.vpdpbusd.{32 * kind.count}", kind, [kind] * 3)
    lanes = emit.everywhere(activations[0], kind)
    return emit.builder.call(dot, [total, lanes, emit.builder.bitcast(weights, kind)])


def _vpmaddubsw(emit: Emitter, total: Any, activations: Sequence[Any], weights: Any) -> Any:
    return _widened(emit, total, _in_shorts(emit, activations, weights))


def _widened(emit: Emitter, total: Any, pairs: Any) -> Any:
    """The sums, with numbers of 16 bits, two and two."""
    kind, shorts = total.type, pairs.type
    widen = emit.function(f"llvm.x86.{_WIDEN[kind.count]}", kind, [shorts] * 2)
    both = emit.builder.call(widen, [pairs, shorts([1] * shorts.count)])
    return emit.builder.add(total, both)


_MULTIPLY = {8: "avx2.pmadd.ub.sw", 16: "avx512.pmaddubs.w.512"}
_WIDEN = {8: "avx2.pmadd.wd", 16: "avx512.pmaddw.d.512"}
"""Instructions for so many sums."""


def _in_shorts(emit: Emitter, activations: Sequence[Any], weights: Any) -> Any:
    """Products of a quad, two and two in 16 bits."""
    builder, signed = emit.builder, weights.type
    kind = ir.VectorType(WORD, signed.count // QUAD)
    shorts = ir.VectorType(SHORT, 2 * kind.count)
    multiply = emit.function(f"llvm.x86.{_MULTIPLY[kind.count]}", shorts, [signed] * 2)
    magnitudes, *signs = (
        builder.bitcast(emit.everywhere(four, kind), signed) for four in activations
    )
    for each in signs:
        weights = builder.xor(weights, each)
    return builder.call(multiply, [magnitudes, weights])


LARGEST = 2**15 - 1
"""Largest sum of products of two quads that 16 bits hold."""


def add_two_quads(
    emit: Emitter, total: Any, activations: Sequence[Sequence[Any]], weights: Sequence[Any]
) -> Any:
    """The sums with the products of two quads, none of which is above `LARGEST`."""
    one, other = (_in_shorts(emit, *each) for each in zip(activations, weights, strict=True))
    return _widened(emit, total, emit.builder.add(one, other))


def _sdot(emit: Emitter, total: Any, activations: Sequence[Any], weights: Any) -> Any:
    kind, signed = total.type, weights.type
    dot = emit.function("llvm.aarch64.neon.sdot.v4i32.v16i8", kind, [kind, signed, signed])
    lanes = emit.builder.bitcast(emit.everywhere(activations[0], kind), signed)
    return emit.builder.call(dot, [total, weights, lanes])


def _smull(emit: Emitter, total: Any, activations: Sequence[Any], weights: Any) -> Any:
    kind, half, shorts = total.type, weights.type, ir.VectorType(SHORT, 8)
    multiply = emit.function("llvm.aarch64.neon.smull.v8i16", shorts, [half] * 2)
    pairs = emit.function("llvm.aarch64.neon.saddlp.v4i32.v8i16", kind, [shorts])
    lanes = emit.builder.bitcast(emit.everywhere(activations[0], ir.VectorType(WORD, 2)), half)
    products = emit.builder.call(multiply, [weights, lanes])
    return emit.builder.add(total, emit.builder.call(pairs, [products]))


_DOTS = {
    "vpdpbusd": Dot(128, 1, 1, _vpdpbusd),
    "vpmaddubsw": Dot(0, 2, 1, _vpmaddubsw),
    "sdot": Dot(0, 1, 1, _sdot),
    "smull": Dot(0, 1, 2, _smull),
}


def dot_of(level: Level) -> Dot:
    """Byte products of a level; one without vectors stores activations as most do."""
    return _DOTS.get(level.products, _DOTS["sdot"])


DOT = dot_of(level())
"""Byte products of the chosen level."""

BOUNDED = DOT.width == 2
"""True where signs are apart, and two quads are added in 16 bits wherever these hold the sum."""


def weights_of(lanes: int, dot: Dot) -> ir.VectorType:
    """The weights that are multiplied to ``lanes`` sums."""
    return ir.VectorType(BYTE, lanes // dot.sums * QUAD)
