"""(e) Long range: a clue that is n tokens away, for a Transformer and for a recurrent network.

    python benchmarks/claims/long_range.py

"Attention Is All You Need", section 4 and Table 1: signals between any two positions take one step
in self-attention and O(n) in recurrence. The decoder reads a clue, n other tokens and a question,
and has to say the clue; or the clue is the first of n tokens of the source, where a recurrent
network has attention, too. Trained with n from 1 to 32, for equal CPU time; and, of new networks,
how the gradient at the last state reaches the clue.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from report import plot, publish
from toy import BOS, CONFIG, EOS, FIRST, PAD, VOCABULARY, Batch, train

from tformer.model.network.transformer import Transformer
from tformer.model.network.variants import build

CLUES, ASK = 16, FIRST - 1
LONGEST = 32
NETWORKS: dict[str, dict[str, Any]] = {
    "Transformer": {},
    "recurrent": {"architecture": "recurrent", "num_heads": 1},
}


def batch_of(draw: random.Random, distance: int, *, in_source: bool, size: int = 32) -> Batch:
    """Sequences with a clue ``distance`` tokens before the question; one label each."""
    clues = torch.tensor([FIRST + draw.randrange(CLUES) for _ in range(size)])
    others = torch.tensor(
        [[draw.randrange(FIRST + CLUES, VOCABULARY) for _ in range(distance)] for _ in range(size)]
    )
    sequence = torch.cat([clues[:, None], others], 1)
    begin, ask, end = (torch.full((size, 1), token) for token in (BOS, ASK, EOS))
    source = torch.cat([sequence, end], 1) if in_source else end
    read = torch.cat([begin, ask], 1) if in_source else torch.cat([begin, sequence, ask], 1)
    labels = torch.full_like(read, PAD)
    labels[:, -1] = clues
    return Batch(source, torch.full((size,), source.size(1)), read, labels)


def batches(seed: int, *, in_source: bool, longest: int = LONGEST) -> Iterator[Batch]:
    """Batches of distances from 1 on."""
    draw = random.Random(seed)
    while True:
        yield batch_of(draw, draw.randint(1, longest), in_source=in_source)


@torch.inference_mode()
def accuracy(network: Transformer, distance: int, *, in_source: bool) -> float:
    """Share of the clues that are said."""
    network.eval()
    batch = batch_of(random.Random(distance), distance, in_source=in_source, size=256)
    best = network(batch.source, batch.lengths, batch.read)[:, -1].argmax(-1)
    return float((best == batch.labels[:, -1]).float().mean())


def reach(network: Transformer, distance: int) -> float:
    """Gradient of the last state at the embedding of the clue, as a share of that at the last."""
    network.eval()
    batch = batch_of(random.Random(0), distance, in_source=False, size=16)
    kept: list[torch.Tensor] = []
    hook = network.embedding.register_forward_hook(lambda *call: kept.append(call[2]))
    states = network.target_states(batch.source, batch.lengths, batch.read)
    hook.remove()
    (gradient,) = torch.autograd.grad(states[:, -1].square().sum(), kept[-1])
    norms = gradient.norm(dim=-1).mean(0)
    return float(norms[1] / norms[-1])


def new_network(name: str) -> Transformer:
    """A network that has learnt nothing."""
    torch.manual_seed(0)
    return build(replace(CONFIG, **NETWORKS[name], max_length=300))


def main(seconds: float = 20.0, distances: Sequence[int] = (1, 4, 8, 16, 32, 64, 128)) -> None:
    """Train and measure both, both ways."""
    torch.set_num_threads(1)
    rows = []
    for name in NETWORKS:
        for in_source in (False, True):
            network = new_network(name)
            steps = train(network, batches(0, in_source=in_source), seconds=seconds)
            row: dict[str, Any] = {"network": name, "clue": "source" if in_source else "target"}
            row["steps"] = steps
            rows.append(
                row | {str(n): accuracy(network, n, in_source=in_source) for n in distances}
            )
    reached = [
        {"network": name, "clue": "gradient, new network", "steps": 0}
        | {str(n): reach(new_network(name), n) for n in distances}
        for name in NETWORKS
    ]
    own = {row["network"]: row for row in rows if row["clue"] == "target"}
    said = ", ".join(
        f"{name} {row[str(LONGEST)]:.0%} at n = {LONGEST} and {row[str(distances[-1])]:.0%} at "
        f"{distances[-1]}"
        for name, row in own.items()
        if str(LONGEST) in row
    )
    publish(
        "long-range",
        rows + reached,
        f"Clue in the decoder's own past, n up to {LONGEST} in training, {seconds:.0f} s each: "
        f"{said}. In new networks the gradient at the clue, {distances[-1]} tokens back, is "
        f"{reached[0][str(distances[-1])]:.1e} of that at the last token in the Transformer and "
        f"{reached[1][str(distances[-1])]:.1e} in the recurrent one.",
    )

    def draw(axes: Any) -> None:
        for row in rows:
            dashed = "s--" if row["clue"] == "source" else "o-"
            label = f"{row['network']}, clue in {row['clue']}"
            axes.plot(distances, [row[str(n)] for n in distances], dashed, label=label)
        axes.axvline(LONGEST, color="grey", linewidth=0.8)
        axes.set_xscale("log", base=2)

    plot("long-range", draw, "tokens between clue and question", "accuracy")


if __name__ == "__main__":
    main()
