"""(f) Positions: none, sinusoidal, learned, relative; and lengths beyond those of training.

    python benchmarks/claims/positions.py

"Attention Is All You Need", section 3.5 and Table 3 (E): learned positions are as good as
sinusoidal ones, which the paper chose because they may extrapolate to longer sequences. Networks of
`toy` are trained on sentences of one and two clauses and measured on two and on four. Relative are
the biases of Raffel et al. (2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from report import plot, publish
from toy import CONFIG, Quality, batches, mean_and_error, quality, test_batches, train

from tformer.model.network.transformer import Transformer
from tformer.model.network.variants import build

KINDS = ("none", "interleaved", "learned", "relative")
NAMES = {"interleaved": "sinusoidal"}


def network_of(kind: str, seed: int) -> Transformer:
    """A new network; without positions, those of the paper are zeros."""
    torch.manual_seed(seed)
    layout = "interleaved" if kind == "none" else kind
    network = build(replace(CONFIG, positions=layout))  # type: ignore[arg-type]
    if kind == "none":
        network.positions.zero_()
    return network


def learnt(kind: str, seed: int, steps: int, lengths: Sequence[int]) -> list[Quality]:
    """Quality at numbers of clauses, after training on one and two."""
    network = network_of(kind, seed)
    train(network, batches(seed, clauses=(1, 2)), steps=steps)
    return [quality(network, test_batches(clauses)) for clauses in lengths]


def main(
    steps: int = 500, seeds: Sequence[int] = (0, 1), lengths: Sequence[int] = (2, 3, 4)
) -> None:
    """Measure every kind."""
    torch.set_num_threads(1)
    rows = []
    for kind in KINDS:
        runs = [learnt(kind, seed, steps, lengths) for seed in seeds]
        row: dict[str, Any] = {"positions": NAMES.get(kind, kind)}
        for clauses, found in zip(lengths, zip(*runs, strict=True), strict=True):
            bits, error = mean_and_error([each.bits for each in found])
            row |= {f"bits, {clauses} clauses": bits, f"± {clauses}": error}
            row[f"exact, {clauses}"] = mean_and_error([each.exact for each in found])[0]
        rows.append(row)
    inside, beyond = (f"bits, {clauses} clauses" for clauses in (lengths[0], lengths[-1]))
    at = {row["positions"]: row for row in rows}
    apart = at["learned"][inside] - at["sinusoidal"][inside]
    publish(
        "positions",
        rows,
        f"Within the lengths of training: no positions {at['none'][inside]:.2f} bits, sinusoidal "
        f"{at['sinusoidal'][inside]:.2f}, learned {apart:+.2f} beside these, relative "
        f"{at['relative'][inside]:.2f}. Twice as long as in training: sinusoidal "
        f"{at['sinusoidal'][beyond]:.2f}, learned {at['learned'][beyond]:.2f}, relative "
        f"{at['relative'][beyond]:.2f}. {steps} steps, {len(seeds)} seeds.",
    )

    def draw(axes: Any) -> None:
        for row in rows:
            axes.plot(
                lengths, [row[f"bits, {n} clauses"] for n in lengths], "o-", label=row["positions"]
            )
        axes.set_xticks(list(lengths))

    plot("positions", draw, "clauses (two at most in training)", "bits a token")


if __name__ == "__main__":
    main()
