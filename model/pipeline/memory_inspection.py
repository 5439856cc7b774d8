"""Entries of a datastore that a translation attended to, position by position.

The positions are read at once, as those of a forced pass; entries, softmax and lambda are those of
`tformer.model.datastore.mixing`, which decodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tformer.model.datastore.layout import Datastore, Subset
from tformer.model.datastore.mixing import mixed, nearest, squared_distances

MOST = 5
"""Entries of a position that are told."""


@dataclass(frozen=True)
class InspectedEntry:
    """A target token of a pair in the datastore."""

    piece: str
    """The token."""
    weight: float
    """Its share in the softmax over the nearest entries, before lambda."""
    source: str
    target: str


@dataclass(frozen=True)
class InspectedRetrieval:
    """Retrieval at one target position."""

    weight: float
    """lambda; 0 where the datastore has nothing similar."""
    entries: tuple[InspectedEntry, ...] = ()
    """The nearest, those of the largest weight first, at most :data:`MOST`."""


def retrievals(
    datastore: Datastore,
    subset: Subset | None,
    states: NDArray[np.float32],
    log_probs: NDArray[np.float64],
    names: list[str],
) -> tuple[list[InspectedRetrieval], NDArray[np.float64]]:
    """Retrieval at every position, and the mixture.

    Args:
        datastore: whose entries these are.
        subset: entries that the sentence is compared with; None if nothing is similar.
        states: (T, d), what the output projection reads.
        log_probs: (T, V), of the network.
        names: every target token, by id.

    Returns:
        T retrievals; and log p of the mixture, (T, V).
    """
    if subset is None:
        return [InspectedRetrieval(0.0)] * len(states), log_probs
    found, mixtures = [], []
    for state, of_network in zip(states, log_probs, strict=True):
        near = nearest(squared_distances(state, subset.keys, subset.scales), subset.weights)
        mixture, weight = mixed(of_network, near, subset.tokens, subset.weights)
        told = zip(near.entries[:MOST].tolist(), near.probabilities.tolist(), strict=False)
        entries = (
            InspectedEntry(
                names[int(subset.tokens[entry])],
                share,
                *datastore.texts(datastore.pair_of(int(subset.entries[entry]))),
            )
            for entry, share in told
        )
        found.append(InspectedRetrieval(weight, tuple(entries)))
        mixtures.append(mixture)
    return found, np.stack(mixtures)
