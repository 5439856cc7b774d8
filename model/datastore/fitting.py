"""Temperature of a datastore, and when to trust it: most probable for its own pairs, left out.

Some pairs are compared with all the others. For each of their tokens that gives the nearest
entries and, from the network, log p; the parameters of `mixing` are those under which the tokens
are most probable. No text is needed but the datastore's own. lambda is found by
expectation-maximisation: how probable it is that a token came from the entries, and a logistic
regression to that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tformer.model.datastore.mixing import ALWAYS, Doubles, MixtureWeights

TEMPERATURES = (2.0, 4.0, 7.0, 12.0, 20.0, 35.0, 60.0, 100.0)
"""Candidates for T, in units of the width / 256: representations are normalised, so that distances
grow with it."""

ROUNDS = 25
"""Rounds of expectation-maximisation."""

RIDGE = 1e-3
"""Pulls coefficients toward zero, so that the regression has a solution."""


class LeftOutTokens(NamedTuple):
    """n tokens, and their N nearest entries in the other pairs."""

    log_probs: Doubles
    """(n,), of the network."""
    distances: Doubles
    """(n, N), squared, rising; infinite where there is no entry."""
    tokens: NDArray[np.int64]
    """(n, N), of the entries."""
    wanted: NDArray[np.int64]
    """(n,), the tokens themselves."""


def fit(left_out: LeftOutTokens, width: int, neighbours: int) -> MixtureWeights:
    """The parameters under which the tokens are most probable.

    Args:
        left_out: tokens, at least one.
        width: d.
        neighbours: N.
    """
    fitted = [_fit_at(left_out, base * width / 256, neighbours) for base in TEMPERATURES]
    return max(fitted, key=lambda pair: pair[0])[1]


def _fit_at(
    left_out: LeftOutTokens, temperature: float, neighbours: int
) -> tuple[float, MixtureWeights]:
    """Mean log-likelihood with a temperature, and the weights."""
    shares = _softmax(-left_out.distances / temperature)
    correct = (shares * (left_out.tokens == left_out.wanted[:, None])).sum(1)
    nearest, largest = left_out.distances[:, 0], _largest(shares, left_out.tokens)
    unit = float(nearest.mean()) or 1.0
    features = np.stack([np.ones_like(nearest), nearest / unit, largest], 1)
    network = np.exp(left_out.log_probs)
    weights = np.zeros(3)
    for _ in range(ROUNDS):
        share = _sigmoid(features @ weights)
        expected = share * correct / (share * correct + (1 - share) * network + 1e-300)
        weights = _regression_step(features, expected, weights)
    share = _sigmoid(features @ weights)
    likelihood = float(np.log(share * correct + (1 - share) * network + 1e-300).mean())
    bias, distance, confidence = weights.tolist()
    return likelihood, MixtureWeights(temperature, bias, distance / unit, confidence, neighbours)


def _regression_step(features: Doubles, expected: Doubles, weights: Doubles) -> Doubles:
    """One Newton step of a logistic regression to probabilities (n,)."""
    share = _sigmoid(features @ weights)
    curvature = np.maximum(share * (1 - share), 1e-6)
    ridge = RIDGE * len(features) * np.diag([0, 1, 1])
    hessian = (features * curvature[:, None]).T @ features + ridge + 1e-9 * np.eye(3)
    gradient = features.T @ (expected - share) - ridge @ weights
    step = np.linalg.solve(hessian, gradient)
    result: Doubles = weights + step / max(1.0, float(np.abs(step).max()))
    return result


def _largest(shares: Doubles, tokens: NDArray[np.int64]) -> Doubles:
    """Largest p_knn of any token, (n,)."""
    same = tokens[:, :, None] == tokens[:, None, :]  # (n, N, N)
    result: Doubles = (same * shares[:, None, :]).sum(2).max(1)
    return result


def _softmax(values: Doubles) -> Doubles:
    exponentials = np.exp(values - values.max(1, keepdims=True))
    result: Doubles = exponentials / exponentials.sum(1, keepdims=True)
    return result


def _sigmoid(logits: Doubles) -> Doubles:
    result: Doubles = 1 / (1 + np.exp(-np.clip(logits, -ALWAYS, ALWAYS)))
    return result
