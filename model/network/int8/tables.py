"""Weights and working memory as tables of addresses; `abi` makes arrays of them again.

A call of a compiled function unpacks every array that it is given, which for the hundred arrays of
a network takes as long as a step for one sentence. So kernels are given tables of whole numbers,
an address and the extents for every array.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Table:
    """Addresses and extents of arrays, which live as long as it does."""

    def __init__(self, *parts: Any) -> None:
        """Describe arrays, whole numbers and tuples of these, one after the other."""
        self.parts = parts
        self.numbers: NDArray[np.int64] = np.fromiter(_described(parts), np.int64)


def _described(part: Any) -> Iterator[int]:
    if isinstance(part, np.ndarray):
        assert part.flags.c_contiguous
        yield part.ctypes.data
        yield from part.shape
    elif isinstance(part, tuple):
        for item in part:
            yield from _described(item)
    else:
        yield int(part)
