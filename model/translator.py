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
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tformer.model.checkpoint import load_model
from tformer.model.device import choose_device, choose_dtype, set_threads
from tformer.model.directory import find_model
from tformer.model.engine import MAX_TOKENS, Engine, Request
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.sentences import Piece, detect, split
from tformer.model.transformer import Transformer
from tformer.model.vocabulary import Vocabulary

WINDOW = 1024
"""Texts that are read before the first of them is answered, at most."""

LONGEST_SOURCE = 120
"""Tokens of a sentence that is translated in one go. Networks learn from sentences; much beyond
their length they skip and repeat."""

# A network that spells bytes can spell line breaks, which are the caller's alone to make.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True)
class Hypothesis:
    """One possible translation of a text."""

    text: str
    score: float
    """log P / lp as in `DecodingOptions.length_penalty`, summed over the sentences of the text;
    0 for what was not translated."""


@dataclass(frozen=True)
class Translation:
    """What became of one text."""

    text: str
    """The best hypothesis. It has a line break only where the source has one."""
    source_language: str
    target_language: str
    hypotheses: tuple[Hypothesis, ...]
    """At most ``n_best``, the best first. Those of a text of many sentences are the best
    combinations of the sentences' own."""
    warnings: tuple[str, ...] = ()
    """What the reader of this translation should know, a sentence each."""


class Translator:
    """A model and all that is needed to translate text with it."""

    def __init__(
        self,
        transformer: Transformer,
        vocabulary: Vocabulary,
        *,
        window: int = WINDOW,
        max_tokens: int = MAX_TOKENS,
        longest_source: int = LONGEST_SOURCE,
    ) -> None:
        """A translator around a network and its vocabulary.

        Args:
            transformer: the network, on the device and in the dtype to use.
            vocabulary: what it was trained with.
            window: texts read ahead, at least 1.
            max_tokens: budget of a batch, see `tformer.model.engine`.
            longest_source: a sentence of more tokens is cut at a clause.
        """
        self.transformer = transformer
        self.vocabulary = vocabulary
        self._window = window
        self._max_tokens = max_tokens
        # A translation may be longer than its source and needs positions of its own.
        positions = transformer.config.max_length
        self._longest_source = min(longest_source, max(1, positions * 2 // 3 - 2))

    @classmethod
    def load(
        cls,
        model: str | Path = "en-de",
        *,
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
    ) -> Translator:
        """Load a model that ships with tformer, by name, or any other, by directory.

        Args:
            model: name or directory.
            device: auto, cpu or cuda.
            dtype: auto, float32, bfloat16 or float16.
            threads: CPU threads; None leaves torch's setting.

        Raises:
            ModelError: when it is missing or damaged.
            DeviceError: when the device is not there.
            UsageError: when a setting has no such value.
        """
        if threads is not None:
            set_threads(threads)
        place = choose_device(device)
        transformer, vocabulary, _ = load_model(
            find_model(model), place, choose_dtype(dtype, place)
        )
        return cls(transformer, vocabulary)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that can be translated into, and from."""
        return self.vocabulary.languages

    def translate(
        self,
        texts: Iterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        options: DecodingOptions | None = None,
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

        Raises:
            UsageError: at once, when the model does not know a language or the choice is unclear.
        """
        route = _Route(self.languages, source, target)
        return self._translate(iter(texts), route, options or DecodingOptions())

    def _translate(
        self, texts: Iterator[str], route: _Route, options: DecodingOptions
    ) -> Iterator[Translation]:
        """Keep the engine busy with one half of the window while the other half fills up."""
        engine = Engine(self.transformer, beam_size=options.beam_size, max_tokens=self._max_tokens)
        work = _Work(engine, self.vocabulary, options)
        drafts: deque[_Draft] = deque()
        chunk = max(1, self._window // 2)
        exhausted = False
        while drafts or not exhausted:
            while not exhausted and len(drafts) <= self._window - chunk:
                new = [self._draft(text, route) for text in islice(texts, chunk)]
                exhausted = len(new) < chunk
                work.submit(sentence for draft in new for sentence in draft.sentences)
                drafts.extend(new)
            while drafts and drafts[0].complete:
                yield drafts.popleft().translation(options.n_best)
            work.step()

    def _draft(self, text: str, route: _Route) -> _Draft:
        """Cut a text into sentences and these into tokens."""
        source, target = route.of(text)
        pieces = split(text, source, length=self._num_tokens, limit=self._longest_source)
        sentences = [_Sentence(piece, self._tokens(piece, target)) for piece in pieces]
        warnings = []
        if num_cuts := sum(piece.cut for piece in pieces):
            warnings.append(
                f"cut in {num_cuts + 1} parts: no sentence may exceed {self._longest_source} tokens"
            )
        return _Draft(source, target, sentences, warnings)

    def _tokens(self, piece: Piece, target: str) -> list[int]:
        """What the encoder reads; nothing for a piece that stays as it is."""
        if not any(character.isalnum() for character in piece.text):
            return []
        return self.vocabulary.encode(piece.text, target)

    def _num_tokens(self, text: str) -> int:
        return len(self.vocabulary.pieces(text))


class _Route:
    """From which language to which, for every text of one call."""

    def __init__(self, languages: Sequence[str], source: str | None, target: str | None) -> None:
        known = ", ".join(languages)
        for language in (source, target):
            if language is not None and language not in languages:
                raise UsageError(f"language {language!r} is unknown to this model: it has {known}")
        if source is not None and source == target:
            raise UsageError(f"source and target are the same language, {source!r}")
        if target is None and len(languages) != 2:
            raise UsageError(f"name the target language: this model has {known}")
        self._languages = languages
        self._sources = [source] if source else [code for code in languages if code != target]
        self._target = target

    def of(self, text: str) -> tuple[str, str]:
        """Source and target language of one text."""
        source = self._sources[0]
        if len(self._sources) > 1:
            source = detect(text, self._sources).language
        return source, self._target or next(code for code in self._languages if code != source)


@dataclass
class _Sentence:
    """A piece of a text, and what it can be translated to once that is known."""

    piece: Piece
    tokens: list[int]
    hypotheses: list[Hypothesis] = field(default_factory=list)
    """The best first; empty as long as the engine works on it."""
    warning: str | None = None

    def __post_init__(self) -> None:
        if not self.tokens:
            self.hypotheses = [Hypothesis(self.piece.text, 0.0)]


@dataclass
class _Draft:
    """A text on its way to its translation."""

    source_language: str
    target_language: str
    sentences: list[_Sentence]
    warnings: list[str]

    @property
    def complete(self) -> bool:
        """Whether every sentence has been translated."""
        return all(sentence.hypotheses for sentence in self.sentences)

    def translation(self, n_best: int) -> Translation:
        """The sentences put together; they must be complete."""
        best = [Hypothesis("", 0.0)]
        for sentence in self.sentences:
            longer = [
                Hypothesis(
                    start.text + end.text + sentence.piece.separator, start.score + end.score
                )
                for start in best
                for end in sentence.hypotheses
            ]
            best = sorted(longer, key=lambda hypothesis: -hypothesis.score)[:n_best]
        warnings = self.warnings + [s.warning for s in self.sentences if s.warning]
        return Translation(
            text=best[0].text,
            source_language=self.source_language,
            target_language=self.target_language,
            hypotheses=tuple(best),
            warnings=tuple(warnings),
        )


class _Work:
    """The sentences that an engine works on, by the numbers that it gave them."""

    def __init__(self, engine: Engine, vocabulary: Vocabulary, options: DecodingOptions) -> None:
        self._engine = engine
        self._vocabulary = vocabulary
        self._options = options
        self._sentences: dict[int, _Sentence] = {}
        self._longest_first = True

    def submit(self, sentences: Iterable[_Sentence]) -> None:
        """Queue what is to be translated, sorted by length.

        Every other time the longest come first, so that where one lot follows another the batch
        is of one length too.
        """
        waiting = [sentence for sentence in sentences if sentence.tokens]
        waiting.sort(key=lambda sentence: len(sentence.tokens), reverse=self._longest_first)
        self._longest_first = not self._longest_first
        for sentence in waiting:
            number = self._engine.submit(Request(sentence.tokens, self._options))
            self._sentences[number] = sentence

    def step(self) -> None:
        """Let the engine take a step, and hand out what it has finished."""
        for finished in self._engine.step():
            sentence = self._sentences.pop(finished.number)
            sentence.hypotheses = [
                Hypothesis(self._text(found.tokens), found.score) for found in finished.hypotheses
            ]
            if len(finished.hypotheses[0].tokens) == finished.max_length:
                sentence.warning = (
                    f"a translation reached its limit of {finished.max_length} tokens and may be "
                    "incomplete"
                )

    def _text(self, tokens: Sequence[int]) -> str:
        return _CONTROL.sub(" ", self._vocabulary.decode(tokens)).strip()
