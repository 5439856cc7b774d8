"""Progress and log of a training run."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tformer.model.training.run import Run


@dataclass(frozen=True)
class StepReport:
    """Figures over the steps since the last report."""

    step: int
    epoch: int
    loss: float
    """Label-smoothed cross-entropy, nats a target token."""
    likelihood: float
    """Negative log-likelihood, nats a target token."""
    learning_rate: float
    gradient_norm: float
    tokens: int
    """Target tokens seen since the run began."""


class _Scalars(Protocol):
    def add_scalar(self, tag: str, value: float, step: int) -> None: ...
    def close(self) -> None: ...


def _tensorboard(run: Run, first_step: int) -> _Scalars | None:
    if not run.writes:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    # What an earlier process wrote after the checkpoint is about to happen again.
    return SummaryWriter(str(run.path / "tensorboard"), purge_step=first_step + 1)


class TrainingProgress:
    """Writes to the log, to TensorBoard where it is installed, and to stderr.

    On a terminal stderr shows a live bar with loss, tokens a second and time left; elsewhere a
    line per report.
    """

    def __init__(self, run: Run, first_step: int, first_tokens: int, max_steps: int) -> None:
        self.run = run
        self.scalars = _tensorboard(run, first_step)
        self.first_step, self.max_steps = first_step, max_steps
        self.started = time.monotonic()
        self.last_time, self.last_tokens = self.started, first_tokens
        self.console = Console(file=sys.stderr)
        self.bar = Progress(
            TextColumn("step {task.completed:,}/{task.total:,}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            console=self.console,
            disable=not (run.writes and self.console.is_terminal),
        )
        self.task = self.bar.add_task("", total=max_steps, completed=first_step, figures="")

    def __enter__(self) -> TrainingProgress:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()
        if self.scalars:
            self.scalars.close()

    def report(self, figures: StepReport) -> None:
        """Show and record the figures of a few steps."""
        speed = self._tokens_per_second(figures.tokens)
        entry = {
            "step": figures.step,
            "epoch": figures.epoch,
            "loss": figures.loss,
            "nll": figures.likelihood,
            "learning_rate": figures.learning_rate,
            "gradient_norm": figures.gradient_norm,
            "tokens": figures.tokens,
            "tokens_per_second": round(speed, 1),
        }
        self.run.log(entry)
        self._add_scalars("train", entry, figures.step)
        text = f"loss {figures.loss:.3f}  {speed:,.0f} tokens/s  left {self._left(figures.step)}"
        self.bar.update(self.task, completed=figures.step, figures=text)
        self.say(f"step {figures.step:,}/{self.max_steps:,}  {text}", when=self.bar.disable)

    def validation(self, step: int, scores: dict[str, float]) -> None:
        """Show and record the scores of a validation."""
        self.run.log({"step": step, "validation": scores})
        self._add_scalars("validation", scores, step)
        self.say("  ".join(f"{name} {score:.2f}" for name, score in scores.items()))

    def say(self, line: str, when: bool = True) -> None:
        """One line for a person."""
        if when and self.run.writes:
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _add_scalars(self, group: str, values: dict[str, Any], step: int) -> None:
        if self.scalars:
            for name, value in values.items():
                self.scalars.add_scalar(f"{group}/{name}", value, step)

    def _tokens_per_second(self, tokens: int) -> float:
        now = time.monotonic()
        seconds, self.last_time = now - self.last_time, now
        seen, self.last_tokens = tokens - self.last_tokens, tokens
        return seen / max(seconds, 1e-9)

    def _left(self, step: int) -> str:
        done = max(1, step - self.first_step)
        seconds = (time.monotonic() - self.started) / done * (self.max_steps - step)
        return str(timedelta(seconds=round(seconds)))
