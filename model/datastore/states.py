"""Representations of target tokens in int8."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LIMIT = 127
"""Largest magnitude of a quantised number."""


class QuantisedStates(NamedTuple):
    """Representations of T tokens; ``keys`` times ``scales`` are what they stand for."""

    keys: NDArray[np.int8]
    """(T, d)"""
    scales: NDArray[np.float32]
    """(T,)"""

    @property
    def real(self) -> NDArray[np.float32]:
        """(T, d)"""
        result: NDArray[np.float32] = self.keys * self.scales[:, None]
        return result


def quantised(states: NDArray[np.floating[Any]]) -> QuantisedStates:
    """Representations (T, d) in int8, each with a scale of its own."""
    scales = np.abs(states).max(1, initial=1e-30).astype(np.float32) / np.float32(LIMIT)
    return QuantisedStates(np.rint(states / scales[:, None]).astype(np.int8), scales)
