"""Beam search over log-probabilities, for many sentences at once, each at its own step.

G sentences have K = ``beam_size`` hypotheses each; arrays are (G, K), or (R,) with R = G * K where
row r is hypothesis r % K of sentence r // K. The search knows no model and no text: it is given the
log-probabilities of the next token and says which row every surviving hypothesis continues.

    beam = Beam(beam_size=4, bos_id=1, eos_id=2)
    beam.extend([request], [max_length])
    while beam.num_sentences:
        rows = beam.advance(scores)         # of R rows, computed from beam.tokens
        ...                                 # row r now continues what was row rows[r]
        finished, remaining = beam.take()

At every step the 2K best continuations of a sentence are its candidates. Of the best K, those that
end the sentence are banked as finished hypotheses, and each gives its place to the next best: the
first K candidates that do not end go on. One K of candidates can end, so K always remain. A
sentence whose request says more than that (a prefix, terms that are required) names candidates of
its own, and the rest is the same.

The search runs on the host, in NumPy and float64: it is a few dozen operations on a few hundred
numbers, which would be as many kernel launches elsewhere. Reading the scores is the one place in a
step that waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tformer.model.candidates import (
    Candidate,
    Candidates,
    Continuations,
    Drawn,
    Floats,
    Integers,
    Outlook,
)
from tformer.model.constraints import constrained
from tformer.model.device import on_device
from tformer.model.hypotheses import FinishedHypothesis, Hypotheses, Step, stopped
from tformer.model.options import DecodingOptions
from tformer.model.processors import Changed, change, changes
from tformer.model.request import Request
from tformer.model.sampling import draw, uniform
from tformer.model.scores import Scores


class Beam:
    """The running and the finished hypotheses of the sentences in a batch."""

    def __init__(
        self, beam_size: int, bos_id: int, eos_id: int, device: torch.device | str = "cpu"
    ) -> None:
        """An empty batch with ``beam_size`` places a sentence; tensors come out on ``device``."""
        self.beam_size = beam_size
        self.bos_id = bos_id
        self.eos_id = eos_id
        self._device = torch.device(device)
        self._sentences: list[Hypotheses] = []
        self._log_probs: Floats = np.empty((0, beam_size))
        self._tokens: Integers = np.empty((0, beam_size), np.int64)
        self._compose()

    @property
    def num_sentences(self) -> int:
        """G."""
        return len(self._sentences)

    @property
    def tokens(self) -> Tensor:
        """(R,) int64, the newest token of every hypothesis: what the network reads next."""
        return self._on_device(self._tokens.reshape(-1))

    @property
    def done(self) -> list[int]:
        """Indices of the sentences for which `hypotheses.stopped` holds."""
        best = self._log_probs.max(axis=1, initial=-math.inf).tolist()
        return [
            index
            for index, (sentence, running) in enumerate(zip(self._sentences, best, strict=True))
            if stopped(sentence, running)
        ]

    def extend(
        self,
        requests: Sequence[Request],
        max_lengths: Sequence[int],
        begun: Sequence[Sequence[float]] | None = None,
    ) -> None:
        """Admit sentences behind those already here.

        Args:
            requests: of each new sentence; no beam wider than this batch's.
            max_lengths: most tokens of each new sentence's translation, the end not counted; the
                prefix fits into it, and so does what is required.
            begun: of each new sentence the log-probabilities of the tokens of its prefix that the
                network has read, if there are such sentences.

        Raises:
            ValueError: when a sentence wants a wider beam than the batch has places for.
        """
        if any(request.options.beam_size > self.beam_size for request in requests):
            raise ValueError(f"this batch has {self.beam_size} places a sentence")
        shape = (len(requests), self.beam_size)
        log_probs = np.full(shape, -math.inf)
        sentences = list(map(Hypotheses, requests, max_lengths))
        tokens = np.full(shape, self.bos_id)
        for index, sentence in enumerate(sentences):
            log_probs[index, : sentence.num_running] = 0
            if begun is not None and begun[index]:
                sentence.begin(begun[index], self.beam_size)
                _, tokens[index], log_probs[index] = sentence.steps[-1]
        self._sentences += sentences
        self._log_probs = np.concatenate([self._log_probs, log_probs])
        self._tokens = np.concatenate([self._tokens, tokens])
        self._compose()

    @property
    def wants_attention(self) -> bool:
        """Whether the next step needs to know what the network attends to."""
        return bool(self._covering)

    def advance(self, scores: Scores, attention: Tensor | None = None) -> Tensor:
        """Take one step in every sentence; those that are ``done`` must have been taken.

        Args:
            scores: of the token that follows each of R hypotheses; V at least 2.
            attention: (R, S), of every hypothesis to its source in saying that token, if it is
                wanted.

        Returns:
            (R,) int64: the row whose continuation each row now is.
        """
        parents = self._continue(self._candidates(scores, attention))  # (G, K)
        return self._on_device((self._first_row + parents).reshape(-1))

    def take(self) -> tuple[list[list[FinishedHypothesis]], list[int]]:
        """Remove the sentences that are done.

        Returns:
            Their n-best lists, the best first, in the order of the batch; and the indices that
            the remaining sentences had.
        """
        leaving = self.done
        if not leaving:
            return [], list(range(self.num_sentences))
        finished = [
            sentence.finished[: sentence.request.options.n_best]
            for sentence in map(self._sentences.__getitem__, leaving)
        ]
        remaining = sorted(set(range(self.num_sentences)).difference(leaving))
        self.keep(remaining)
        return finished, remaining

    def keep(self, sentences: Sequence[int]) -> None:
        """Drop every sentence whose index is not in ``sentences``, done or not."""
        self._sentences = [self._sentences[index] for index in sentences]
        self._log_probs = self._log_probs[list(sentences)]
        self._tokens = self._tokens[list(sentences)]
        self._compose()

    def _compose(self) -> None:
        """Work out what is the same at every step until sentences come or go."""
        sentences, places = self._sentences, self.beam_size
        self._steps = _integers(len(sentence.steps) for sentence in sentences)  # (G,)
        self._max_lengths = _integers(sentence.max_length for sentence in sentences)
        options = [sentence.request.options for sentence in sentences]
        self._min_lengths = _integers(wanted.min_length for wanted in options)
        beam_sizes = _integers(wanted.beam_size for wanted in options)
        self._outside = np.arange(places) >= beam_sizes[:, None]  # (G, K)
        self._some_outside = bool(self._outside.any())
        self._some_too_short = bool((self._steps < self._min_lengths).any())
        self._choosing = [i for i, sentence in enumerate(sentences) if sentence.chooses]
        self._changing = [i for i, sentence in enumerate(sentences) if changes(sentence.request)]
        self._sampling = [i for i, wanted in enumerate(options) if wanted.sampling]
        self._covering = [i for i, wanted in enumerate(options) if wanted.coverage_penalty]
        index = np.arange(len(sentences))[:, None]
        self._first_row = index * places  # (G, 1)

    def _candidates(self, scores: Scores, attention: Tensor | None) -> Candidates:
        """The best 2K continuations of every sentence."""
        if self._changing:
            scores = self._change(scores)
        drawn = self._draw(scores) if self._sampling else None
        # No hypothesis contributes more than 2K, and one more where its end does not count yet.
        width = 2 * self.beam_size + 1
        choosing = [*self._choosing, *(self._steps >= self._max_lengths).nonzero()[0].tolist()]
        named = {token for index in choosing for token in self._sentences[index].named(self.eos_id)}
        following = Continuations(scores, width, named, drawn, attention)
        if following.attention is not None:
            self._attend(following.attention)
        candidates = self._best(following)
        for index in choosing:
            own = self._own_candidates(index, following)
            if own is not None:
                candidates.replace(index, own)
        return candidates

    def _change(self, scores: Scores) -> Scores:
        """Scores in which the options that change probabilities are taken into account."""
        rows = self._rows(self._changing)
        index = self._on_device(_integers(rows))
        log_probs = scores.all().index_select(0, index)
        of_sentence = log_probs.split([self._sentences[i].num_running for i in self._changing])
        for i, part in zip(self._changing, of_sentence, strict=True):
            change(part, self._sentences[i])
        return Changed(scores, index, log_probs)

    def _draw(self, scores: Scores) -> Drawn:
        """A token for every running hypothesis of the sentences that are sampled."""
        rows = self._rows(self._sampling)
        options: list[DecodingOptions] = []
        uniforms: list[float] = []
        log_probs = scores.all().index_select(0, self._on_device(_integers(rows)))
        for index in self._sampling:
            sentence = self._sentences[index]
            wanted, count = sentence.request.options, sentence.num_running
            if len(sentence.steps) < wanted.min_length:
                log_probs[len(options) : len(options) + count, self.eos_id] = -math.inf
            options += [wanted] * count
            uniforms += uniform(sentence.request, len(sentence.steps))[:count]
        return Drawn(rows, *draw(log_probs, options, uniforms))

    def _rows(self, sentences: Iterable[int]) -> list[int]:
        """Of the running hypotheses of some sentences."""
        return [
            index * self.beam_size + place
            for index in sentences
            for place in range(self._sentences[index].num_running)
        ]

    def _attend(self, attention: Floats) -> None:
        by_sentence = attention.reshape(self.num_sentences, self.beam_size, -1)
        for index in self._covering:
            self._sentences[index].attend(by_sentence[index])

    def _best(self, following: Continuations) -> Candidates:
        """The best continuations by log P alone."""
        places, width = self.beam_size, following.width
        totals = (self._log_probs.reshape(-1, 1) + following.best).reshape(-1, places * width)
        tokens = following.tokens
        if self._some_too_short:
            too_short = self._steps < self._min_lengths
            endings = (tokens == self.eos_id).reshape(totals.shape)
            totals[endings & too_short[:, None]] = -math.inf
            self._some_too_short = bool(too_short.any())
        index = _largest(totals, 2 * places)  # (G, 2K)
        flat = self._first_row * width + index
        return Candidates(totals.take(flat), index // width, tokens.take(flat))

    def _own_candidates(self, index: int, following: Continuations) -> list[Candidate] | None:
        """What may follow in a sentence that is not free to say what it likes."""
        sentence = self._sentences[index]
        step, request = len(sentence.steps), sentence.request
        log_probs = self._log_probs[index].tolist()
        outlook = Outlook(
            following,
            first_row=index * self.beam_size,
            log_probs=[log_prob for log_prob in log_probs if log_prob > -math.inf],
            eos_id=self.eos_id,
            may_end=step >= request.options.min_length,
        )
        if (token := sentence.forced(self.eos_id)) is not None:
            return outlook.only(token)
        if request.options.sampling:
            return outlook.drawn()
        if request.required:
            remaining = sentence.max_length - step - 1
            return constrained(outlook, sentence.progress, request.options.beam_size, remaining)
        return None

    def _continue(self, candidates: Candidates) -> Integers:
        """Bank the candidates that end, let the first K others go on; their parents (G, K)."""
        places = self.beam_size
        ended = candidates.tokens == self.eos_id
        if ended.any():
            self._bank(candidates, ended[:, :places])
            order = ended.argsort(axis=1, kind="stable")  # those that go on come first
            candidates.log_probs[ended] = -math.inf
            candidates = candidates.take(self._first_row * 2 + order)
        log_probs = candidates.log_probs[:, :places]
        parents, tokens = candidates.parents[:, :places], candidates.tokens[:, :places]
        if self._some_outside:
            log_probs[self._outside] = -math.inf
        self._log_probs, self._tokens = log_probs, tokens
        self._steps += 1
        steps = zip(parents.tolist(), tokens.tolist(), log_probs.tolist(), strict=True)
        for sentence, step in zip(self._sentences, steps, strict=True):
            sentence.append(Step(*step))
        return parents

    def _bank(self, candidates: Candidates, ended: NDArray[np.bool]) -> None:
        """Finish what ended (G, K) among the best K of every sentence."""
        for index, place in zip(*ended.nonzero(), strict=True):
            log_prob = float(candidates.log_probs[index, place])
            if log_prob > -math.inf and not self._outside[index, place]:
                self._sentences[index].finish(int(candidates.parents[index, place]), log_prob)

    def _on_device(self, values: Integers) -> Tensor:
        return on_device(torch.from_numpy(values), self._device)


def _integers(values: Iterable[int]) -> Integers:
    return np.fromiter(values, np.int64)


def _largest(values: Floats, count: int) -> Integers:
    """Indices (G, count) of the largest of every row (G, N), falling; NaN counts as least."""
    falling = np.negative(values)
    if falling.shape[1] <= 8 * count:
        return falling.argsort(axis=1, kind="stable")[:, :count]
    some = np.argpartition(falling, count, axis=1)[:, :count]
    order = np.take_along_axis(falling, some, 1).argsort(axis=1, kind="stable")
    return np.take_along_axis(some, order, 1)
