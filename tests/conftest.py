"""Fixtures that several test files share."""
# ruff: noqa: E402

import io
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Two files run at a time: each has one core. Threads that wait give theirs away: where a test asks
# for several, spinning would take it from the other file (24 tests: 29 s of wall clock, or 14 s).
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Enough to find what a change breaks; `--hypothesis-profile=default` looks closer.
# How soon examples are made depends on what else the machine does.
settings.register_profile(
    "suite", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

# The editable install maps each top-level folder, so a new folder is unknown to an older install.
for _room in Path(__file__).parents[1].glob("*/__init__.py"):
    if find_spec(f"tformer.{_room.parent.name}") is None:
        pytest.exit(f"tformer.{_room.parent.name} is not installed: pip install --no-deps -e .", 1)

from fake_translator import FakeTranslator, Result, Tformer

from tformer.cli import loading
from tformer.cli.main import run
from tformer.model.vocabulary.sentencepiece import Vocabulary


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    """A vocabulary of a few sentences, mostly of bytes."""
    from tiny_training import SENTENCES, VOCABULARY_SIZE  # loads torch, for which no worker waits

    path = tmp_path_factory.mktemp("vocabulary") / "sentencepiece.model"
    return Vocabulary.train(SENTENCES, path, languages=["en", "de"], size=VOCABULARY_SIZE)


# No test may meet a daemon or a server of whoever runs the tests.
os.environ["TFORMER_DAEMON"] = "0"
os.environ.pop("TFORMER_SERVER", None)


@pytest.fixture
def translator(monkeypatch: pytest.MonkeyPatch) -> FakeTranslator:
    fake = FakeTranslator()
    monkeypatch.setattr(loading, "load_translator", lambda model, device: fake)
    return fake


@pytest.fixture
def tformer(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Tformer:
    """Call the command line in this process: tformer("translate", "-", stdin=b"...")."""

    def call(*arguments: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = run([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return Result(status, out.decode(), err.decode())

    return call
