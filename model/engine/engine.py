"""Continuous batching: many sentences through one network, each on its own clock.

    engine = Engine(Eager(transformer), beam_size=4)
    number = engine.submit(Request(source, DecodingOptions()))
    while engine.busy:
        for finished in engine.step():
            ...

A step admits waiting sentences into free places, moves every running sentence on by one token, and
lets those that are done leave. A file is a loop over ``step``; a server is the same loop in a
thread. In a small batch that nobody needs to look at in between it is a few tokens, unless a
sentence is done before.

**Admission.** Requests wait in the order in which they came and enter in that order; nobody
overtakes, so nobody starves. A batch of G sentences whose longest source has S tokens costs
G x K x S tokens, which is what its padded memory takes, or K times the tokens of all sources where
nothing is padded (:func:`pads`). That is kept within ``max_tokens``; a sentence that alone is over
it runs alone. Entering copies the cache or encodes few sentences, so when not all who wait fit,
they enter once a quarter of the budget is free. Callers with many sentences at hand submit them
sorted by length.

**Out of memory.** When the GPU's memory does not suffice, the budget is halved for good, and what
ran goes back to the head of the queue and begins anew, in smaller company. A sentence for which
there is no memory even alone is a `DeviceError`.

**Independence.** A translation depends on its own request only, bit for bit on the CPU: lengths,
limits and masks are those of the sentence, every product in the network is row by row, and
positions come in blocks (`network.kv_cache.BLOCK`), so that a longer neighbour does not change
the order of a sum.

The engine knows token ids and no text.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tformer.model.datastore.layout import Datastore
from tformer.model.errors import DeviceError, ModelError, UsageError
from tformer.model.network.interface import (
    AttentiveDecoding,
    Network,
    RecallingDecoding,
    ResumingDecoding,
    SearchingDecoding,
    SharingDecoding,
)
from tformer.model.search.beam import Beam
from tformer.model.search.candidates import Integers
from tformer.model.search.constraints import Progress
from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.search.request import Request

if TYPE_CHECKING:
    from torch import Tensor

    from tformer.model.search.scores import Scores

logger = logging.getLogger(__name__)

MAX_TOKENS = 8192
"""Default budget: 64 sentences of 32 tokens with a beam of 4."""

CACHED_TOKENS = 4096
"""Default budget of a small network in int8, for the sake of memory (docs/cpu.md)."""

SMALL = 384
"""Widest model, d, that is taken for small. Weights of wider ones have to be read by many rows at a
time; where that begins was not measured."""


STEPS_TOGETHER = 128
"""Steps times rows that a network may take in one call, if it can; who comes meanwhile waits for
some milliseconds."""


def default_budget(network: Network) -> int:
    """Budget of a batch, rows times source tokens, if nobody names one."""
    small = network.dtype == "int8" and network.config.d_model <= SMALL
    return CACHED_TOKENS if small else MAX_TOKENS


def pads(network: Network) -> bool:
    """Return whether a sentence takes as much memory as the longest one of its batch."""
    return network.dtype != "int8"


def source_tokens(lengths: Sequence[int], *, padded: bool) -> int:
    """Source tokens of a batch, with what is padded."""
    return len(lengths) * max(lengths, default=0) if padded else sum(lengths)


@dataclass(frozen=True)
class Finished:
    """The answer to one request."""

    number: int
    """Number that ``submit`` returned."""
    tag: Any
    """Tag that ``submit`` was given."""
    hypotheses: tuple[FinishedHypothesis, ...]
    """At least one and at most ``n_best``, the best first; none where other options, such as
    ``no_repeat_ngram_size``, leave no way to say the required terms."""
    max_length: int
    """Most tokens a hypothesis could have; one that has so many had to end there."""
    encoder_states: Any = field(default=None, compare=False, repr=False)
    """Encoder states for another request of the same source, if the network hands them out."""
    alternatives: tuple[FinishedHypothesis, ...] = ()
    """Further hypotheses that the search has finished, if they were asked for; of less probable
    ones a search with a larger ``n_best`` may find better."""


class _AcceptedRequest(NamedTuple):
    """A request that was accepted."""

    number: int
    tag: Any
    request: Request
    length: int
    """Tokens of the source."""


_length = attrgetter("length")


class Engine:
    """Translates requests, many at a time, none waiting for another to finish."""

    def __init__(
        self,
        network: Network,
        *,
        beam_size: int = 4,
        max_tokens: int = MAX_TOKENS,
        datastores: Mapping[str, Datastore] | None = None,
    ) -> None:
        """An idle engine.

        Args:
            network: what decodes.
            beam_size: the widest beam that a request may ask for; every sentence occupies so many
                rows of a batch.
            max_tokens: budget of a batch, rows times source tokens.
            datastores: by the names that requests have for them.
        """
        self._datastores = datastores if datastores is not None else {}
        self._network = network
        self._config = network.config
        self.beam_size = beam_size
        self._max_tokens = max_tokens
        self._padded = pads(network)
        config = network.config
        self._beam = Beam(beam_size, bos_id=config.bos_id, eos_id=config.eos_id)
        self._start()
        self._running: list[_AcceptedRequest] = []
        self._waiting: deque[_AcceptedRequest] = deque()
        self._numbers = count()

    @property
    def busy(self) -> bool:
        """True while a request is waiting or running."""
        return bool(self._waiting or self._running)

    @property
    def searches(self) -> bool:
        """True if the network searches by itself in batches without constraints."""
        return self._searching is not None

    @property
    def num_waiting(self) -> int:
        """Requests that have not been admitted."""
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        """Sentences in the batch."""
        return len(self._running)

    def submit(self, request: Request, tag: object = None) -> int:
        """Queue a request; returns the number under which its answer will come.

        Args:
            request: to be decoded.
            tag: comes back with the answer, for the caller to know it by.

        Raises:
            UsageError: when the source is empty or longer than the network can read, the beam is
                wider than the engine's, or the prefix and the required terms are too long for the
                translation or not made of tokens, or the network cannot tell what an option needs.
        """
        self.check(request)
        sentence = _AcceptedRequest(next(self._numbers), tag, request, len(request.source))
        self._waiting.append(sentence)
        return sentence.number

    def cancel(self, *numbers: int) -> bool:
        """Forget requests, waiting or running; False when none is (or is any longer) here."""
        unwanted = set(numbers)
        waiting = deque(each for each in self._waiting if each.number not in unwanted)
        found, self._waiting = len(waiting) < len(self._waiting), waiting
        remaining = [i for i, each in enumerate(self._running) if each.number not in unwanted]
        if len(remaining) == len(self._running):
            return found
        self._beam.keep(remaining)
        try:
            self._keep(remaining, np.arange(self.num_running * self.beam_size))
        except self._network.out_of_memory:
            self._running = [self._running[index] for index in remaining]
            self._begin_anew()
        return True

    def share_work(self, workers: int) -> None:
        """Have so many idle cores compute a part, if they can; any thread may end that with 0."""
        if sharing := self._sharing:
            sharing.share_work(workers)

    def step(self) -> list[Finished]:
        """Admit, move every sentence on by one token or a few, and return those that are done.

        Raises:
            ModelError: when the network computes nothing but NaN.
            DeviceError: when the memory does not suffice for a single sentence, which is dropped.
        """
        try:
            with self._network.computing():
                return self._step()
        except self._network.out_of_memory:
            pass  # go on outside, because the traceback holds on to what took the memory
        self._retreat()
        return []

    def _step(self) -> list[Finished]:
        self._admit(self._next_to_enter())
        if not self._running:
            return []
        rows = self._advance()
        done = self._beam.done
        if not done:
            self._decoding.select(rows)
            return []
        finished, remaining = self._beam.take()
        leaving = [(self._running[index], self._encoder_states(index)) for index in done]
        self._keep(remaining, rows)
        return [self._answer(*s, found) for s, found in zip(leaving, finished, strict=True)]

    def _retreat(self) -> None:
        """Go on with half of the batch for which there was no memory."""
        longest = max(map(_length, self._running))
        num_tokens = self._cost_of(list(map(_length, self._running)))
        alone = self.num_running == 1
        if alone:
            self._running = []
        else:
            self._max_tokens = min(self._max_tokens, num_tokens) // 2
            logger.warning("out of memory: batches are now of at most %d tokens", self._max_tokens)
        self._begin_anew()
        if alone:
            raise DeviceError(
                f"not enough memory for one sentence of {longest} tokens and a beam of "
                f"{self.beam_size}: choose a narrower beam, or the CPU"
            )

    def _begin_anew(self) -> None:
        """Put what runs back to the head of the queue, and give its memory back."""
        self._waiting.extendleft(reversed(self._running))
        self._running = []
        self._beam.keep([])
        self.share_work(0)
        del self._decoding, self._resuming, self._searching, self._sharing
        self._network.give_back_memory()
        self._start()

    def _start(self) -> None:
        decoding = self._decoding = self._network.start(self.beam_size)
        self._resuming = decoding if isinstance(decoding, ResumingDecoding) else None
        self._searching = decoding if isinstance(decoding, SearchingDecoding) else None
        self._sharing = decoding if isinstance(decoding, SharingDecoding) else None

    def _advance(self) -> Integers:
        """Take a step or, in a small batch that needs nobody to look at each, several."""
        if self._searching and self._beam.is_plain:
            most = max(1, STEPS_TOGETHER // (self.num_running * self.beam_size))
            return self._beam.advance_with(self._searching.search, most)
        return self._beam.advance(*self._scores())

    def _scores(self) -> tuple[Scores, Tensor | None]:
        """Log-probabilities of the next tokens, and attention weights if a penalty needs them."""
        if not self._beam.wants_attention:
            return self._decoding.step(self._beam.tokens), None
        assert isinstance(self._decoding, AttentiveDecoding)
        return self._decoding.step_with_attention(self._beam.tokens)

    def _next_to_enter(self) -> list[_AcceptedRequest]:
        """Take from the queue those that enter now."""
        if not self._waiting:
            return []
        lengths = list(map(_length, self._running))
        fitting = self._num_fitting(lengths)
        has_room = self._cost_of(lengths) <= self._max_tokens * 3 // 4
        if self._running and fitting < len(self._waiting) and not has_room:
            return []
        if not self._running:
            fitting = max(fitting, 1)
        return [self._waiting.popleft() for _ in range(fitting)]

    def _num_fitting(self, lengths: Sequence[int]) -> int:
        """Count the sentences at the head of the queue for which there is room beside others."""
        longest, total = max(lengths, default=0), sum(lengths)
        for fitting, sentence in enumerate(self._waiting):
            longest, total = max(longest, sentence.length), total + sentence.length
            rows = len(lengths) + fitting + 1
            tokens = rows * longest if self._padded else total
            if tokens * self.beam_size > self._max_tokens:
                return fitting
        return len(self._waiting)

    def _cost_of(self, lengths: Sequence[int]) -> int:
        """Return the cost of a batch of sentences of these lengths, rows times source tokens."""
        return self.beam_size * source_tokens(lengths, padded=self._padded)

    def _admit(self, sentences: list[_AcceptedRequest]) -> None:
        """Encode the sentences together and put them behind those that run."""
        if not sentences:
            return
        self._running += sentences  # first, so that they are not lost if there is no memory
        requests = [self._with_entries(sentence.request) for sentence in sentences]
        limits = list(map(self._target_limit, requests))
        if self._resuming:
            self._beam.extend(requests, limits, self._resuming.resume(requests))
        else:
            self._decoding.admit([request.source for request in requests])
            self._beam.extend(requests, limits)
            if isinstance(self._decoding, RecallingDecoding):
                self._decoding.recall([request.subset for request in requests])

    def _with_entries(self, request: Request) -> Request:
        """A request with the entries of its datastore that are likely to be near."""
        options = request.options
        if not options.datastore:
            return request
        datastore = self._datastores[options.datastore]
        return replace(request, subset=datastore.subset(request.source, options.datastore_weight))

    def _encoder_states(self, sentence: int) -> Any:
        """Encoder states of a sentence that is leaving, if they can be used again."""
        return self._resuming.encoder_states(sentence) if self._resuming else None

    def _target_limit(self, request: Request) -> int:
        """Most tokens of the translation; the network has positions for no more, and the end."""
        limit = request.options.target_limit(len(request.source))
        return min(limit, self._config.max_length - 1)

    def check(self, request: Request) -> None:
        """Refuse what cannot be decoded here; see :meth:`submit`."""
        longest = self._config.max_length
        if not 1 <= len(request.source) <= longest:
            raise UsageError(
                f"a source must have 1 to {longest} tokens, not {len(request.source)}: split it"
            )
        if request.options.beam_size > self.beam_size:
            raise UsageError(
                f"beam_size must be at most the engine's {self.beam_size}, "
                f"not {request.options.beam_size}"
            )
        if request.options.coverage_penalty and not isinstance(self._decoding, AttentiveDecoding):
            raise UsageError(
                "coverage_penalty needs to know what the network attends to, which it does not "
                "tell in fast arithmetic: load it in float32"
            )
        if request.options.datastore:
            self._check_datastore(request.options.datastore)
        if request.prefix or request.required:
            self._check_target(request)

    def _check_datastore(self, name: str) -> None:
        if name not in self._datastores:
            known = ", ".join(sorted(self._datastores)) or "none"
            raise UsageError(f"no datastore {name!r} is open; there are {known}")
        if not isinstance(self._decoding, RecallingDecoding):
            raise UsageError(
                f"a datastore needs the network step by step, not in {self._network.dtype} "
                "with CUDA graphs: choose --dtype int8 or --device cpu"
            )

    def _check_target(self, request: Request) -> None:
        """Refuse a prefix and required terms that no translation can have."""
        ways = chain.from_iterable(request.required)
        vocab_size = self._config.target_vocab_size or self._config.vocab_size
        for token in chain(request.prefix, *ways):
            if not 0 <= token < vocab_size or token in (self._config.bos_id, self._config.eos_id):
                raise UsageError(f"token {token} cannot be said within a translation")
        limit = self._target_limit(request)
        needed = Progress(request.required).after(request.prefix).needed
        if len(request.prefix) + needed > limit:
            raise UsageError(
                f"prefix and required terms take {len(request.prefix) + needed} tokens, "
                f"but max_length is {limit}"
            )

    def _keep(self, sentences: Sequence[int], rows: Integers) -> None:
        """Let the network follow the beam: of ``rows`` (R,), those of ``sentences`` remain."""
        kept = np.array(sentences, np.int64)
        self._decoding.select(rows.reshape(-1, self.beam_size).take(kept, 0).reshape(-1), sentences)
        self._running = [self._running[i] for i in sentences]

    def _answer(
        self, sentence: _AcceptedRequest, encoder_states: Any, hypotheses: list[FinishedHypothesis]
    ) -> Finished:
        if not hypotheses and not sentence.request.required:
            raise ModelError("the model computes no probabilities (NaN): its weights are damaged")
        limit, options = self._target_limit(sentence.request), sentence.request.options
        best, others = hypotheses[: options.n_best], hypotheses[options.n_best :]
        return Finished(
            sentence.number, sentence.tag, tuple(best), limit, encoder_states, tuple(others)
        )
