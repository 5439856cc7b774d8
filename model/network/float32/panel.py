"""Layout of weights, whatever the level."""

from __future__ import annotations

from tformer.model.network.int8.simd.vectors import LANES

PANEL = 4 * LANES
"""Outputs whose weights lie side by side."""
