"""(b) Dot-product attention against additive: time, memory, and quality after equal training.

    python benchmarks/claims/functions.py

"Attention Is All You Need", section 3.2.1: for small d_k both perform similarly, for larger d_k
additive attention outperforms dot products without scaling, which is why the paper scales them;
dot products are much faster and more space-efficient. Time and allocated bytes are those of one
forward pass of one head, a query token. Quality is that of the networks of `toy` with one head,
whose d_k is set apart from d_model (head_width).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import groupby
from typing import Any, get_args

import torch
from report import plot, publish
from torch.profiler import ProfilerActivity, profile
from toy import CONFIG, mean_and_error, quality, test_batches, trained

from tformer.model.config import AttentionFunction, TransformerConfig
from tformer.model.network.attention import attention_function

FUNCTIONS: tuple[AttentionFunction, ...] = get_args(AttentionFunction)


@torch.inference_mode()
def cost(name: AttentionFunction, length: int, d_k: int, rounds: int = 5) -> dict[str, Any]:
    """Time and allocated bytes a query token, of attention from ``length`` to ``length``."""
    shape = TransformerConfig(vocab_size=8, d_model=d_k, num_heads=1, attention=name)
    function = attention_function(shape)
    query, key, value = (torch.randn(1, 1, length, d_k) for _ in range(3))
    seconds = []
    for _ in range(rounds):
        begin = time.process_time()
        for _ in range(10):
            function(query, key, value)
        seconds.append((time.process_time() - begin) / 10)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        function(query, key, value)
    allocated = sum(max(0, event.self_cpu_memory_usage) for event in seen.key_averages())
    return {
        "function": name,
        "length": length,
        "d_k": d_k,
        "µs a token": 1e6 * min(seconds) / length,
        "bytes a token": allocated / length,
    }


def learnt(
    name: AttentionFunction, d_k: int, steps: int, seeds: Sequence[int], clauses: int = 2
) -> dict[str, Any]:
    """Quality after training, over seeds."""
    held_out = test_batches(clauses)
    found = [
        quality(trained(seed, steps, attention=name, num_heads=1, head_width=d_k), held_out)
        for seed in seeds
    ]
    bits, error = mean_and_error([each.bits for each in found])
    exact, _ = mean_and_error([each.exact for each in found])
    row = {"function": name, "d_k": d_k, "bits a token": bits, "± standard error": error}
    return row | {"exact sentences": exact}


def main(steps: int = 250, seeds: Sequence[int] = (0, 1, 2), rounds: int = 5) -> None:
    """Measure cost, then quality."""
    torch.set_num_threads(1)
    sizes = [(n, 64) for n in (16, 64, 256)] + [(64, d) for d in (16, 256)]
    costs = [cost(name, length, d_k, rounds) for name in FUNCTIONS for length, d_k in sizes]
    at = {(row["function"], row["length"], row["d_k"]): row for row in costs}
    slower, larger = (
        at["additive", 256, 64][what] / at["scaled_dot_product", 256, 64][what]
        for what in ("µs a token", "bytes a token")
    )
    publish(
        "functions-cost",
        costs,
        f"At 256 positions and d_k = 64 additive attention takes {slower:.0f} times the time of "
        f"scaled dot products and {larger:.0f} times the memory.",
        slower=slower,
        larger=larger,
    )
    rows = [learnt(name, d_k, steps, seeds) for d_k in (8, 128) for name in FUNCTIONS]
    bits = {(row["function"], row["d_k"]): row for row in rows}
    publish(
        "functions-quality",
        rows,
        "; ".join(_verdict(bits, d_k) for d_k in (8, 128))
        + f". {steps} steps, {len(seeds)} seeds, d_model = {CONFIG.d_model}.",
    )

    def draw(axes: Any) -> None:
        for name, each in groupby(costs, lambda row: row["function"]):
            chosen = [row for row in each if row["d_k"] == 64]
            axes.plot(
                [row["length"] for row in chosen], [row["µs a token"] for row in chosen],
                "o-", label=name,
            )  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")

    plot("functions-cost", draw, "positions attended to", "µs a query token (d_k = 64)")

    def draw_quality(axes: Any) -> None:
        for name in FUNCTIONS:
            chosen = [row for row in rows if row["function"] == name]
            axes.errorbar(
                [row["d_k"] for row in chosen], [row["bits a token"] for row in chosen],
                [row["± standard error"] for row in chosen], marker="o", label=name, capsize=3,
            )  # fmt: skip
        axes.set_xscale("log", base=2)

    plot("functions-quality", draw_quality, "d_k", "bits a token after equal training")


def _verdict(rows: dict[tuple[AttentionFunction, int], dict[str, Any]], d_k: int) -> str:
    """Say which is better than scaled dot products, beyond two standard errors."""
    base, said = rows["scaled_dot_product", d_k], []
    for name in ("dot_product", "additive"):
        other = rows[name, d_k]  # type: ignore[index]
        apart = other["bits a token"] - base["bits a token"]
        error = (other["± standard error"] ** 2 + base["± standard error"] ** 2) ** 0.5
        kind = "no different" if abs(apart) < 2 * error else "better" if apart < 0 else "worse"
        said.append(f"{name} {kind} ({apart:+.2f} ± {error:.2f} bits)")
    return f"d_k = {d_k}, beside scaled dot products: {', '.join(said)}"


if __name__ == "__main__":
    main()
