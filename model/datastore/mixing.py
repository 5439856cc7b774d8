"""Distribution over the tokens of the nearest entries, and its mixture with that of the network.

With q the representation of a hypothesis, (k_i, v_i) the nearest entries and d_i = |q - k_i|,

    p_knn(v) = sum of exp(-d_i^2 / T) over the entries with v_i = v, divided by the sum over all
    p(v)     = lambda p_knn(v) + (1 - lambda) p_network(v)

(Khandelwal et al., 2021, "Nearest Neighbor Machine Translation", equations 2 and 3). The softmax is
attention to the entries with queries, keys and values as they are, which is one update of a modern
Hopfield network (Ramsauer et al., 2021). lambda is either fixed or follows from the distance of the
nearest entry and the largest probability that the entries give:

    lambda = c sigmoid(b + w_d d_1^2 + w_p max p_knn)

with a factor c between 0 and 1 for the whole sentence, by how similar the most similar source is:
what the entries say of a sentence from elsewhere is not to be trusted, however near they are.

Shapes: M entries, width d, N neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tformer.model.errors import UsageError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

ALWAYS = 40.0
"""Logit of a lambda that is as good as one."""


@dataclass(frozen=True)
class MixtureWeights:
    """Parameters of the mixture."""

    temperature: float
    """T."""
    bias: float
    """b."""
    distance: float = 0.0
    """w_d."""
    confidence: float = 0.0
    """w_p."""
    neighbours: int = 16
    """N, the nearest entries that count."""
    trust: float = 1.0
    """c."""

    def fixed(self, weight: float) -> MixtureWeights:
        """The same with one lambda for all, at least 0 and below 1.

        Raises:
            UsageError: it is not.
        """
        if not 0 <= weight < 1:
            raise UsageError(f"the weight of a datastore must be at least 0 and below 1: {weight}")
        bias = math.log(weight / (1 - weight)) if weight else -ALWAYS
        return replace(self, bias=bias, distance=0.0, confidence=0.0, trust=1.0)

    def weight(self, nearest: Doubles, largest: Doubles) -> Doubles:
        """lambda, from squared distances of the nearest entries and largest probabilities."""
        logit = self.bias + self.distance * nearest + self.confidence * largest
        result: Doubles = self.trust / (1 + np.exp(-np.clip(logit, -ALWAYS, ALWAYS)))
        return result


class NearestEntries(NamedTuple):
    """The nearest entries of one representation, the nearest first."""

    entries: NDArray[np.int64]
    """(N,), their numbers."""
    distances: Doubles
    """(N,), squared."""
    probabilities: Doubles
    """(N,), the softmax of -d^2 / T."""


def squared_distances(query: Floats, keys: NDArray[np.int8], scales: Floats) -> Doubles:
    """Squared Euclidean distances (M,) of a query (d,) from keys (M, d) times scales (M,)."""
    real = keys.astype(np.float64) * scales[:, None].astype(np.float64)
    difference = real - query.astype(np.float64)
    return np.einsum("md,md->m", difference, difference)


def nearest(distances: Doubles, weights: MixtureWeights) -> NearestEntries:
    """The nearest of entries by their squared distances (M,); of equals the first."""
    order = np.argsort(distances, kind="stable")[: weights.neighbours]
    found = distances[order]
    share = np.exp((found[:1] - found) / weights.temperature)
    return NearestEntries(order, found, share / share.sum() if len(order) else share)


def retrieval(found: NearestEntries, tokens: NDArray[np.int32]) -> dict[int, float]:
    """p_knn of every token of the neighbours; ``tokens`` (M,) are those of all entries."""
    total: dict[int, float] = {}
    for entry, probability in zip(found.entries, found.probabilities.tolist(), strict=True):
        token = int(tokens[entry])
        total[token] = total.get(token, 0.0) + probability
    return total


def mixed(
    log_probs: Doubles, found: NearestEntries, tokens: NDArray[np.int32], weights: MixtureWeights
) -> tuple[Doubles, float]:
    """log p of all tokens (V,), from the network's ``log_probs`` (V,); and lambda."""
    of_tokens = retrieval(found, tokens)
    if not of_tokens:
        return log_probs, 0.0
    largest = np.array([max(of_tokens.values())])
    share = float(weights.weight(found.distances[:1], largest)[0])
    result = log_probs + math.log1p(-share)
    for token, probability in of_tokens.items():
        result[token] = np.logaddexp(result[token], math.log(share * probability + 1e-300))
    return result, share
