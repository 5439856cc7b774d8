"""A training run's folder: its checkpoint, its log, and the model it exports.

run/checkpoint.pt   everything needed to go on bit for bit; replaced in one rename
run/log.jsonl       a line per logged step and per validation
run/model/          the best model so far, as `tformer translate -m` reads it
run/tensorboard/    the same figures for TensorBoard
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tformer.model.errors import TrainingError
from tformer.model.files import replacing


class Run:
    """The folder of one run; only the first process of a distributed run writes."""

    def __init__(self, path: Path, writes: bool = True) -> None:
        """Make the folder if needed.

        Raises:
            TrainingError: when it cannot be made.
        """
        self.path = path
        self.writes = writes
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"{path}: cannot be made ({error.strerror})") from error

    @property
    def checkpoint(self) -> Path:
        """Path of the training state."""
        return self.path / "checkpoint.pt"

    @property
    def model(self) -> Path:
        """Path of the best model."""
        return self.path / "model"

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint; a crash or a full disk leaves the one before intact.

        Raises:
            TrainingError: when it cannot be written.
        """
        if not self.writes:
            return
        try:
            with replacing(self.checkpoint, aside=self.checkpoint.with_suffix(".partial")) as file:
                torch.save(state, file)
        except (OSError, RuntimeError) as error:
            raise TrainingError(
                f"{self.checkpoint}: cannot be written ({error}); the checkpoint before is intact"
            ) from error

    def load(self) -> dict[str, Any] | None:
        """The checkpoint, or None in a new run.

        Raises:
            TrainingError: when there is one that cannot be read.
        """
        if not self.checkpoint.exists():
            return None
        try:
            return torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever unpickling a damaged file raises
            raise TrainingError(
                f"{self.checkpoint}: cannot be read ({type(error).__name__}); "
                "remove it to start again"
            ) from error

    def log(self, entry: dict[str, Any]) -> None:
        """Append one line to the log."""
        if not self.writes:
            return
        try:
            with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise TrainingError(f"{self.path}: cannot be written ({error.strerror})") from error

    def rewind_log(self, step: int) -> None:
        """Forget what was logged after ``step``: it is about to happen again.

        Raises:
            TrainingError: when the log cannot be written.
        """
        path = self.path / "log.jsonl"
        if not (self.writes and path.exists()):
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        try:
            with replacing(path) as file:
                file.write("".join(kept).encode())
        except OSError as error:
            raise TrainingError(f"{path}: cannot be written ({error.strerror})") from error
