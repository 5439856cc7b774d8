"""Pairs of a datastore that helped with a translation.

The best hypothesis is read once more, all positions at once. At each, its token has the probability
p = lambda p_knn + (1 - lambda) p_network, which the search has found; the share of an entry with
this token is its part of p. Shares of the entries of a pair are added up over the positions: so
many tokens came from the pair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tformer.model.datastore.layout import Datastore, Subset
from tformer.model.datastore.mixing import Floats, nearest, retrieval, squared_distances
from tformer.model.datastore.states import QuantisedStates
from tformer.model.passes.draft import Sentence
from tformer.model.passes.interface import Result, Review, states
from tformer.model.search.request import Pair
from tformer.model.translation import RecalledPair

MOST = 5
"""Pairs that are named for a sentence."""

LEAST = 0.05
"""Tokens that a pair must have helped with to be named."""


class RecalledEntry(NamedTuple):
    """One of the nearest entries at a position."""

    entry: int
    """Its number in the datastore."""
    token: int
    probability: float
    """Softmax of its distance."""


class RecalledToken(NamedTuple):
    """One position of a hypothesis."""

    token: int
    entries: tuple[RecalledEntry, ...]
    """The nearest first."""
    weight: float
    """lambda."""
    share: float
    """Part of the probability of ``token`` that comes from the entries."""


class Recollection:
    """The pass that names the pairs that helped, where options ask for them."""

    def __init__(self, datastores: Mapping[str, Datastore]) -> None:
        """A pass for some datastores by name."""
        self._datastores = datastores

    def review(self, sentence: Sentence, result: Result) -> Review:
        """See `Pass.review`.

        Raises:
            UsageError: the network has no scorer.
        """
        options = sentence.options
        if not (options.datastore and options.datastore_pairs):
            return result
        datastore, best = self._datastores[options.datastore], result.hypotheses[0]
        pair = Pair(result.input.tokens, best.tokens, result.encoder_states)
        (rows,) = yield from states([pair])
        subset = datastore.subset(pair.source, options.datastore_weight)
        if subset is None:
            return result
        tokens = recalled_tokens(subset, rows, best.tokens, best.token_scores)
        return replace(result, recalled=tuple(pairs_of(datastore, tokens)))


def recalled_tokens(
    subset: Subset, rows: QuantisedStates, tokens: Sequence[int], log_probs: Sequence[float]
) -> list[RecalledToken]:
    """Return the nearest entries of every token.

    Args:
        subset: entries that the sentence is compared with.
        rows: of T tokens at least.
        tokens: of the hypothesis, T.
        log_probs: of the tokens, in the mixture.
    """
    triples = zip(rows.real, tokens, log_probs, strict=False)
    return [_recalled(subset, *each) for each in triples]


def _recalled(subset: Subset, state: Floats, token: int, log_prob: float) -> RecalledToken:
    found = nearest(squared_distances(state, subset.keys, subset.scales), subset.weights)
    of_tokens = retrieval(found, subset.tokens)
    largest = np.array([max(of_tokens.values())])
    weight = float(subset.weights.weight(found.distances[:1], largest)[0])
    entries = zip(
        subset.entries[found.entries].tolist(),
        subset.tokens[found.entries].tolist(),
        found.probabilities.tolist(),
        strict=True,
    )
    share = weight * of_tokens.get(token, 0.0) / max(math.exp(log_prob), 1e-30)
    return RecalledToken(
        token, tuple(RecalledEntry(*each) for each in entries), weight, min(share, 1.0)
    )


def pairs_of(datastore: Datastore, tokens: Sequence[RecalledToken]) -> list[RecalledPair]:
    """Return the pairs that helped, those that helped most first."""
    helped: dict[int, float] = {}
    for each in tokens:
        same = [entry for entry in each.entries if entry.token == each.token]
        total = sum(entry.probability for entry in same)
        for entry in same if total else ():  # all of them may be too far to count
            pair = datastore.pair_of(entry.entry)
            helped[pair] = helped.get(pair, 0.0) + each.share * entry.probability / total
    best = sorted(helped.items(), key=lambda item: (-item[1], item[0]))[:MOST]
    return [
        RecalledPair(*datastore.texts(pair), round(number, 3))
        for pair, number in best
        if number >= LEAST
    ]
