"""Text in, text out.

    translator = Translator.load("en-de")
    for translation in translator.translate(lines, target="de"):
        print(translation.text)

A text is cut into sentences, these are translated by the engine, many at a time, and put together
again with the white space that was between them. Texts are read ahead, a bounded number of them, so
that the engine always has work; translations come out in the order of the texts.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tformer.model.config import Calibration
from tformer.model.datastore.layout import Datastore
from tformer.model.engine.engine import Engine, default_budget, pads
from tformer.model.engine.jobs import Job, Text
from tformer.model.engine.queues import Queue
from tformer.model.engine.scheduler import Batch, Scheduler
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.passes.alignment import Aligner
from tformer.model.passes.draft import Draft, Route, Sentence
from tformer.model.passes.preparation import Preparer
from tformer.model.passes.request_terms import Demands
from tformer.model.passes.runner import PassRunner
from tformer.model.passes.sequence import passes_in_order
from tformer.model.passes.term_tokens import Spelling
from tformer.model.pipeline.loading import load_network
from tformer.model.pipeline.scheduler_pool import SchedulerPool
from tformer.model.terms.glossary import Glossary
from tformer.model.text.language_check import found_language, speaks_target
from tformer.model.text.segmentation import Piece, split
from tformer.model.translation import Notice, Translation, WarningKind
from tformer.model.vocabulary.sentencepiece import RECENT, AnyVocabulary

if TYPE_CHECKING:
    from tformer.model.network.interface import Network
    from tformer.model.pipeline.torch_scorer import PlainAligner

WINDOW = 1024
"""Texts that are read before the first of them is answered, at most."""

LONGEST_SOURCE = 120
"""Tokens of a sentence that is translated in one go. Networks learn from sentences; much beyond
their length they skip and repeat."""

IDLE_SECONDS = 1.0
"""Seconds for which engines and their threads are kept for the next call, which need not start them
again; while they are there the model is."""

# A network that spells bytes can spell line breaks, which are the caller's alone to make.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Translator:
    """A model and all that is needed to translate text with it."""

    def __init__(
        self,
        network: Network,
        vocabulary: AnyVocabulary,
        *,
        window: int = WINDOW,
        max_tokens: int | None = None,
        longest_source: int = LONGEST_SOURCE,
        threads: int = 1,
        open_aligner: Callable[[], Aligner] | None = None,
        open_plain: Callable[[], PlainAligner] | None = None,
        calibrations: Iterable[Calibration] = (),
        length_penalty: float | None = None,
        fingerprint: str = "",
    ) -> None:
        """A translator around a network and its vocabulary.

        Args:
            network: what decodes, on the device and in the dtype to use.
            vocabulary: what it was trained with.
            window: texts read ahead, at least 1.
            max_tokens: budget of a batch, see `tformer.model.engine.engine`; None takes what suits
                the network.
            longest_source: a sentence of more tokens is cut at a clause.
            threads: engines side by side, each with a batch of its own; more than one is for
                networks that compute on one core.
            open_aligner: gives, when it is first needed, what alignments and scores of pieces come
                from; None is an aligner by the network itself, which must be `Eager`.
            open_plain: gives an aligner by the network's plain form, where the other one is not.
            calibrations: what the confidence follows from, of directions that have one.
            length_penalty: exponent for options without one; None is that of the paper.
            fingerprint: identity of the weights, for datastores.
        """
        self.fingerprint = fingerprint
        self._datastores: dict[str, Datastore] = {}
        self.network = network
        self._open_aligner = open_aligner
        self._open_plain = open_plain
        self.vocabulary = vocabulary
        self._window = window
        self.threads = threads
        self.length_penalty = length_penalty
        self.calibrations = {(each.source, each.target): each for each in calibrations}
        self.max_tokens = default_budget(network) if max_tokens is None else max_tokens
        # A translation may be longer than its source and needs positions of its own.
        positions = network.config.max_length
        self._demands = Demands(Spelling(vocabulary), positions - 1)
        self._preparer = Preparer(vocabulary)
        self._schedulers = SchedulerPool(partial(self.schedule, idle_seconds=IDLE_SECONDS))
        self.longest_source = min(longest_source, max(1, positions * 2 // 3 - 2))

    @classmethod
    def load(
        cls,
        model: str | Path = "en-de",
        *,
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
        graphs: bool = True,
    ) -> Translator:
        """Load a model that ships with tformer, by name, or any other, by directory.

        Args:
            model: name or directory.
            device: auto, cpu or cuda.
            dtype: auto, int8, float32, bfloat16 or float16; auto is int8 on a CPU that is quick
                with it, else float32; and on a GPU bfloat16 or, where that is missing, float16.
            threads: CPU threads; None is all that the process may use, or torch's own setting
                where torch's threads do the work.
            graphs: whether a GPU gets its steps as CUDA graphs, see docs/cuda.md.

        Raises:
            ModelError: when it is missing or damaged.
            DeviceError: when the device is not there.
            UsageError: when a setting has no such value.
        """
        loaded = load_network(model, device=device, dtype=dtype, threads=threads, graphs=graphs)
        return cls(
            loaded.network,
            loaded.vocabulary,
            threads=loaded.engines,
            open_aligner=loaded.open_aligner,
            open_plain=loaded.open_plain,
            calibrations=loaded.calibrations,
            length_penalty=loaded.length_penalty,
            fingerprint=loaded.fingerprint,
        )

    def add_datastore(self, name: str, datastore: Datastore) -> None:
        """Let options name a datastore.

        Raises:
            UsageError: it was built with another model.
        """
        datastore.check_model(self.fingerprint)
        self._datastores[name] = datastore

    @cached_property
    def aligner(self) -> Aligner:
        """Scorer that alignments and scores of pieces come from.

        Raises:
            UsageError: when the network has no plain form here.
        """
        if self._open_aligner:
            return self._open_aligner()
        from tformer.model.network.eager import Eager
        from tformer.model.pipeline.torch_scorer import PlainAligner

        if isinstance(self.network, Eager):
            return PlainAligner(self.network.transformer, self.vocabulary)
        raise UsageError(
            f"no alignments or scores of pieces from a network in {self.network.dtype}"
        )

    @cached_property
    def plain_aligner(self) -> PlainAligner:
        """An aligner by the network's plain form, to look into.

        Raises:
            UsageError: when the network has no plain form here.
        """
        from tformer.model.pipeline.torch_scorer import PlainAligner

        if self._open_plain:
            return self._open_plain()
        if isinstance(self.aligner, PlainAligner):
            return self.aligner
        raise UsageError(f"a network in {self.network.dtype} cannot be looked into")

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages of the model."""
        return self.vocabulary.languages

    @property
    def source_languages(self) -> tuple[str, ...]:
        """The languages that can be translated from; of our own models, all."""
        return self.vocabulary.source_languages

    @property
    def target_languages(self) -> tuple[str, ...]:
        """The languages that can be translated into; of our own models, all."""
        return self.vocabulary.target_languages

    def translate(
        self,
        texts: Iterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        options: DecodingOptions | None = None,
        glossary: Glossary | None = None,
    ) -> Iterator[Translation]:
        """Translate texts; as many translations come out, in the same order.

        Blank texts, white space around and between sentences, and sentences without a letter or a
        digit are returned as they are. Nothing is cut off: a sentence that is too long is
        translated in parts, and a warning says so. Control characters reach the network as spaces,
        lone surrogates as U+FFFD.

        ``texts`` is read as translations are taken, at most the window ahead. To have every
        translation as soon as possible, call this once for the texts that are at hand.

        Args:
            texts: sentences, lines or paragraphs.
            source: their language; None detects it for each text, unless ``target`` leaves
                only one.
            target: the language to translate into; None is the other one of a model that has two.
            options: how to decode; None is the defaults.
            glossary: what terms of the source must become. `Translation.terms` says what became of
                them, and a warning where one could not be honoured.

        Raises:
            UsageError: at once, when the model does not know a language or the choice is unclear;
                later, when a translation cannot be what the options demand of it.
        """
        route = self.route(source, target)
        options = options or DecodingOptions()
        draft = partial(self.draft, route=route, options=options, glossary=glossary)
        return self._translate(iter(texts), draft, options)

    def route(self, source: str | None, target: str | None) -> Route:
        """From which language to which; None for what is to be found out.

        Raises:
            UsageError: when the model does not know a language or the choice is unclear.
        """
        return Route(self.source_languages, self.target_languages, source, target)

    def draft(
        self,
        text: str,
        route: Route,
        options: DecodingOptions,
        glossary: Glossary | None = None,
    ) -> Draft:
        """Cut a text into sentences and these into tokens, and look for terms in them.

        Raises:
            UsageError: the options demand of the translation what it cannot be.
        """
        options = self.completed(options)
        source, target = route.of(text)
        pieces = split(text, source, length=self._num_tokens, limit=self.longest_source)
        warnings: list[str] = []
        others = self._in_other_languages(pieces, (source, target), route)
        sentences = [
            Sentence(piece, [], options, (source, target))
            if number in others
            else self._sentence(piece, (source, target), options, glossary)
            for number, piece in enumerate(pieces)
        ]
        for language in dict.fromkeys(others.values()):
            already = "already " if language == target else ""
            note = f"is {already}in {language}, not in {source}, and stays as it is"
            warnings.append(Notice(WarningKind.LANGUAGE, note))
        self._demands.put(sentences, options)
        if any(sentence.prepared and sentence.prepared.is_foreign for sentence in sentences):
            note = f"not in {source}: words of another script stay as they are"
            warnings.append(Notice(WarningKind.LANGUAGE, note))
        if num_cuts := sum(piece.cut for piece in pieces):
            limit = f"no sentence may exceed {self.longest_source} tokens"
            warnings.append(Notice(WarningKind.CUT, f"cut in {num_cuts + 1} parts: {limit}"))
        calibration = self.calibrations.get((source, target))
        return Draft(source, target, sentences, warnings, options, calibration)

    def completed(self, options: DecodingOptions) -> DecodingOptions:
        """Options with the model's own length penalty where they have none."""
        if options.length_penalty is not None or self.length_penalty is None:
            return options
        return _with_length_penalty(options, self.length_penalty)

    def start_work(self, beam_size: int) -> PassRunner:
        """Start an idle engine, and all passes, for sentences that come and go in one thread.

        Args:
            beam_size: the widest beam.
        """
        # What the check has read is read by terms, and handed out soon after.
        text = lru_cache(RECENT)(partial(_text, self.vocabulary))
        return PassRunner(
            self._start_engine,
            beam_size,
            passes_in_order(self.vocabulary, self._preparer, text, self._aligner, self._datastores),
            lambda: self.aligner.scorer,
            text,
        )

    def _aligner(self) -> Aligner:
        return self.aligner

    def schedule(
        self,
        beam_size: int,
        *,
        queue: Queue[Any] | None = None,
        start_priority_lane: Callable[[], None] | None = None,
        watch: Callable[[Batch], None] = lambda batch: None,
        name: str = "model",
        idle_seconds: float | None = None,
    ) -> Scheduler[Sentence]:
        """Start all engines of the translator; see `Scheduler` for the arguments.

        The priority lane exists only where engines compute side by side.
        """
        return Scheduler(
            partial(self.start_work, beam_size),
            engines=self.threads,
            beam_size=beam_size,
            max_tokens=self.max_tokens,
            padded=pads(self.network),
            queue=queue,
            start_priority_lane=start_priority_lane if self.threads > 1 else None,
            watch=watch,
            name=name,
            idle_seconds=idle_seconds,
        )

    def _start_engine(self, beam_size: int) -> Engine:
        return Engine(
            self.network,
            beam_size=beam_size,
            max_tokens=self.max_tokens,
            datastores=self._datastores,
        )

    def complete(self, sentences: Sequence[Sentence], beam_size: int) -> None:
        """Decode sentences that belong to no text, on all engines.

        Raises:
            TformerError: with which one of them has failed.
        """
        mailbox = Mailbox()
        with self._schedulers.borrowed(beam_size) as scheduler:
            jobs = [mailbox.job([sentence]) for sentence in sentences]
            scheduler.submit(*jobs, longest_first=True)
            for job in jobs:
                mailbox.wait(job)

    def _translate(
        self, texts: Iterator[str], draft: Callable[[str], Draft], options: DecodingOptions
    ) -> Iterator[Translation]:
        """Keep the engines busy with one half of the window while the other half fills up."""
        mailbox = Mailbox()
        drafts: deque[tuple[Draft, Job[Sentence]]] = deque()
        chunk = max(1, self._window // 2)
        exhausted = False
        longest_first = True
        with self._schedulers.borrowed(options.beam_size) as scheduler:
            while drafts or not exhausted:
                while not exhausted and len(drafts) <= self._window - chunk:
                    new = [
                        (each, mailbox.job(each.waiting, each.shares_state))
                        for each in map(draft, islice(texts, chunk))
                    ]
                    exhausted = len(new) < chunk
                    scheduler.submit(*(job for _, job in new), longest_first=longest_first)
                    longest_first = not longest_first
                    drafts.extend(new)
                if drafts:
                    finished, job = drafts.popleft()
                    mailbox.wait(job)
                    yield finished.translation(options.n_best)

    @staticmethod
    def _in_other_languages(
        pieces: Sequence[Piece], languages: tuple[str, str], route: Route
    ) -> dict[int, str]:
        """The languages of pieces that are not in the source's, by number."""
        source, target = languages
        if route.believes:
            return {
                number: target
                for number, piece in enumerate(pieces)
                if speaks_target(piece.text, source, target)
            }
        found = {
            number: found_language(piece.text, source, target, route.languages)
            for number, piece in enumerate(pieces)
        }
        return {number: language for number, language in found.items() if language != source}

    def _sentence(
        self,
        piece: Piece,
        languages: tuple[str, str],
        options: DecodingOptions,
        glossary: Glossary | None,
    ) -> Sentence:
        """A piece as it is to be read; without tokens if it stays as it is."""
        text = piece.text
        if not any(character.isalnum() for character in text):
            return Sentence(piece, [], options, languages)
        found = glossary.find(text, *languages) if glossary else []
        spared = [span for one in found for span in _places_of(one.term.source, text)]
        prepared = None
        if options.literals:
            prepared = self._preparer.prepare(text, languages, spared=spared)
        if prepared and not prepared.has_words and not found:
            return Sentence(piece, [], options, languages, prepared)
        shown = prepared.shown if prepared else text
        tokens = self.vocabulary.encode(shown, languages[1], languages[0])
        start = self.vocabulary.target_start(languages[1])
        return Sentence(
            piece,
            tokens,
            options,
            languages,
            prepared,
            glossary if found else None,
            spared,
            start,
        )

    def _num_tokens(self, text: str) -> int:
        return len(self.vocabulary.pieces(text))


@lru_cache(maxsize=256)  # to check options takes longer, and most texts have the same
def _with_length_penalty(options: DecodingOptions, exponent: float) -> DecodingOptions:
    return replace(options, length_penalty=exponent)


class Mailbox:
    """Listener for a thread that waits for one job after the other."""

    def __init__(self) -> None:
        self._delivered = threading.Condition()

    def job(self, sentences: Sequence[Sentence], together: bool = False) -> Job[Sentence]:
        """Make the job of one text."""
        return Job([Text(sentences, together)], self)

    def deliver(self, jobs: Sequence[Job[Sentence]]) -> None:
        """Wake the thread."""
        with self._delivered:
            self._delivered.notify_all()

    def wait(self, job: Job[Sentence]) -> None:
        """Wait until a job is closed.

        Raises:
            TformerError: with which it, or its text, has failed.
        """
        with self._delivered:
            self._delivered.wait_for(lambda: job.closed)
        if error := job.error or job.texts[0].error:
            raise error


def _text(vocabulary: AnyVocabulary, tokens: Sequence[int]) -> str:
    return _CONTROL.sub(" ", vocabulary.decode(tokens)).strip()


def _places_of(term: str, text: str) -> list[tuple[int, int]]:
    """Places at which a text has a term, however it is capitalised."""
    return [match.span() for match in re.finditer(re.escape(term), text, re.IGNORECASE)]
