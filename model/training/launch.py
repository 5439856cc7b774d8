"""One training run from its recipe: alone, or as one process of several."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.hardware.device import choose_device
from tformer.model.network.torch_checkpoint import save_model
from tformer.model.training.recipe import Recipe
from tformer.model.training.run import Run
from tformer.model.training.start import Start
from tformer.model.training.store import TokenStore
from tformer.model.training.trainer import Trainer, TrainingOutcome
from tformer.model.training.validation import Validator


def train(
    recipe: Recipe, data: Path, run: Path, *, device: str = "auto", start: Start | None = None
) -> TrainingOutcome:
    """Train on the token store in ``data``; go on where the folder ``run`` stands.

    A new run begins with the parameters of ``start``, if it is given.

    Under ``torchrun`` this is one process of a data-parallel run: gradients are summed over NCCL
    on CUDA devices and over Gloo on CPUs.

    Raises:
        TrainingError: when the run cannot start or go on.
        DeviceError: when the device is not there.
    """
    distributed = "RANK" in os.environ and "WORLD_SIZE" in os.environ
    place = choose_device(device)
    if distributed:
        place = _join(place)
    try:
        store = TokenStore.open(data)
        writes = not distributed or dist.get_rank() == 0
        folder = Run(run, writes=writes)

        def export(parameters: dict[str, Tensor], progress: dict[str, Any]) -> None:
            facts = _facts(run.resolve().name, store, progress, start)
            save_model(folder.model, parameters, recipe.model, store.vocabulary, facts)

        validator = Validator(store, recipe.model, place)
        trainer = Trainer(
            recipe, store, folder, device=place, validate=validator, export=export, start=start
        )
        outcome = trainer.train()
        if distributed:
            dist.barrier()  # the first process writes when the others have nothing left to do
        return outcome
    finally:
        if distributed:
            dist.destroy_process_group()


def _facts(
    name: str, store: TokenStore, progress: dict[str, Any], start: Start | None
) -> ModelFacts:
    """About the model of a run; what was measured of its start holds for it, too."""
    if start is None:
        return ModelFacts(name, store.languages, training=progress)
    return ModelFacts(
        name,
        start.facts.languages,
        training=progress | {"from": start.facts.name},
        alignment=start.facts.alignment,
        length_penalty=start.facts.length_penalty,
    )


def _join(device: torch.device) -> torch.device:
    """Join the process group that ``torchrun`` describes; each process takes its own GPU."""
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    # NCCL sums gradients; the few figures of a step are on the CPU, which it does not know.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    return device
