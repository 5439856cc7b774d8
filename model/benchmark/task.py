"""Tasks of a benchmark: a text, or sentences of random tokens of a forced length."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tformer.model.benchmark.figures import Cell
from tformer.model.config import TransformerConfig
from tformer.model.errors import UsageError
from tformer.model.evaluation.metrics import QualityScores, score
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

SAMPLE = Path(__file__).parent / "sample.en.txt"
"""English sentences, for a text where none is named."""

GROUPS = 4
"""Batches that a system is handed in one measurement, at most."""

ENOUGH = 256
"""Sentences of a measurement, if that makes two batches; only all at once are more."""

ONE_BY_ONE = 40
"""Sentences of a measurement in which they are handed over one at a time."""


class Task(Protocol):
    """Work that can be cut to the size of a cell."""

    @property
    def size(self) -> int:
        """Sentences there are."""

    def message(self, sentences: int) -> dict[str, Any]:
        """Message to a worker for so many sentences; see `worker`."""

    def tokens(self, answer: dict[str, Any]) -> int:
        """Target tokens of a worker's answer, the ends of sentences included."""

    def scores(self, answer: dict[str, Any], sentences: int) -> QualityScores | None:
        """Quality of the answer; None without references."""


@dataclass(frozen=True)
class TextTask:
    """Lines to translate, one sentence or a few a line."""

    lines: Sequence[str]
    references: Sequence[str] | None
    source: str
    target: str
    vocabulary: AnyVocabulary

    @property
    def size(self) -> int:
        """Lines of the text."""
        return len(self.lines)

    def message(self, sentences: int) -> dict[str, Any]:
        """Translate so many lines, spread evenly over the text."""
        lines = spread(self.lines, sentences)
        return {"do": "translate", "lines": lines, "source": self.source, "target": self.target}

    def tokens(self, answer: dict[str, Any]) -> int:
        """Pieces that the translations are cut into, so that every system is counted alike."""
        return sum(len(self.vocabulary.encode_target(line)) for line in answer["translations"])

    def scores(self, answer: dict[str, Any], sentences: int) -> QualityScores | None:
        """BLEU and chrF, if there are references."""
        if self.references is None:
            return None
        return score(answer["translations"], spread(self.references, sentences))


@dataclass(frozen=True)
class ForcedTask:
    """Sentences of random tokens whose translations have all the same length.

    For networks that have learnt nothing, and say nothing of quality.
    """

    sources: Sequence[list[int]]
    """As the encoder reads them."""
    length: int
    """Tokens of every translation, its end included."""

    @classmethod
    def random(cls, config: TransformerConfig, sentences: int, length: int) -> ForcedTask:
        """Sentences of ``length`` tokens, the end included; always the same ones."""
        draw = random.Random(1)
        low, high = config.vocab_size // 2, config.vocab_size - 1  # no control symbol is so high
        sources = [
            [*(draw.randint(low, high) for _ in range(length - 1)), config.eos_id]
            for _ in range(sentences)
        ]
        return cls(sources, length)

    @property
    def size(self) -> int:
        """Sentences there are."""
        return len(self.sources)

    def message(self, sentences: int) -> dict[str, Any]:
        """Decode so many sentences."""
        return {"do": "decode", "sources": list(self.sources[:sentences]), "length": self.length}

    def tokens(self, answer: dict[str, Any]) -> int:
        """Number of tokens by the system's own count."""
        return int(answer["tokens"])

    def scores(self, answer: dict[str, Any], sentences: int) -> None:
        """None: random networks say nothing."""


def sentences_of(task: Task, cell: Cell) -> int:
    """Number of sentences that one measurement of a cell takes."""
    if cell.batch is None:
        return task.size
    several = min(GROUPS * cell.batch, max(2 * cell.batch, ENOUGH))
    wanted = ONE_BY_ONE if cell.batch == 1 else several
    return min(wanted, task.size)


def spread(items: Sequence[str], count: int) -> list[str]:
    """``count`` items from all over ``items``, in their order.

    Raises:
        UsageError: when there are none.
    """
    if not 1 <= count <= len(items):
        raise UsageError(f"1 to {len(items)} sentences can be taken, not {count}")
    return [items[i * len(items) // count] for i in range(count)]
