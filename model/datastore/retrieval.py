"""Sentence pairs whose sources share most with a source, by BM25 over tokens.

A datastore of a hundred thousand entries takes longer to compare with every hypothesis at every
step than the network takes to compute it. So the entries of a few pairs are compared, those with
the most similar sources (Deguchi et al., 2023, "Subset Retrieval Nearest Neighbor Machine
Translation"; Robertson and Zaragoza, 2009, for BM25). A source is what the encoder reads, in single
tokens and pairs of adjacent ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

SATURATION, LENGTH_SHARE = 1.2, 0.75
"""k_1 and b of BM25, at their usual values."""

MOST_FREQUENT = 0.2
"""Share of the pairs that may have a term; one that more have tells pairs apart too little."""


class Postings(NamedTuple):
    """Inverted index of P pairs: of every term the pairs that have it, one term's after another's.

    The dtype of ``weights`` keeps the index small on disk.
    """

    terms: Integers
    """(terms,), sorted: a token, or two of them as one number."""
    ends: NDArray[np.uint32]
    """(terms,), where in ``pairs`` those of each term end."""
    pairs: NDArray[np.uint32]
    weights: NDArray[np.float16]
    """BM25 of each term and pair."""


def terms_of(tokens: NDArray[np.int64]) -> Integers:
    """Terms of a source: tokens, and adjacent tokens as one number above them."""
    return np.concatenate([tokens, (tokens[:-1] + 1 << 32) + tokens[1:]])


def index_sources(sources: Sequence[NDArray[np.int64]]) -> Postings:
    """Index P sources, token ids each."""
    lists = [terms_of(source) for source in sources]
    lengths = np.array(list(map(len, lists)), np.int64)
    every = np.concatenate(lists) if lists else np.zeros(0, np.int64)
    owners = np.repeat(np.arange(len(lists)), lengths)
    order = np.lexsort((owners, every))
    every, owners = every[order], owners[order]
    first = np.ones(len(every), bool)
    first[1:] = (every[1:] != every[:-1]) | (owners[1:] != owners[:-1])
    starts = np.flatnonzero(first)
    counts = np.diff(np.append(starts, len(every)))
    terms, pairs = every[starts], owners[starts]
    _, index, frequency = np.unique(terms, return_inverse=True, return_counts=True)
    kept = (frequency <= max(1, MOST_FREQUENT * len(lists)))[index]
    normal = 1 - LENGTH_SHARE + LENGTH_SHARE * lengths / max(1, lengths.mean() if lists else 1)
    saturated = counts * (SATURATION + 1) / (counts + SATURATION * normal[pairs])
    weights = (rarity(len(lists), frequency)[index] * saturated)[kept].astype(np.float16)
    names, counts = np.unique(terms[kept], return_counts=True)
    ends = np.cumsum(counts).astype(np.uint32)
    return Postings(names, ends, pairs[kept].astype(np.uint32), weights)


def most_similar(
    postings: Postings, num_pairs: int, source: Sequence[int], most: int
) -> tuple[Integers, NDArray[np.float32]]:
    """Pairs that share terms with a source, at most ``most``, the most similar first.

    Returns:
        Their numbers, and their scores, divided by the rarity of all terms of the source together:
        about 1 for the same source, and 0 for one that has no term in common.
    """
    scores = np.zeros(num_pairs, np.float32)
    wanted = np.unique(terms_of(np.asarray(source, np.int64)))
    places = np.searchsorted(postings.terms, wanted)
    total = 0.0
    for place, term in zip(places.tolist(), wanted.tolist(), strict=True):
        part = slice(0, 0)
        if place < len(postings.terms) and postings.terms[place] == term:
            part = slice(int(postings.ends[place - 1]) if place else 0, int(postings.ends[place]))
            scores[postings.pairs[part]] += postings.weights[part]
        total += rarity(num_pairs, part.stop - part.start)
    some = min(most, num_pairs)
    best = np.argpartition(-scores, some - 1)[:some] if some < num_pairs else np.arange(num_pairs)
    best = best[scores[best] > 0]
    best = best[np.lexsort((best, -scores[best]))]
    return best, scores[best] / np.float32(max(total, 1e-6))


def rarity(num_pairs: int, frequency: Any) -> Any:
    """Inverse document frequency of terms."""
    return np.log(1 + (num_pairs - frequency + 0.5) / (frequency + 0.5))
