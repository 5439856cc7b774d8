"""Sentences that say no other tokens than those of their shortlist, in int8.

The rows of the output projection that a sentence may say are put side by side once, when it comes.
After that a step multiplies by these alone: some hundred instead of all of the vocabulary. A
sentence has a list of its own, so neighbours in the batch change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tformer.model.network.int8.packing import filled_to
from tformer.model.network.int8.panels import gather
from tformer.model.network.int8.records import PackedLinear
from tformer.model.network.int8.simd.vectors import COLUMNS, LOWEST
from tformer.model.network.int8.tables import Table

Integers = NDArray[np.int64]


class Listed(NamedTuple):
    """Shortlists of G sentences."""

    tables: Integers
    """(G, `abi.LINEAR` + 2), a sentence's packed rows, and address and number of their tokens."""
    owners: Integers
    """(R,), the sentence of each row of which scores are wanted."""


class PackedList:
    """The part of an output projection that a sentence may say."""

    def __init__(self, whole: PackedLinear, tokens: Integers) -> None:
        """Take the rows ``tokens`` (N,), rising, of the projection to the vocabulary."""
        width = filled_to(len(tokens), COLUMNS)
        ids = tokens.astype(np.int32)
        block = whole.weight.shape[2]
        part = PackedLinear(
            np.zeros((width // block, *whole.weight.shape[1:]), np.int8),
            np.zeros(width, np.int32),
            np.zeros(width, np.float32),
            np.full(width, LOWEST, np.float32),
            np.zeros((width // block, whole.limits.shape[1]), np.uint16),  # nothing is bounded
        )
        for name in ("start", "scale", "bias"):
            getattr(part, name)[: len(tokens)] = getattr(whole, name)[tokens]
        gather(*(each.weight.view(np.int32)[..., 0] for each in (whole, part)), ids)
        self.table = Table(part, ids)


def lists_of(lists: Sequence[PackedList], owners: Integers) -> Listed | None:
    """Shortlists of the sentences of a batch, as the kernels read them; None where none has one."""
    if not lists:
        return None
    return Listed(np.stack([each.table.numbers for each in lists]), owners)
