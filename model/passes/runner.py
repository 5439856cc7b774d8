"""An engine with passes over its hypotheses, for sentences that come and go.

    runner = PassRunner(start_engine, beam_size, passes, open_scorer, text)
    runner.submit(sentences)
    while runner.busy:
        for sentence in runner.step():      # has its hypotheses, or an error
            ...

Every sentence is a task: the generator of its passes (`passes.interface`), which waits for the
answer to one request at a time. The tag of a request to an engine is its task; requests to the
scorer are collected and read together, which changes no number (`passes.interface.Scorer`).

Two further engines exist only while they have something to do. A request of a pass with a beam that
is too wide for the engine goes to a wider one. And where a network searches by itself
(`interface.SearchingDecoding`), which it cannot do in a batch with constraints, requests with
constraints go to an engine of their own: they are few, and all others would be slower with them.

Used by one thread. An exception in a pass fails one sentence, and those that share a requirement
with it; only what an engine's step raises is raised here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from itertools import islice
from typing import Any

from tformer.model.engine.engine import Engine, Finished
from tformer.model.passes.draft import Requirement, Sentence
from tformer.model.passes.guard import wider
from tformer.model.passes.interface import (
    Asked,
    Meet,
    Pass,
    Read,
    Reading,
    Result,
    Review,
    Scorer,
    search,
)
from tformer.model.search.request import Pair, Request
from tformer.model.search.special_state import is_plain
from tformer.model.translation import Hypothesis

MANY = 24
"""Pairs for the scorer that are read at once; fewer wait for more."""

STAY = 6
"""Steps for which they wait, at most."""

FEW = 8
"""Sentences in the batch up to which nothing waits."""


class _FurtherEngine(Enum):
    """Engines that exist only while they have something to do."""

    WIDER = auto()
    CONSTRAINED = auto()


@dataclass(eq=False)
class _ReviewTask:
    """A sentence under way."""

    sentence: Sentence
    review: Review
    engine: Engine | None = None
    """In which its latest request to a search is."""
    number: int = 0
    """Number of that request."""


@dataclass(frozen=True)
class _Waiting:
    """A request to the scorer, or a barrier."""

    task: _ReviewTask
    asked: Read


class PassRunner:
    """Decodes sentences, and runs the passes over what was found."""

    def __init__(
        self,
        start_engine: Callable[[int], Engine],
        beam_size: int,
        passes: Sequence[Pass],
        open_scorer: Callable[[], Scorer],
        text: Callable[[tuple[int, ...]], str],
    ) -> None:
        """Start without sentences.

        Args:
            start_engine: makes an idle engine with a widest beam.
            beam_size: the widest beam of the sentences.
            passes: in their order.
            open_scorer: returns the teacher-forced scorer, or raises a UsageError.
            text: of tokens.
        """
        self._engine = start_engine(beam_size)
        self._start_engine = start_engine
        self._further: dict[_FurtherEngine, Engine] = {}
        self._passes = passes
        self._open_scorer = open_scorer
        self._text = text
        self._tasks: dict[Sentence, _ReviewTask] = {}
        self._meetings: dict[Requirement, dict[Sentence, Meet]] = {}
        self._ready: deque[tuple[_ReviewTask, Callable[[], Asked]]] = deque()
        self._reads: list[_Waiting] = []
        self._steps = 0
        self._ended: list[Sentence] = []
        self._longest_first = True

    @property
    def busy(self) -> bool:
        """True while a step is to be taken."""
        return bool(self._engine.busy or self._further or self._ended or self._reads)

    @property
    def num_waiting(self) -> int:
        """Sentences that were submitted and are not yet in the batch."""
        return sum(engine.num_waiting for engine in self._all)

    @property
    def num_running(self) -> int:
        """Sentences in the batches of all engines."""
        return sum(engine.num_running for engine in self._all)

    @property
    def _all(self) -> tuple[Engine, ...]:
        return (self._engine, *self._further.values())

    def submit(self, sentences: Iterable[Sentence]) -> None:
        """Queue sentences, sorted by length.

        Every other time the longest come first, so that where one lot follows another the batch
        is of one length too. What cannot be decoded comes back from the next step, with its error.
        """
        lot = sorted(sentences, key=lambda s: len(s.tokens), reverse=self._longest_first)
        self._longest_first = not self._longest_first
        for sentence in lot:
            task = self._tasks[sentence] = _ReviewTask(sentence, self._reviewed(sentence))
            self._ready.append((task, partial(next, task.review)))
        self._go_on()

    def cancel(self, sentences: Iterable[Sentence]) -> None:
        """Forget those of the sentences that are here; their places are free at once."""
        unwanted = set(sentences)
        numbers: dict[Engine, list[int]] = {}  # an engine copies its memory once for all of them
        for task in [self._tasks.pop(one) for one in unwanted & self._tasks.keys()]:
            if task.engine:
                numbers.setdefault(task.engine, []).append(task.number)
            if task.sentence.requirement:
                self._meetings.pop(task.sentence.requirement, None)
        for engine, cancelled in numbers.items():
            engine.cancel(*cancelled)
        self._ended = [sentence for sentence in self._ended if sentence not in unwanted]
        self._reads = [read for read in self._reads if read.task.sentence not in unwanted]
        self._rest()

    @property
    def engines(self) -> list[Engine]:
        """Engines of which a step is to be taken."""
        return [engine for engine in self._all if engine.busy]

    def step(self) -> list[Sentence]:
        """Take a step of every engine; returns the sentences that are finished, or have failed.

        Raises:
            ModelError: the network computes nothing but NaN.
        """
        return self.review([answer for engine in self.engines for answer in engine.step()])

    def review(self, answers: Iterable[Finished]) -> list[Sentence]:
        """Go on with the answers of the engines' step.

        Returns:
            Sentences that are finished, or have failed with their errors.
        """
        self._take(answers)
        self._rest()
        self._steps += bool(self._reads)
        self._go_on()
        ended, self._ended = self._ended, []
        return ended

    def _take(self, answers: Iterable[Finished]) -> None:
        for answer in answers:
            task = answer.tag
            task.engine = None
            self._ready.append((task, partial(task.review.send, answer)))

    def _rest(self) -> None:
        for kind in [kind for kind, engine in self._further.items() if not engine.busy]:
            del self._further[kind]

    def _reviewed(self, sentence: Sentence) -> Review:
        """The whole way of a sentence."""
        source = sentence.input
        request = Request(
            source.tokens,
            sentence.options,
            sentence.prefix,
            alternatives=source.prepared is not None,
        )
        result = Result.of((yield from search(request)), source)
        for each in self._passes:
            result = yield from each.review(sentence, result)
        return result

    def _go_on(self) -> None:
        """Resume tasks until all wait for an engine."""
        while self._ready or self._is_to_read:
            if not self._ready:
                self._read()
            while self._ready:
                task, resume = self._ready.popleft()
                if self._tasks.get(task.sentence) is task:  # else it was cancelled
                    self._resume(task, resume)

    def _resume(self, task: _ReviewTask, resume: Callable[[], Asked]) -> None:
        try:
            asked = resume()
        except StopIteration as end:
            self._hand_out(task.sentence, end.value)
            self._ended.append(self._tasks.pop(task.sentence).sentence)
        except Exception as error:
            self._fail(task.sentence, error)
        else:
            self._ask(task, asked)

    def _hand_out(self, sentence: Sentence, result: Result) -> None:
        nothing = [None] * len(result.hypotheses)
        said = [self._text(found.tokens) for found in result.hypotheses]
        texts = [each.text for each in result.restored] if result.restored else said
        told = zip(result.alignments or nothing, result.piece_scores or nothing, strict=True)
        sentence.hypotheses = [
            Hypothesis(text, found.score, *more)
            for text, found, more in zip(texts, result.hypotheses, told, strict=True)
        ]
        sentence.said = said[0]
        sentence.target_ids = [found.tokens for found in result.hypotheses]
        sentence.log_probs = result.hypotheses[0].token_scores
        sentence.signs, sentence.notices = result.signs, result.notices
        sentence.recalled = result.recalled
        reached = sentence.target_tokens == result.max_length
        sentence.limit = result.max_length if reached else None

    def _fail(self, sentence: Sentence, error: Exception) -> None:
        """End a sentence and those that need it."""
        requirement = sentence.requirement
        shared = requirement.sentences if requirement else (sentence,)
        failing = [one for one in shared if one in self._tasks]
        self.cancel(failing)
        for one in failing:
            one.error = error
        self._ended += failing

    def _ask(self, task: _ReviewTask, asked: Asked) -> None:
        if isinstance(asked, Request):
            self._search(task, asked)
        elif isinstance(asked, Meet):
            self._meet(task.sentence, asked)
        else:
            self._steps = self._steps if self._reads else 0
            self._reads.append(_Waiting(task, asked))

    def _search(self, task: _ReviewTask, request: Request) -> None:
        try:
            engine = self._engine_for(task.sentence, request)
            task.number = engine.submit(request, task)
            task.engine = engine
        except Exception as error:
            self._rest()
            self._ready.append((task, partial(task.review.throw, error)))

    def _engine_for(self, sentence: Sentence, request: Request) -> Engine:
        own, widest = sentence.options.beam_size, self._engine.beam_size
        if request.options.beam_size > widest >= own:
            return self._further_engine(_FurtherEngine.WIDER, wider(widest))
        if self._engine.searches and not is_plain(request):
            return self._further_engine(_FurtherEngine.CONSTRAINED, widest)
        return self._engine

    def _further_engine(self, kind: _FurtherEngine, beam_size: int) -> Engine:
        if kind not in self._further:
            self._further[kind] = self._start_engine(beam_size)
        return self._further[kind]

    def _meet(self, sentence: Sentence, asked: Meet) -> None:
        here = self._meetings.setdefault(asked.requirement, {})
        here[sentence] = asked
        if len(here) < len(asked.requirement.sentences):
            return
        del self._meetings[asked.requirement]
        values = [here[each].value for each in asked.requirement.sentences]
        for each in asked.requirement.sentences:
            task = self._tasks[each]
            self._ready.append((task, partial(task.review.send, values)))

    @property
    def _is_to_read(self) -> bool:
        """Return whether there is enough for the scorer, or it would wait in vain."""
        if not self._reads or self._steps >= STAY or self.num_running <= FEW:
            return bool(self._reads)
        return sum(len(read.asked.pairs) for read in self._reads) >= MANY

    def _read(self) -> None:
        reads, self._reads, self._steps = self._reads, [], 0
        for reading in Reading:
            self._read_together(reading, [r for r in reads if r.asked.reading is reading])

    def _read_together(self, reading: Reading, reads: Sequence[_Waiting]) -> None:
        """Read pairs together; where that fails, those of each sentence by themselves."""
        if not reads:
            return
        pairs = [pair for read in reads for pair in read.asked.pairs]
        try:
            scorer = self._open_scorer()
            found = iter(_read(scorer, reading, pairs))
        except Exception as error:
            if len(reads) == 1:
                review = reads[0].task.review
                self._ready.append((reads[0].task, partial(review.throw, error)))
                return
            for read in reads:
                self._read_together(reading, [read])
            return
        for read in reads:
            answer = list(islice(found, len(read.asked.pairs)))
            self._ready.append((read.task, partial(read.task.review.send, answer)))


def _read(scorer: Scorer, reading: Reading, pairs: Sequence[Pair]) -> Sequence[Any]:
    if reading is Reading.ATTENTION:
        return scorer.attend(pairs)
    return scorer.log_probs(pairs) if reading is Reading.LOG_PROBS else scorer.states(pairs)
