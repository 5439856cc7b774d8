"""The training loop: a pure function of recipe, store and step, so that it can be resumed.

What a step sees is decided by its number alone: the epoch's plan, the micro-batches that belong
to the step, and the seed of its dropout. A checkpoint therefore holds parameters, optimizer and
counters, and a run killed at any step and resumed equals the uninterrupted one bit for bit on one
device.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor

from tformer.model.config import TransformerConfig
from tformer.model.errors import TrainingError
from tformer.model.hardware.precision import choose_precision
from tformer.model.network.torch_checkpoint import load_model
from tformer.model.network.variants import build
from tformer.model.training.batches import BatchBuilder, Examples, plan_epoch
from tformer.model.training.growth import grow
from tformer.model.training.loss import smoothed_cross_entropy
from tformer.model.training.optimizer import (
    MasterParameters,
    learning_rate_factor,
    peak_learning_rate,
)
from tformer.model.training.progress import StepReport, TrainingProgress
from tformer.model.training.recipe import Recipe
from tformer.model.training.run import Run
from tformer.model.training.start import Start
from tformer.model.training.store import TokenStore

Validate = Callable[[dict[str, Tensor]], dict[str, float]]
"""Scores by name, from averaged parameters; the one called ``mean`` decides what is best."""

Export = Callable[[dict[str, Tensor], dict[str, Any]], None]
"""Writes averaged parameters and facts about the training to a model directory."""


Reason = Literal["finished", "stopped early", "interrupted", "terminated"]
"""Reason why training ends when nothing goes wrong."""


@dataclass
class Counters:
    """Position of a run: steps, epochs, tokens."""

    step: int = 0
    epoch: int = 0
    batches: int = 0
    """Micro-batches of the epoch that all processes together have used."""
    decaying: bool = False
    """True if the epoch is drawn by the corpora's decay weights."""
    tokens: int = 0
    best: float = -math.inf
    validations_without_better: int = 0


@dataclass(frozen=True)
class TrainingOutcome:
    """Result of :meth:`Trainer.train`."""

    reason: Reason
    counters: Counters


class Trainer:
    """Learns a network from a token store.

    In a distributed run (``torch.distributed`` is initialised) every process computes its share
    of each step's micro-batches, and gradients are summed.
    """

    def __init__(
        self,
        recipe: Recipe,
        store: TokenStore,
        run: Run,
        *,
        device: torch.device,
        validate: Validate,
        export: Export,
        start: Start | None = None,
    ) -> None:
        self.recipe, self.settings = recipe, recipe.training
        self.store, self.run_folder, self.device = store, run, device
        self.validate, self.export = validate, export
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.start = start
        store.check(recipe, start)
        self.builder = BatchBuilder(store)
        if self.builder.bounds[-1] > recipe.model.max_length:
            raise TrainingError(
                f"model.max_length is {recipe.model.max_length}, but the longest batches have "
                f"{self.builder.bounds[-1]} positions; raise it, or prepare shorter pairs"
            )
        self.plan: list[Examples] = []
        self.planned_epoch = -1
        self.counters = Counters()
        self.window = _Window()
        self.stop_requested = False
        self.stop_reason: Reason = "interrupted"

        torch.manual_seed(self.settings.seed)
        self.network = build(recipe.model).to(device)
        self.known = self._load_start()
        peak = peak_learning_rate(self.settings, recipe.model.d_model)
        # The masters are taken from the float32 network, before it is rounded.
        self.masters = MasterParameters(self.network, self.settings, peak)
        if choose_precision(self.settings.precision, device) == "bfloat16":
            self.network.bfloat16()
        self.target_states = self.network.target_states
        if self.settings.compile:
            self.target_states = torch.compile(self.network.target_states, dynamic=True)
        self._resume()

    def _load_start(self) -> dict[str, Tensor]:
        """Give the network the parameters of the model that the run begins with; returns them.

        Raises:
            TrainingError: the recipe wants a share of such a model, and there is none.
        """
        if self.start:
            known = load_model(self.start.path, self.device, torch.float32)[0].state_dict()
            known = grow(known, self.network.state_dict())
            self.network.load_state_dict(known)
            return known
        if self.settings.start_share:
            raise TrainingError("training.start_share is of no use without a model to begin with")
        return {}

    # -- the loop -------------------------------------------------------------------------

    def train(self) -> TrainingOutcome:
        """Take steps until the recipe's end, an early stop or an interruption.

        Raises:
            TrainingError: when the loss is no longer finite.
        """
        first, last = self.counters.step, self.settings.max_steps
        with (
            self._interruptions(),
            TrainingProgress(self.run_folder, first, self.counters.tokens, last) as bar,
        ):
            reason = self._reason_to_stop()
            if self.start and self.counters.step == 0:
                self._validate(bar)  # what the steps have to improve on
            while reason is None:
                result = self._step()
                self.window.add(result)
                if self._due(self.settings.log_every):
                    bar.report(self._report())
                    self.window = _Window()
                if self._due(self.settings.validate_every) or self.counters.step == last:
                    self._validate(bar)
                reason = self._reason_to_stop() or (self.stop_reason if result.stop else None)
                if reason or self._due(self.settings.checkpoint_every):
                    self._save()
        return TrainingOutcome(reason, self.counters)

    def _due(self, every: int) -> bool:
        return self.counters.step % every == 0

    def _reason_to_stop(self) -> Reason | None:
        """Known from the counters alone, so that a run that has ended does not go on."""
        if self.counters.step >= self.settings.max_steps:
            return "finished"
        patience = self.settings.patience
        if patience and self.counters.validations_without_better >= patience:
            return "stopped early"
        return None

    def _step(self) -> _StepResult:
        """One optimizer step from this step's micro-batches."""
        batches = self._next_batches()
        tokens = sum(self.builder.target_tokens(examples) for examples in batches)
        mine = batches[self.rank :: self.world]
        # Dropout differs between processes, and depends on nothing but seed and step.
        torch.manual_seed((self.settings.seed << 40) + (self.counters.step << 8) + self.rank)
        sums = torch.zeros(3, dtype=torch.float64)
        for examples in mine:
            loss, likelihood = self._backward(examples, tokens)
            sums[0] += loss
            sums[1] += likelihood
        sums[2] = float(self.stop_requested)
        if self.world > 1:
            dist.all_reduce(sums)
        if not math.isfinite(float(sums[0])):
            raise TrainingError(
                f"the loss is not finite at step {self.counters.step + 1}; "
                "lower the learning rate, clip gradients or train in float32"
            )
        norm = self.masters.step(self.counters.step + 1)
        self.counters.step += 1
        self.counters.tokens += tokens
        return _StepResult(tokens, float(sums[0]), float(sums[1]), norm, bool(sums[2]))

    def _backward(self, examples: Examples, tokens: int) -> tuple[float, float]:
        """Add the gradient of one micro-batch; returns its sums of loss and likelihood."""
        batch = self.builder.build(examples).to(self.device)
        states = self.target_states(batch.source, batch.source_lengths, batch.target)
        real = batch.labels != self.store.vocabulary.pad_id  # (B, T)
        loss, likelihood = smoothed_cross_entropy(
            states[real],
            self.network.embedding.weight,
            batch.labels[real],
            self.settings.label_smoothing,
        )
        (loss / tokens).backward()
        self.masters.collect()
        return float(loss.detach()), float(likelihood)

    def _next_batches(self) -> list[Examples]:
        """The micro-batches of the next step, of all processes; begins epochs as needed."""
        size = self.world * self.settings.accumulate
        if self.counters.decaying != self._decays():
            self.counters.decaying = self._decays()
            self._begin_epoch()
        elif self.counters.epoch != self.planned_epoch:
            self._plan()
        if self.counters.batches + size > len(self.plan):
            self._begin_epoch()
        start = self.counters.batches
        self.counters.batches += size
        return self.plan[start : start + size]

    def _decays(self) -> bool:
        """Return whether the next step is drawn by decay weights, if the recipe has any."""
        settings = self.settings
        return (
            settings.schedule == "trapezoid"
            and self.counters.step >= settings.max_steps - settings.decay_steps
            and any(corpus.decay_weight is not None for corpus in self.recipe.corpora)
        )

    def _begin_epoch(self) -> None:
        self.counters.epoch, self.counters.batches = self.counters.epoch + 1, 0
        self._plan()

    def _plan(self) -> None:
        weights = [
            corpus.weight
            if corpus.decay_weight is None or not self.counters.decaying
            else corpus.decay_weight
            for corpus in self.recipe.corpora
        ]
        settings = self.settings
        self.plan = plan_epoch(
            self.store, weights, settings.tokens_per_batch, settings.seed, self.counters.epoch
        )
        self.planned_epoch = self.counters.epoch
        if len(self.plan) < self.world * settings.accumulate:
            raise TrainingError(
                f"an epoch has {len(self.plan)} batches, fewer than one step needs; "
                "lower tokens_per_batch or accumulate"
            )

    # -- what surrounds it ----------------------------------------------------------------

    def _report(self) -> StepReport:
        window = self.window
        factor = learning_rate_factor(self.settings, self.counters.step)
        return StepReport(
            step=self.counters.step,
            epoch=self.counters.epoch,
            loss=window.loss / window.tokens,
            likelihood=window.likelihood / window.tokens,
            learning_rate=self.masters.peaks[-1] * factor,
            gradient_norm=window.norm,
            tokens=self.counters.tokens,
        )

    def _result(self) -> dict[str, Tensor]:
        """Parameters to validate and export, float32: the average, and the share of its start."""
        averaged, share = self.masters.averaged(), self.settings.start_share
        if not share:
            return averaged
        return {name: tensor.lerp(self.known[name], share) for name, tensor in averaged.items()}

    def _validate(self, bar: TrainingProgress) -> None:
        """Measure, and export the parameters if they are better; without a measure, always."""
        if not self.store.validation_sets():
            if self.rank == 0:
                self.export(self._result(), asdict(self.counters))
            return
        # Only the first process translates; the others get its verdict.
        scores = self.validate(self._result()) if self.rank == 0 else {"mean": 0.0}
        mean = torch.tensor(scores["mean"], dtype=torch.float64)
        if self.world > 1:
            dist.broadcast(mean, src=0)
        bar.validation(self.counters.step, scores)
        if float(mean) > self.counters.best:
            self.counters.best, self.counters.validations_without_better = float(mean), 0
            if self.rank == 0:
                self.export(self._result(), asdict(self.counters) | {"scores": scores})
        else:
            self.counters.validations_without_better += 1

    def _save(self) -> None:
        self.run_folder.save(
            {
                "counters": asdict(self.counters),
                "window": asdict(self.window),
                "parameters": self.masters.state_dict(),
                "model": self.recipe.model.to_dict(),
                "store": self.store.fingerprint,
                "start": self.start and self.start.fingerprint,
                "batching": self._batching(),
            }
        )

    def _batching(self) -> list[int]:
        """Settings, besides recipe and store, that decide which examples a step sees."""
        settings = self.settings
        return [settings.seed, settings.tokens_per_batch, self.world * settings.accumulate]

    def _resume(self) -> None:
        """Take up the run's checkpoint, if there is one."""
        state = self.run_folder.load()
        if state is None:
            self.run_folder.rewind_log(-1)
            return
        path = self.run_folder.checkpoint
        if (began := state.get("start")) != (self.start and self.start.fingerprint):
            raise TrainingError(
                f"{path}: the run began with "
                + ("another model; give that one by --from" if began else "none; leave --from out")
                + ", or choose another run folder"
            )
        if TransformerConfig.from_dict(state["model"]) != self.recipe.model:
            raise TrainingError(f"{path}: is of another [model]; choose another run folder")
        if state["store"] != self.store.fingerprint:
            raise TrainingError(f"{path}: was trained on another token store")
        self.counters = Counters(**state["counters"])
        if state["batching"] != self._batching():
            # The same data in other batches: the plan of this epoch is no longer the one that
            # was followed, so the next step begins an epoch of its own.
            self.counters.epoch, self.counters.batches = self.counters.epoch + 1, 0
        try:
            self.masters.load_state_dict(state["parameters"])
        except (KeyError, ValueError) as error:
            raise TrainingError(f"{path}: is of another optimizer ({error})") from error
        self.window = _Window(**state.get("window", {}))  # older checkpoints have none
        self.run_folder.rewind_log(self.counters.step)

    @contextmanager
    def _interruptions(self) -> Iterator[None]:
        """SIGINT and SIGTERM ask for a checkpoint and an end after the current step."""

        def request_stop(number: int, _: object) -> None:
            self.stop_requested = True
            self.stop_reason = _STOP_SIGNALS[number]

        before = {number: signal.signal(number, request_stop) for number in _STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


_STOP_SIGNALS: dict[int, Reason] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


@dataclass(frozen=True)
class _StepResult:
    tokens: int
    loss: float
    likelihood: float
    norm: float
    stop: bool


@dataclass
class _Window:
    """Sums over the steps since the last report."""

    tokens: int = 0
    loss: float = 0.0
    likelihood: float = 0.0
    norm: float = 0.0

    def add(self, result: _StepResult) -> None:
        self.tokens += result.tokens
        self.loss += result.loss
        self.likelihood += result.likelihood
        self.norm = result.norm
