"""What a run says: a line per report, or a bar where somebody looks at it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tformer.model.training.progress import StepReport, TrainingProgress
from tformer.model.training.run import Run


def figures(step: int, tokens: int) -> StepReport:
    return StepReport(
        step=step,
        epoch=0,
        loss=3.14159,
        likelihood=2.5,
        learning_rate=0.001,
        gradient_norm=1.0,
        tokens=tokens,
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in a list that a test may write to."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_lines_say_loss_speed_and_time_left(
    tmp_path: Path, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingProgress(Run(tmp_path), 100, 5000, 1100) as progress:
        clock[0] += 4
        progress.report(figures(110, 13_000))
        clock[0] += 4
        progress.report(figures(120, 17_000))
        progress.validation(120, {"set[1].chrF": 12.345, "mean": 12.3})
    assert capsys.readouterr().err.splitlines() == [
        "step 110/1,100  loss 3.142  2,000 tokens/s  left 0:06:36",
        "step 120/1,100  loss 3.142  1,000 tokens/s  left 0:06:32",
        "set[1].chrF 12.35  mean 12.30",
    ]


def test_only_the_first_process_speaks_and_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingProgress(Run(tmp_path, writes=False), 0, 0, 10) as progress:
        progress.report(figures(5, 100))
        progress.validation(5, {"mean": 1.0})
    assert capsys.readouterr().err == ""
    assert not list(tmp_path.iterdir())


def test_a_terminal_gets_a_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with TrainingProgress(Run(tmp_path), 0, 0, 10) as progress:
        progress.report(figures(5, 100))
        progress.validation(5, {"mean": 1.0})
    shown = screen.getvalue()
    assert "step 5/10" in shown and "loss 3.142" in shown and "left" in shown
    assert "mean 1.00" in shown
    assert "step 5/10  loss" not in shown  # no line of its own
