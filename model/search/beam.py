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

At every step the 2K best continuations of a sentence are its candidates (`candidates.choose`). Of
the best K, those that end the sentence are banked as finished hypotheses, and each gives its place
to the next best: the first K candidates that do not end go on (`hypotheses.go_on`). One K of
candidates can end, so K always remain. A sentence whose request says more than that (a prefix,
terms that are required) names candidates of its own (`search.special_state`), and the rest is the
same.

The search runs on the host, in float64: it goes through a few hundred numbers, which would be
dozens of kernel launches elsewhere. Reading the scores is the one place in a step that waits for
the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tformer.model.search.candidates import (
    CANDIDATE,
    Continuations,
    Drawn,
    Floats,
    Integers,
    Outlook,
    Records,
    choose,
    replace,
)
from tformer.model.search.hypotheses import (
    FINISHED,
    SENTENCE,
    FinishedHypothesis,
    History,
    State,
    go_on,
    new_sentence,
)
from tformer.model.search.ngram_bans import banned
from tformer.model.search.request import Request
from tformer.model.search.special_state import (
    SpecialState,
    changes,
    num_first,
    only_bans,
    wishes_of,
)

if TYPE_CHECKING:  # a network that computes on the host needs no torch
    from torch import Tensor

    from tformer.model.search.scores import Scores

Searching = Callable[[State, int, int], tuple[int, bool, bool]]
"""Several steps of network and search; see `decoding.SearchingDecoding.search`."""


class Beam:
    """The running and the finished hypotheses of the sentences in a batch."""

    def __init__(self, beam_size: int, bos_id: int, eos_id: int) -> None:
        """An empty batch with ``beam_size`` places a sentence."""
        self.beam_size = beam_size
        self.bos_id = bos_id
        self.eos_id = eos_id
        self._history = History(beam_size)
        self._clear()

    def _clear(self) -> None:
        shape = (0, self.beam_size)
        self._sentences: Records = np.empty(0, SENTENCE)
        self._finished: Records = np.empty(shape, FINISHED)
        self._log_probs: Floats = np.empty(shape)
        self._tokens: Integers = np.empty(shape, np.int64)
        self._wishes: list[SpecialState | None] = []
        self._most: list[int] = []  # finished hypotheses that are handed out, by sentence
        self._num_done = 0
        # Whether a sentence may be at its limit, and one so short that it must not end.
        self._limited = self._too_short = False
        self._compose()

    @property
    def num_sentences(self) -> int:
        """G."""
        return len(self._sentences)

    @property
    def tokens(self) -> Integers:
        """(R,), the newest token of every hypothesis: what the network reads next."""
        return self._tokens.reshape(-1)

    @property
    def done(self) -> list[int]:
        """Indices of the sentences for which `hypotheses.stopped` holds."""
        return self._sentences["done"].nonzero()[0].tolist() if self._num_done else []

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
        for index, request in enumerate(requests):
            log_probs[index, : num_first(request.options)] = 0
        slots = self._history.admit(max_lengths)
        new = np.array(list(map(new_sentence, requests, max_lengths, slots)), SENTENCE)
        tokens = np.full(shape, self.bos_id)
        wishes = list(map(wishes_of, requests, max_lengths))
        for index, said in enumerate(begun or ()):
            if said and (wish := wishes[index]):
                wish.begin(len(said))
                log_probs[index, 0] = self._history.begin(new[index], wish.said[0], said)
                tokens[index] = wish.said[0][-1]
        self._sentences = _joined(self._sentences, new)
        self._finished = _joined(self._finished, np.empty(shape, FINISHED))
        self._log_probs = _joined(self._log_probs, log_probs)
        self._tokens = _joined(self._tokens, tokens)
        self._wishes += wishes
        self._most += [_most_wanted(request) for request in requests]
        self._limited |= bool((new["step"] >= new["max_length"]).any())
        self._too_short |= bool((new["step"] < new["min_length"]).any())
        self._compose()

    @property
    def wants_attention(self) -> bool:
        """True if the next step needs attention weights."""
        return bool(self._covering)

    def advance(self, scores: Scores, attention: Tensor | None = None) -> Integers:
        """Take one step in every sentence; those that are ``done`` must have been taken.

        Args:
            scores: of the token that follows each of R hypotheses; V at least 2.
            attention: (R, S), of every hypothesis to its source in saying that token, if it is
                wanted.

        Returns:
            (R,): the row whose continuation each row now is; until the next step.
        """
        self._find_candidates(scores, attention)
        outcome = go_on(self.eos_id, self._state)
        self._num_done, self._limited, self._too_short = outcome
        if self._special:
            self._append()
        return self._state.rows

    def advance_with(self, search: Searching, most: int) -> Integers:
        """Take one to ``most`` steps in every sentence, by a network that can search by itself.

        Only for a batch that :attr:`is_plain`.

        Args:
            search: see `decoding.SearchingDecoding.search`.
            most: steps, at least one.

        Returns:
            As :meth:`advance`, of the last step; the network knows of those before it.
        """
        outcome = search(self._state, self._width(), most)
        self._num_done, self._limited, self._too_short = outcome
        return self._state.rows

    @property
    def is_plain(self) -> bool:
        """True if all sentences are plain, see `special_state.is_plain`."""
        return not self._special

    def take(self) -> tuple[list[list[FinishedHypothesis]], Sequence[int]]:
        """Remove the sentences that are done.

        Returns:
            Their n-best lists, the best first, in the order of the batch; and the indices that
            the remaining sentences had.
        """
        if not self._num_done:
            return [], range(self.num_sentences)
        leaving = self._sentences["done"].nonzero()[0]
        most = [self._most[index] for index in leaving.tolist()]
        finished = self._history.finished(self._sentences, self._finished, leaving, most)
        remaining = (self._sentences["done"] == 0).nonzero()[0].tolist()
        self._num_done = 0
        self.keep(remaining)
        return finished, remaining

    def keep(self, sentences: Sequence[int]) -> None:
        """Drop every sentence whose index is not in ``sentences``, done or not."""
        kept = np.array(sentences, np.int64)
        slots = self._sentences["slot"].tolist()
        if not len(kept):
            self._history.release(slots)
            self._clear()
            return
        remaining = {slots[index] for index in sentences}
        self._history.release([slot for slot in slots if slot not in remaining])
        # Many times as fast as an index for arrays of records.
        self._sentences = self._sentences.take(kept)
        self._finished = self._finished.take(kept, 0)
        self._log_probs = self._log_probs.take(kept, 0)
        self._tokens = self._tokens.take(kept, 0)
        self._wishes = [self._wishes[index] for index in sentences]
        self._most = [self._most[index] for index in sentences]
        if self._num_done:
            self._num_done = int(np.count_nonzero(self._sentences["done"]))
        self._compose()

    def _compose(self) -> None:
        """Work out what is the same at every step until sentences come or go."""
        count, places = self._tokens.shape
        self._state = State(
            self._sentences,
            self._log_probs,
            self._tokens,
            np.zeros((count, places)),
            self._finished,
            self._history.steps,
            np.empty((count, 2 * places), CANDIDATE),
            np.empty(count * places, np.int64),
        )
        special = {}
        if any(self._wishes):
            special = {index: wishes for index, wishes in enumerate(self._wishes) if wishes}
        self._special = special
        self._banning = [i for i, wishes in special.items() if only_bans(wishes.request)]
        self._changing = [
            i for i, wishes in special.items() if i not in self._banning and changes(wishes.request)
        ]
        self._sampling = [i for i, wishes in special.items() if wishes.request.options.sampling]
        self._covering = [
            i for i, wishes in special.items() if wishes.request.options.coverage_penalty
        ]

    def _width(self) -> int:
        """Best tokens of a hypothesis that may be wanted."""
        # No hypothesis contributes more than 2K, and one more where its end does not count yet.
        return 2 * self.beam_size + self._too_short

    def _find_candidates(self, scores: Scores, attention: Tensor | None) -> None:
        """The best 2K continuations of every sentence."""
        if self._changing:
            scores = self._change(scores)
        drawn = self._draw(scores) if self._sampling else None
        choosing = [index for index, wishes in self._special.items() if wishes.chooses]
        named = {token for index in choosing for token in self._special[index].named}
        if self._limited:
            named.add(self.eos_id)
        bans, most = banned(self._state)
        special_bans = self._special_bans()
        width = 2 * self.beam_size + 1 if choosing else self._width()
        width += max([most, *map(len, special_bans.values())])
        following = Continuations(scores, width, named, drawn, attention)
        following.ban(special_bans)
        if following.attention is not None:
            self._attend(following.attention)
        ends = following.of(self.eos_id) if self._limited else following.best[:0, 0]
        choose(following.best, following.tokens, ends, self.eos_id, self._state, bans)
        for index in choosing:
            own = self._special[index].candidates(self._outlook(index, following))
            if own is not None:
                replace(self._state.chosen[index], own)

    def _change(self, scores: Scores) -> Scores:
        """Scores in which the options that change probabilities are taken into account."""
        from tformer.model.search.logits_processors import changed

        rows = self._rows(self._changing)
        return changed(scores, rows, [self._special[index] for index in self._changing])

    def _special_bans(self) -> dict[int, list[int]]:
        """Tokens that must not follow, by row, of sentences that have a special state."""
        by_sentence = [(index, self._special[index].banned) for index in self._banning]
        return {
            index * self.beam_size + place: tokens
            for index, hypotheses in by_sentence
            for place, tokens in enumerate(hypotheses)
            if tokens
        }

    def _draw(self, scores: Scores) -> Drawn:
        """A token for every running hypothesis of the sentences that are sampled."""
        from tformer.model.search.sampling import draw_all

        rows = self._rows(self._sampling)
        return draw_all(scores, rows, [self._special[i] for i in self._sampling], self.eos_id)

    def _rows(self, sentences: Iterable[int]) -> list[int]:
        """Rows of the running hypotheses of some sentences."""
        return [
            index * self.beam_size + place
            for index in sentences
            for place in range(self._special[index].num_running)
        ]

    def _attend(self, attention: Floats) -> None:
        by_sentence = attention.reshape(self.num_sentences, self.beam_size, -1)
        for index in self._covering:
            self._state.bonus[index] = self._special[index].attend(by_sentence[index])

    def _outlook(self, index: int, following: Continuations) -> Outlook:
        wishes = self._special[index]
        return Outlook(
            following,
            first_row=index * self.beam_size,
            log_probs=self._log_probs[index, : wishes.num_running].tolist(),
            eos_id=self.eos_id,
            may_end=wishes.step >= wishes.request.options.min_length,
        )

    def _append(self) -> None:
        """Let the wishes follow the hypotheses that they are about."""
        parents = self._state.rows.reshape(self._tokens.shape) % self.beam_size
        running = (self._log_probs > -math.inf).sum(1).tolist()
        for index, wishes in self._special.items():
            count = running[index]
            wishes.append(parents[index, :count].tolist(), self._tokens[index, :count].tolist())


def _most_wanted(request: Request) -> int:
    """Finished hypotheses that a request is answered with, at most."""
    options = request.options
    return options.beam_size if request.alternatives else options.n_best


def _joined(here: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
    """One behind the other; nothing is copied for the first."""
    return np.concatenate([here, new]) if len(here) else new
