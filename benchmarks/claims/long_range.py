"""(e) Long range: a clue that is n tokens away, for a Transformer and for a recurrent network.

    python benchmarks/claims/long_range.py

"Attention Is All You Need", section 4 and Table 1: signals between any two positions take one step
in self-attention and O(n) in recurrence. Three tasks: the decoder reads a clue, n other tokens and
a question, and has to say the clue; the clue is the first of n tokens of the source, where a
recurrent network has attention, too; and the decoder has to copy n tokens that it has read, each n
tokens back. Trained with n from 1 to 32 (copies to 12), for equal CPU time; and, of new networks,
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
TASKS = {"clue": 32, "source": 32, "copy": 12}
"""Tasks, and the longest distance of training."""
NETWORKS: dict[str, dict[str, Any]] = {
    "Transformer": {},
    "recurrent": {"architecture": "recurrent", "num_heads": 1},
}


def batch_of(draw: random.Random, distance: int, task: str, size: int = 32) -> Batch:
    """Sequences of a task with what is asked for ``distance`` tokens back."""
    clues = torch.tensor([FIRST + draw.randrange(CLUES) for _ in range(size)])
    rows = range(size)
    others = [[draw.randrange(FIRST + CLUES, VOCABULARY) for _ in range(distance)] for _ in rows]
    sequence = torch.cat([clues[:, None], torch.tensor(others)], 1)
    begin, ask, end = (torch.full((size, 1), token) for token in (BOS, ASK, EOS))
    source = torch.cat([sequence, end], 1) if task == "source" else end
    if task == "copy":
        sequence = torch.tensor([[FIRST + t % CLUES for t in row] for row in others])
        read = torch.cat([begin, sequence, ask, sequence[:, :-1]], 1)
        labels = torch.full_like(read, PAD)
        labels[:, -distance:] = sequence
    else:
        read = torch.cat([begin, ask] if task == "source" else [begin, sequence, ask], 1)
        labels = torch.full_like(read, PAD)
        labels[:, -1] = clues
    return Batch(source, torch.full((size,), source.size(1)), read, labels)


def batches(seed: int, task: str) -> Iterator[Batch]:
    """Batches of distances from 1 on."""
    draw = random.Random(seed)
    while True:
        yield batch_of(draw, draw.randint(1, TASKS[task]), task)


@torch.inference_mode()
def accuracy(network: Transformer, distance: int, task: str) -> float:
    """Share of the tokens asked for that are said, given the right ones before."""
    network.eval()
    batch = batch_of(random.Random(distance), distance, task, size=128)
    best = network(batch.source, batch.lengths, batch.read).argmax(-1)
    asked = batch.labels != PAD
    return float((best == batch.labels)[asked].float().mean())


def reach(network: Transformer, distance: int) -> float:
    """Gradient of the last state at the embedding of the clue, as a share of that at the last."""
    network.eval()
    batch = batch_of(random.Random(0), distance, "clue", size=16)
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


def main(
    seconds: float = 20.0,
    copying: float = 40.0,
    distances: Sequence[int] = (1, 4, 8, 12, 16, 32, 64, 128),
) -> None:
    """Train and measure both on every task."""
    torch.set_num_threads(1)
    rows = []
    for task in TASKS:
        for name in NETWORKS:
            network = new_network(name)
            limit = copying if task == "copy" else seconds
            steps = train(network, batches(0, task), seconds=limit)
            found = {str(n): accuracy(network, n, task) for n in distances}
            rows.append({"task": task, "network": name, "steps": steps} | found)
            print(rows[-1], flush=True)
    reached = [
        {"task": "gradient, new network", "network": name, "steps": 0}
        | {str(n): reach(new_network(name), n) for n in distances}
        for name in NETWORKS
    ]
    last = str(distances[-1])
    said = "; ".join(
        f"{row['task']}, {row['network']}: {row[str(n)]:.0%} at n = {n}, {row[last]:.0%} at {last}"
        for row in rows
        if (n := max(d for d in distances if d <= TASKS[row["task"]]))
    )
    publish(
        "long-range",
        rows + reached,
        f"{said}. In new networks the gradient at the clue, {last} tokens back, is "
        f"{reached[0][last]:.1e} of that at the last token in the Transformer and "
        f"{reached[1][last]:.1e} in the recurrent one.",
    )

    def draw(axes: Any) -> None:
        for row in rows:
            line = {"clue": "o-", "source": "s--", "copy": "^:"}[row["task"]]
            label = f"{row['network']}, {row['task']}"
            axes.plot(distances, [row[str(n)] for n in distances], line, label=label)
        axes.set_xscale("log", base=2)

    plot("long-range", draw, "n", "accuracy")


if __name__ == "__main__":
    main()
