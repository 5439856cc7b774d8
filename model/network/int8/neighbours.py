"""Entries of datastores that sentences are compared with, as `knn` reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tformer.model.datastore.layout import Subset
from tformer.model.network.int8.packing import Projection, quantised
from tformer.model.network.int8.records import Floats
from tformer.model.network.int8.simd.vectors import LOWEST
from tformer.model.network.int8.tables import Table

Integers = NDArray[np.int64]


class Recall(NamedTuple):
    """Entries of G sentences, and what was found for R hypotheses with at most N neighbours."""

    tables: Integers
    """(G, `abi.LINEAR` + 2), its packed keys, and address and number of the tokens; zeros for a
    sentence without entries."""
    weights: NDArray[np.float64]
    """(G, 6): T, b, w_d, w_p, c of `datastore.mixing`, and the number of neighbours."""
    tokens: Integers
    """(R, N), the tokens of the neighbours, each once; -1 behind the last."""
    probabilities: NDArray[np.float64]
    """(R, N), p_knn of each token."""
    shares: NDArray[np.float64]
    """(R,), lambda."""


class PackedSubset:
    """Entries of a sentence in the order of products."""

    def __init__(self, subset: Subset) -> None:
        """Pack them."""
        keys, scales = subset.keys, subset.scales
        squares = np.einsum("md,md->m", keys, keys, dtype=np.int32)
        halves = squares.astype(np.float32) * scales * scales / 2
        packed = quantised(Projection(keys, -halves, scales))
        packed.bias[len(keys) :] = LOWEST
        weights = subset.weights
        self.table = Table(packed, subset.tokens)
        self.weights = (
            weights.temperature,
            weights.bias,
            weights.distance,
            weights.confidence,
            weights.trust,
            min(weights.neighbours, len(keys)),
        )


def recall_of(subsets: Sequence[PackedSubset | None], beam: int) -> Recall | None:
    """Entries of the sentences of a batch, with room for what is found; None where none has any."""
    some = next(filter(None, subsets), None)
    if some is None:
        return None
    tables = np.zeros((len(subsets), len(some.table.numbers)), np.int64)
    weights = np.zeros((len(subsets), 6))
    for number, subset in enumerate(subsets):
        if subset:
            tables[number], weights[number] = subset.table.numbers, subset.weights
    rows, most = len(subsets) * beam, int(weights[:, 5].max())
    return Recall(
        tables, weights, np.empty((rows, most), np.int64), np.empty((rows, most)), np.zeros(rows)
    )


def mix_whole(recall: Recall | None, log_probs: Floats) -> None:
    """Mix what was found into the log-probabilities (R, V) of all tokens, in place."""
    if recall is None:
        return
    for r in np.flatnonzero(recall.shares).tolist():
        tokens = recall.tokens[r][recall.tokens[r] >= 0]
        share, found = recall.shares[r], recall.probabilities[r, : len(tokens)]
        log_probs[r] += np.float32(math.log1p(-share))
        own = np.exp(log_probs[r, tokens], dtype=np.float64)
        log_probs[r, tokens] = np.log(own + share * found)
