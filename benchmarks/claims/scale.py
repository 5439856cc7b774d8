"""(a) The variance of q·k is d_k, and without the factor 1/√d_k the softmax saturates.

    python benchmarks/claims/scale.py

"Attention Is All You Need", section 3.2.1 and its footnote: for components of mean 0 and variance
1. For a softmax over 64 keys: entropy in bits (6 is uniform), and the gradient that scores receive,
as the mean Frobenius norm of diag(p) - ppᵀ.
"""

from __future__ import annotations

from typing import Any

import torch
from report import plot, publish

from tformer.model.network.attention import attention_weights

KEYS = 64


def measured(d_k: int, queries: int = 2000) -> dict[str, Any]:
    """One row of the table."""
    torch.manual_seed(d_k)
    query, key = (torch.randn(n, d_k, dtype=torch.float64) for n in (queries, KEYS))
    products = query @ torch.randn(queries, d_k, dtype=torch.float64).T
    scaled = attention_weights(query, key)
    unscaled = (query @ key.T).softmax(-1)
    return {
        "d_k": d_k,
        "variance of q·k": float(products.var()),
        "entropy, scaled": entropy(scaled),
        "entropy, unscaled": entropy(unscaled),
        "gradient, scaled": gradient(scaled),
        "gradient, unscaled": gradient(unscaled),
    }


def entropy(weights: torch.Tensor) -> float:
    """Mean entropy of distributions (..., S), in bits."""
    return float(-torch.special.xlogy(weights, weights).sum(-1).mean() / torch.tensor(2.0).log())


def gradient(weights: torch.Tensor) -> float:
    """Mean Frobenius norm of the softmax's Jacobian at distributions (N, S)."""
    jacobian = torch.diag_embed(weights) - weights[:, :, None] * weights[:, None, :]
    return float(jacobian.flatten(1).norm(dim=1).mean())


def main() -> None:
    """Measure d_k = 16 to 1024."""
    rows = [measured(2**power) for power in range(4, 11)]
    worst = max(abs(row["variance of q·k"] / row["d_k"] - 1) for row in rows)
    last = rows[-1]
    publish(
        "scale",
        rows,
        f"The variance is d_k (largest deviation {worst:.1%}). At d_k = 1024 the unscaled softmax "
        f"has {last['entropy, unscaled']:.2f} bits and the scaled "
        f"{last['entropy, scaled']:.2f}: holds.",
    )

    def draw(axes: Any) -> None:
        for kind in ("scaled", "unscaled"):
            axes.plot(
                [r["d_k"] for r in rows], [r[f"entropy, {kind}"] for r in rows], "o-", label=kind
            )
        axes.set_xscale("log", base=2)

    plot("scale", draw, "d_k", "entropy of the weights, bits")


if __name__ == "__main__":
    main()
