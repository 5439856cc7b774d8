"""Measure where the time of a step of training goes: the share of each kind of operation.

    python benchmarks/training_step.py RECIPE DATA

On one core, without the data loading of a first step. The table has what a change could gain at
most: packing sequences the share of padding, a gradient of the embeddings by sorting that of
`embedding_dense_backward`, a sampled softmax a part of the loss, int8 a part of the products.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from tformer.model.benchmark.machine import hardware
from tformer.model.benchmark.report import ReportTable
from tformer.model.training.batches import BatchBuilder, plan_epoch
from tformer.model.training.recipe import Recipe
from tformer.model.training.run import Run
from tformer.model.training.store import TokenStore
from tformer.model.training.trainer import Trainer

PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
EMBEDDING = "aten::embedding_dense_backward"
SECTIONS = {
    "_SmoothedCrossEntropy": "output projection and loss, with both gradients",
    "Optimizer.step#Muon.step": "optimizer of the matrices",
    "Optimizer.step#Adam.step": "optimizer of the rest",
    EMBEDDING: "gradient of the embeddings",
}
"""Names in a profile, and of the parts that are told apart; products are in them, too."""


def main() -> None:
    """Profile some steps, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", type=Path, help="with a [model] that has a shape")
    parser.add_argument("data", type=Path, help="its token store")
    parser.add_argument("--steps", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe.read(arguments.recipe, {"accumulate": 1, "max_steps": 10_000})
    store = TokenStore.open(arguments.data)
    rows = [["padding, of all positions", f"{padding(recipe, store):.1%}"]]
    rows += [[name, f"{share:.1%}"] for name, share in shares(recipe, store, arguments.steps)]
    here = hardware()
    print(ReportTable(f"A step on one core of {here['cpu']}", ["part", "share"], rows).markdown())


def padding(recipe: Recipe, store: TokenStore, batches: int = 300) -> float:
    """Share of padding among the positions of some batches of an epoch."""
    weights = [corpus.weight for corpus in recipe.corpora]
    plan = plan_epoch(store, weights, recipe.training.tokens_per_batch, recipe.training.seed, 0)
    builder, pad_id = BatchBuilder(store), store.vocabulary.pad_id
    filled = positions = 0
    for index in np.random.default_rng(0).permutation(len(plan))[:batches]:
        batch = builder.build(plan[index])
        for side in (batch.source, batch.labels):
            filled += int((side != pad_id).sum())
            positions += side.numel()
    return 1 - filled / positions


def shares(recipe: Recipe, store: TokenStore, steps: int) -> list[tuple[str, float]]:
    """Parts of the time of some steps, the largest first."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder) / "run", writes=True)
        trainer = Trainer(
            recipe,
            store,
            run,
            device=torch.device("cpu"),
            validate=lambda *_: {},
            export=lambda *_: None,
        )
        for _ in range(2):
            trainer._step()
        with profile(activities=[ProfilerActivity.CPU]) as found:
            for _ in range(steps):
                trainer._step()
    events = found.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    times: Counter[str] = Counter()
    for event in events:
        if event.key in PRODUCTS:
            times["all products of matrices"] += event.self_cpu_time_total
        if name := SECTIONS.get(event.key):
            times[name] += event.cpu_time_total
    times.setdefault(SECTIONS[EMBEDDING], 0)
    return [(name, time / total) for name, time in times.most_common()]


if __name__ == "__main__":
    main()
