"""(c) One head against 2, 4, 8, 16 at equal cost.

    python benchmarks/claims/heads.py

"Attention Is All You Need", section 3.2.2 and Table 3 (A): d_k = d_model / h, so that cost and
parameters stay the same; there one head is 0.9 BLEU worse than the best, and too many heads are
worse again. Networks of `toy`, several seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from report import plot, publish
from toy import CONFIG, mean_and_error, quality, test_batches, trained


def learnt(heads: int, steps: int, seeds: Sequence[int]) -> dict[str, Any]:
    """Quality after training, over seeds."""
    held_out = test_batches(2)
    found = [quality(trained(seed, steps, num_heads=heads), held_out) for seed in seeds]
    bits, error = mean_and_error([each.bits for each in found])
    exact, exact_error = mean_and_error([each.exact for each in found])
    return {
        "heads": heads,
        "d_k": CONFIG.d_model // heads,
        "bits a token": bits,
        "± standard error": error,
        "exact sentences": exact,
        "± of these": exact_error,
    }


def main(
    steps: int = 450, seeds: Sequence[int] = (0, 1, 2), heads: Sequence[int] = (1, 2, 4, 8, 16)
) -> None:
    """Measure every number of heads."""
    torch.set_num_threads(1)
    rows = [learnt(number, steps, seeds) for number in heads]
    best = min(rows, key=lambda row: row["bits a token"])
    apart = rows[0]["bits a token"] - best["bits a token"]
    error = (rows[0]["± standard error"] ** 2 + best["± standard error"] ** 2) ** 0.5
    holds = "holds" if apart > 2 * error else "does not show here beyond two standard errors"
    last = rows[-1]["bits a token"] - best["bits a token"]
    publish(
        "heads",
        rows,
        f"{best['heads']} heads are best; one head takes {apart:.2f} ± {error:.2f} bits more: that "
        f"one is worse {holds}. {rows[-1]['heads']} heads take {last:.2f} bits more than the best. "
        f"{steps} steps, {len(seeds)} seeds.",
    )

    def draw(axes: Any) -> None:
        axes.errorbar(
            [row["heads"] for row in rows], [row["bits a token"] for row in rows],
            [row["± standard error"] for row in rows], marker="o", capsize=3, label="d_model = 64",
        )  # fmt: skip
        axes.set_xscale("log", base=2)

    plot("heads", draw, "heads", "bits a token after equal training")


if __name__ == "__main__":
    main()
