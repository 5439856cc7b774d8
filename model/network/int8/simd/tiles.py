"""Sizes of what is multiplied together, by which weights are laid out."""

from __future__ import annotations

from tformer.model.hardware.cpu import Level, level
from tformer.model.network.int8.simd.dot import BOUNDED, DOT, QUAD
from tformer.model.network.int8.simd.vectors import LANES

PANEL = 4 * LANES
"""Multiple that every width of a product is filled up to."""

ROWS = 1 if BOUNDED and level().registers < 32 else 4
"""Rows that are multiplied together. Sums of two quads (`bounded_tile`) of four rows take more than
16 registers: there a row meets as many outputs at a time as four would, and reads the weights of
each as it needs them."""


def vectors_of(rows: int, level: Level, sums: int) -> int:
    """Vectors of sums of each of ``rows`` rows that registers hold, besides the factors.

    Those of a whole panel, an output having ``sums`` sums, are enough.
    """
    return min(PANEL * sums // level.lanes, level.registers // 2 // rows)


BLOCK = vectors_of(ROWS, level(), DOT.sums) * level().lanes // DOT.sums
"""Outputs of ``ROWS`` rows that are computed together; their weights lie side by side."""

SPARSE = level().machine == "x86" and not level().tiles
"""True where products after a ReLU leave zeros out, whose weights are laid out by inputs."""

GROUP = QUAD * level().lanes
"""Outputs whose weights of one input fill a register."""

QUARTER = 16
"""Bytes of the parts of a register inside which bytes of two are interleaved."""


def output_of(byte: int) -> int:
    """The output of a panel whose weight is byte number ``byte`` of those of an input.

    Their order is that from which interleaving makes vectors of outputs that follow each other.
    """
    group, inside = divmod(byte, GROUP)
    quarter, inside = divmod(inside, QUARTER)
    vector, lane = divmod(inside, QUAD)
    return group * GROUP + vector * level().lanes + quarter * QUAD + lane
