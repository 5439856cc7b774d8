"""Sizes of what is multiplied together, by which weights are laid out."""

from __future__ import annotations

from tformer.model.hardware.cpu import Level, level
from tformer.model.network.int8.simd.dot import DOT
from tformer.model.network.int8.simd.vectors import LANES

PANEL = 4 * LANES
"""Multiple that every width of a product is filled up to."""

ROWS = 4
"""Rows that are multiplied together."""


def vectors_of(rows: int, level: Level, sums: int) -> int:
    """Vectors of sums of each of ``rows`` rows that registers hold, besides the factors.

    Those of a whole panel, an output having ``sums`` sums, are enough.
    """
    return min(PANEL * sums // level.lanes, level.registers // 2 // rows)


BLOCK = vectors_of(ROWS, level(), DOT.sums) * level().lanes // DOT.sums
"""Outputs of ``ROWS`` rows that are computed together; their weights lie side by side."""
