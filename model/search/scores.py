"""Log-probabilities of the next token, as a search reads them.

A search reads little of them: the few best of every hypothesis, and the end of the sentence. What
computes them may have them whole (:class:`LogProbs`) or answer without ever writing them down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from tformer.model.hardware.device import on_device

Array = Any
"""A tensor on the network's device, or an array of NumPy where it computes on the host."""

CHUNK = 64
"""Tokens of which the largest logit is looked at first when the best of a row are sought."""


class Scores(Protocol):
    """log P of the token that follows each of R hypotheses, over a vocabulary of V."""

    @property
    def vocab_size(self) -> int:
        """V."""
        ...

    def best(self, width: int, named: Iterable[int] = ()) -> tuple[Array, Array]:
        """The ``width`` most probable tokens of every row, at most V.

        Args:
            width: tokens of each row.
            named: tokens of which :meth:`of` will be asked, to be computed on the way.

        Returns:
            Log-probabilities (R, width), falling; and token ids (R, width) int64. Of tokens that
            are equally probable any may come first, but always the same.
        """
        ...

    def of(self, token: int) -> Array:
        """The log-probability of one token in every row, (R,)."""
        ...

    def all(self) -> Tensor:
        """Every log-probability, (R, V); the caller may change it."""
        ...


def rows_of(scores: Scores, rows: Sequence[int]) -> Tensor:
    """Every log-probability in some of the rows, which the caller may change."""
    log_probs = scores.all()
    index = torch.tensor(rows, dtype=torch.int64)
    return log_probs.index_select(0, on_device(index, log_probs.device))


class LogProbs:
    """Scores that lie in memory as logits."""

    def __init__(self, logits: Tensor) -> None:
        """Scores from ``logits`` (R, V), floating, which need not be normalised."""
        self._logits = logits
        self._total = logits.logsumexp(-1)  # (R,)

    @property
    def vocab_size(self) -> int:
        """V."""
        return self._logits.shape[1]

    def best(self, width: int, named: Iterable[int] = ()) -> tuple[Tensor, Tensor]:
        """The most probable tokens; see :meth:`Scores.best`."""
        logits, tokens = largest(self._logits, width)
        return logits - self._total[:, None], tokens

    def of(self, token: int) -> Tensor:
        """One token in every row, (R,)."""
        return self._logits[:, token] - self._total

    def all(self) -> Tensor:
        """Every log-probability, (R, V)."""
        return self._logits - self._total[:, None]


def largest(values: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Like ``values.topk(width)`` for (R, V), but on the CPU quick where V is large."""
    if values.device.type != "cpu":
        return values.topk(width)
    return largest_by_chunks(values, width)


def largest_by_chunks(values: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The same, reading a row once on any device.

    The ``width`` largest values of a row lie in the ``width`` chunks whose maxima are largest; so
    the row is read once for the maxima, and only these chunks are sorted.
    """
    length = values.shape[1]
    whole = length // CHUNK * CHUNK
    if whole < 2 * width * CHUNK:
        return values.topk(width)
    chunks = values[:, :whole].unflatten(1, (-1, CHUNK))  # (R, V / CHUNK, CHUNK)
    promising = chunks.amax(2).topk(width).indices  # (R, width)
    candidates = chunks.gather(1, promising[:, :, None].expand(-1, -1, CHUNK)).flatten(1)
    candidates = torch.cat([candidates, values[:, whole:]], 1)
    found, index = candidates.topk(width)
    in_chunk = promising.gather(1, (index // CHUNK).clamp(max=width - 1)) * CHUNK + index % CHUNK
    beyond = index - width * CHUNK + whole
    return found, torch.where(index < width * CHUNK, in_chunk, beyond)
