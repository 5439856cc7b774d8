"""(h) Attention is the update of a modern Hopfield network: recall, capacity, energy.

    python benchmarks/claims/hopfield.py

Classical (Hopfield, 1982; capacity about 0.138 N by Amit, Gutfreund and Sompolinsky, 1985): P
random patterns of N signs, Hebb's rule W = XᵀX / N without a diagonal. Modern (Ramsauer et al.,
2021, "Hopfield Networks is All You Need"): one update, softmax(β ξ Xᵀ) X, with the energy

    E = -1/β ln Σ exp(β x_i·ξ) + ξ·ξ / 2
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from report import plot, publish
from torch import Tensor

from tformer.model.network.attention import attention

Signs = NDArray[np.float32]


def update(states: Tensor, patterns: Tensor, beta: float) -> Tensor:
    """One update of states (M, d) by stored patterns (P, d)."""
    return (beta * (states @ patterns.T)).softmax(-1) @ patterns


def by_attention(states: Tensor, patterns: Tensor) -> Tensor:
    """The same with β = 1/√d by the network's attention, with patterns as keys and values."""
    return attention(states, patterns, patterns, record=[])


def energy(states: Tensor, patterns: Tensor, beta: float) -> Tensor:
    """Energy (M,) of states, up to a constant."""
    return -(beta * (states @ patterns.T)).logsumexp(-1) / beta + states.square().sum(-1) / 2


def half_masked(patterns: Signs) -> Signs:
    """Patterns of which the second half is unknown, 0."""
    cues = patterns.copy()
    cues[:, patterns.shape[1] // 2 :] = 0
    return cues


def random_patterns(number: int, width: int, seed: int) -> Signs:
    """Random signs (P, N)."""
    signs = np.random.default_rng(seed).integers(0, 2, (number, width))
    return (2 * signs - 1).astype(np.float32)


def settled(patterns: Signs, states: Signs, seed: int = 0, rounds: int = 60) -> Signs:
    """Fixed points of the classical network from states (M, N); half of the units at a time."""
    weights = patterns.T @ patterns / patterns.shape[1]
    np.fill_diagonal(weights, 0)
    random = np.random.default_rng(seed)
    for _ in range(rounds):
        chosen = random.random(states.shape[1]) < 0.5
        new = np.where(states @ weights >= 0, np.float32(1), np.float32(-1))
        changed = np.where(chosen, new, states)
        if (new == states).all():
            break
        states = changed
    return states


def classical_errors(load: float, width: int, seed: int, *, masked: bool = False) -> float:
    """Share of wrong units for P = load N patterns, from the patterns or from half of them."""
    patterns = random_patterns(round(load * width), width, seed)
    cues = half_masked(patterns) if masked else patterns
    return float((settled(patterns, cues) != patterns).mean())


def capacity(loads: list[float], errors: list[float], limit: float = 0.01) -> float:
    """Load at which errors reach a limit, between measured ones."""
    above = next(n for n, error in enumerate(errors) if error > limit)
    part = (limit - errors[above - 1]) / (errors[above] - errors[above - 1])
    return loads[above - 1] + part * (loads[above] - loads[above - 1])


def modern_recall(number: int, width: int, beta: float, seed: int = 0) -> float:
    """Share of patterns that one update completes from a half without a wrong sign."""
    patterns = random_patterns(number, width, seed)
    cues, stored = half_masked(patterns[:500]), torch.from_numpy(patterns)
    found = update(torch.from_numpy(cues), stored, beta).sign().numpy()
    return float((found == patterns[:500]).all(1).mean())


def largest_rise(width: int, number: int, beta: float, steps: int = 20) -> float:
    """Largest rise of the energy at any step, in float64; 0 or rounding if it never rises."""
    torch.manual_seed(width)
    patterns = torch.randn(number, width, dtype=torch.float64)
    states = torch.randn(200, width, dtype=torch.float64)
    rise, before = -math.inf, energy(states, patterns, beta)
    for _ in range(steps):
        states = update(states, patterns, beta)
        after = energy(states, patterns, beta)
        rise, before = max(rise, float((after - before).max())), after
    return rise


def same_bits(dtype: torch.dtype, width: int = 64) -> bool:
    """Return whether update and attention agree in every bit."""
    torch.manual_seed(0)
    patterns = torch.randn(100, width, dtype=dtype)
    states = torch.randn(50, width, dtype=dtype)
    return torch.equal(update(states, patterns, width**-0.5), by_attention(states, patterns))


def main(width: int = 1000) -> None:
    """Measure everything."""
    loads = [0.08, 0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.18, 0.2]
    errors = [float(np.mean([classical_errors(a, width, s) for s in range(2)])) for a in loads]
    masked = [classical_errors(load, width, 0, masked=True) for load in loads]
    found = capacity(loads, errors)
    rows: list[dict[str, Any]] = [
        {"network": "classical", "N": width, "patterns": round(load * width), "P / N": load,
         "errors": error, "errors from a half": half, "completed in one update": "-"}
        for load, error, half in zip(loads, errors, masked, strict=True)
    ]  # fmt: skip
    recalls = {}
    for beta, name in ((1.0, "1"), (64**-0.5, "1/√d")):
        for number in (8, 100, 1000, 10_000, 100_000):
            share = recalls[beta, number] = modern_recall(number, 64, beta)
            rows.append(
                {"network": f"modern, β = {name}", "N": 64, "patterns": number,
                 "P / N": number / 64, "errors": "-", "errors from a half": "-",
                 "completed in one update": share}
            )  # fmt: skip
    bits = {str(dtype): same_bits(dtype) for dtype in (torch.float64, torch.float32)}
    rise = max(largest_rise(16, 50, beta) for beta in (0.1, 0.25, 1.0, 4.0))
    publish(
        "hopfield",
        rows,
        f"Classical capacity at 1 % errors: {found:.3f} N. The update equals attention bit for "
        f"bit: {bits}. Largest rise of the energy at any step: {rise:.1e} (0 up to rounding). "
        f"With β = 1, 64 units complete {recalls[1.0, 100_000]:.1%} of 100,000 patterns; with "
        f"attention's β = 1/√d {recalls[64**-0.5, 1000]:.1%} of 1,000: how much is stored depends "
        "on β, and attention learns the size of its keys instead.",
        capacity=found,
        same_bits=bits,
        largest_rise=rise,
    )

    def draw(axes: Any) -> None:
        axes.plot(loads, errors, "o-", label="from the pattern")
        axes.plot(loads, masked, "s--", label="from a half of it")
        axes.axhline(0.01, color="grey", linewidth=0.8)

    plot("hopfield", draw, "patterns / units", "wrong units, classical network")


if __name__ == "__main__":
    main()
