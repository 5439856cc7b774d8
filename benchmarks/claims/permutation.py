"""(g) Without positions, attention is equivariant to permutations of its input.

    python benchmarks/claims/permutation.py

The encoder of a random network reads a permuted source: without positional encodings it gives the
permuted states, with them it does not. Numbers are the largest difference of any state, in float64.
"""

from __future__ import annotations

from typing import Any

import torch
from report import publish

from tformer.model.config import TransformerConfig
from tformer.model.network.transformer import Transformer


def difference(seed: int, *, with_positions: bool) -> float:
    """Largest difference between states of a permuted source and permuted states."""
    torch.manual_seed(seed)
    config = TransformerConfig(
        vocab_size=40, d_model=32, num_heads=4, d_ff=64, num_encoder_layers=2, num_decoder_layers=1
    )
    network = Transformer(config).double().eval()
    if not with_positions:
        network.positions.zero_()
    length = int(torch.randint(5, 30, ()))
    source, order = torch.randint(3, 40, (1, length)), torch.randperm(length)
    with torch.no_grad():
        states = network.encode(source, None).states
        permuted = network.encode(source[:, order], None).states
    return float((permuted - states[:, order]).abs().max())


def main(trials: int = 100) -> None:
    """Try many sources."""
    without = max(difference(seed, with_positions=False) for seed in range(trials))
    typical = sorted(difference(seed, with_positions=True) for seed in range(trials))[trials // 2]
    rows: list[dict[str, Any]] = [
        {"positions": "none", "sources": trials, "difference": without},
        {"positions": "sinusoidal (median)", "sources": trials, "difference": typical},
    ]
    publish(
        "permutation",
        rows,
        f"Without positions the largest difference of {trials} sources is {without:.1e}, rounding: "
        "holds. With them order counts.",
    )


if __name__ == "__main__":
    main()
