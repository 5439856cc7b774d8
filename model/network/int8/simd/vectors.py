"""Sizes of vectors, whatever the level."""

from __future__ import annotations

LANES = 16
"""Numbers of 32 bits in a vector."""

LOWEST = -1e30
"""Below any logit."""

COLUMNS = 8 * LANES
"""Columns to which `logits.deal` deals out a row of numbers, as one deals cards."""

CACHE_LINE = 64
"""Bytes that a processor loads from memory at once."""
