"""Changes to the probabilities of the next token that a request may ask for.

They need the log-probability of every token, which a network may otherwise never write down; so
they are applied to the hypotheses of the sentences that asked, and to no others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from tformer.model.hardware.device import on_device
from tformer.model.search.request import Request
from tformer.model.search.scores import Array, Scores, largest, rows_of
from tformer.model.search.special_state import SpecialState, repetitions

Tokens = tuple[int, ...]


class Changed:
    """Scores of which some rows have been changed."""

    def __init__(self, scores: Scores, rows: Tensor, log_probs: Tensor) -> None:
        """``scores``, but in ``rows`` (N,) int64 the values of ``log_probs`` (N, V)."""
        self._scores = scores
        self._rows = rows
        self._log_probs = log_probs

    @property
    def vocab_size(self) -> int:
        """V."""
        return self._scores.vocab_size

    def best(self, width: int, named: Iterable[int] = ()) -> tuple[Tensor, Tensor]:
        """The most probable tokens; see :meth:`Scores.best`."""
        pairs = zip(self._scores.best(width, named), largest(self._log_probs, width), strict=True)
        log_probs, tokens = (self._merged(old, new) for old, new in pairs)
        return log_probs, tokens

    def of(self, token: int) -> Tensor:
        """One token in every row, (R,)."""
        return self._merged(self._scores.of(token), self._log_probs[:, token])

    def all(self) -> Tensor:
        """Every log-probability, (R, V)."""
        return self._merged(self._scores.all(), self._log_probs)

    def _merged(self, old: Array, new: Tensor) -> Tensor:
        """Replace the rows that have changed, of a tensor or an array."""
        return torch.as_tensor(old).index_copy(0, self._rows, new)


def changed(scores: Scores, rows: Sequence[int], sentences: Sequence[SpecialState]) -> Changed:
    """Scores with what some sentences want, whose running hypotheses have these rows."""
    log_probs = rows_of(scores, rows)
    index = on_device(torch.tensor(rows, dtype=torch.int64), log_probs.device)
    of_sentence = log_probs.split([sentence.num_running for sentence in sentences])
    for sentence, part in zip(sentences, of_sentence, strict=True):
        change(part, sentence)
    return Changed(scores, index, log_probs)


def change(log_probs: Tensor, sentence: SpecialState) -> None:
    """Change the log-probabilities (K, V) of what follows in one sentence, in place.

    The tokens of a forced prefix are as probable as the model finds them.
    """
    request, options = sentence.request, sentence.request.options
    if sentence.forces_prefix:
        return
    for said, row in zip(sentence.said, log_probs, strict=True):
        if options.repetition_penalty != 1 and said:
            index = _index(sorted(set(said)), row)
            row[index] = row[index] * options.repetition_penalty
        if banned := repetitions(said, options.no_repeat_ngram_size):
            row[_index(banned, row)] = -math.inf
        if (token := recommended(said, request)) is not None:
            row += math.log1p(-options.prefix_bias)
            bias = row.new_full((), math.log(options.prefix_bias))
            row[token] = torch.logaddexp(row[token], bias)


def recommended(said: Tokens, request: Request) -> int | None:
    """The next token of a prefix that is recommended, if it was followed so far."""
    step = len(said)
    if request.options.prefix_bias and step < len(request.prefix) and said == request.prefix[:step]:
        return request.prefix[step]
    return None


def _index(tokens: Sequence[int], like: Tensor) -> Tensor:
    return on_device(torch.tensor(tokens, dtype=torch.int64), like.device)
