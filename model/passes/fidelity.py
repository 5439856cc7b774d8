"""The pass that makes a translation keep the literals of its source, and not be empty.

A sentence is decoded as it was prepared (`passes.preparation`). If its best hypothesis lacks a
literal and nothing in it can be taken for it, or has one too often, another hypothesis that the
search has finished takes its place, if one is without faults. Else it is decoded again: as it is,
with a wider beam and no repeated n-grams, since many numbers are lost or said twice in a loop; and
with names in the places of these literals, which networks copy as a rule. If both have faults, it
is decoded with other names by a search that requires them. Of what was found the best is taken, of
equals the likeliest. What it still lacks is put in (`passes.restoration`), and a warning says so.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

from tformer.model.errors import UsageError
from tformer.model.literals.finding import Literal
from tformer.model.options import DecodingOptions
from tformer.model.passes import guard
from tformer.model.passes.draft import EncoderInput, Sentence
from tformer.model.passes.interface import Asked, Result, Review, log_probs, search
from tformer.model.passes.preparation import Preparer
from tformer.model.passes.prepared import Prepared, Restored
from tformer.model.passes.term_tokens import Spelling
from tformer.model.search.request import Pair, Request, Term
from tformer.model.text.normalization import normalise
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

FEWEST_PIECES = {"de": 2, "": 4}
"""Pieces of a word that may be a name, by language: in German every noun has a capital, elsewhere
the words of headings and buttons have one."""

LIKELY = 0.5
"""Mean log P a token that a search for all literals may lose; words that were forced into a place
where none fits lose more, and the sentence with them."""

NAME_MARGIN = 0.35
"""Margin, in log P a token, by which the unchanged word of a name may be less likely."""


@dataclass(frozen=True)
class _FidelityAttempt:
    """A search, and what its best hypothesis lacks."""

    result: Result
    lost: Sequence[Literal]
    """Literals that are missing or repeated."""
    num_faults: int


_Attempts: TypeAlias = Sequence[_FidelityAttempt]
_Further: TypeAlias = Generator[Asked, Any, list[_FidelityAttempt]]


class Fidelity:
    """The pass that decodes a sentence again while its best hypothesis lacks literals."""

    def __init__(
        self,
        preparer: Preparer,
        vocabulary: AnyVocabulary,
        text: Callable[[tuple[int, ...]], str],
    ) -> None:
        """A pass for a model.

        Args:
            preparer: that prepared the sentences.
            vocabulary: that of the model.
            text: of tokens.
        """
        self._preparer = preparer
        self._vocabulary = vocabulary
        self._text = text

    @cached_property
    def _spelling(self) -> Spelling:
        return Spelling(self._vocabulary)

    def review(self, sentence: Sentence, result: Result) -> Review:
        """Return the first result without faults, or that with the fewest; see `Pass.review`."""
        if not (sentence.options.literals and sentence.languages):
            return result
        said = self._text(result.hypotheses[0].tokens)
        attempts = [self._examined(sentence, result)]
        if result.input.prepared is None and not attempts[0].num_faults:
            is_name = yield from self._is_name(sentence, result, said)
            return replace(result, is_name=True) if is_name else result
        if attempts[0].num_faults:
            attempts += yield from self._search_wider(sentence, attempts)
            attempts += yield from self._search_names(sentence, attempts)
        if all(attempt.num_faults for attempt in attempts):
            attempts += yield from self._search_requiring(sentence, attempts)
        if len(attempts) == 1:
            return attempts[0].result
        likely = [one for one in attempts if mean_score(one) >= mean_score(attempts[0]) - LIKELY]
        return min(likely, key=lambda each: (each.num_faults, -mean_score(each))).result

    def _examined(self, sentence: Sentence, result: Result) -> _FidelityAttempt:
        """Take the likeliest of the hypotheses with the fewest faults, if one is wanted."""
        attempt = _attempt(sentence, result, self._text(result.hypotheses[0].tokens))
        if not attempt.num_faults or sentence.options.n_best > 1:
            return attempt
        others = (
            _attempt(sentence, replace(result, hypotheses=(other,)), self._text(other.tokens))
            for other in result.alternatives
        )
        return min((attempt, *others), key=lambda each: each.num_faults)

    def _is_name(
        self, sentence: Sentence, result: Result, said: str
    ) -> Generator[Asked, Any, bool]:
        """Return whether one word is about as likely to stay as to become what was said."""
        word = sentence.piece.text
        if not (word.isalpha() and word.istitle()) or said == word or result.input.found:
            return False
        language = sentence.languages[0] if sentence.languages else ""
        copy = tuple(self._vocabulary.encode_target(word)[:-1])
        if len(copy) < FEWEST_PIECES.get(language, FEWEST_PIECES[""]):
            return False
        try:
            pair = Pair(result.input.tokens, copy, result.encoder_states)
            (scores,) = yield from log_probs([pair])
        except UsageError:
            return False
        best = result.hypotheses[0]
        mean = sum(best.token_scores) / max(1, len(best.token_scores))
        return float(scores.mean()) > mean - NAME_MARGIN

    def _search_wider(self, sentence: Sentence, attempts: _Attempts) -> _Further:
        """Search for the same as the guard does; samples are what was asked for."""
        if not guard.is_guarded(sentence.options):
            return []
        first = attempts[0].result
        answer = yield from search(
            Request(
                first.input.tokens,
                guard.retry(_not_empty(sentence.options)),
                sentence.prefix,
                alternatives=True,
                encoder_states=first.encoder_states,
            )
        )
        return [self._examined(sentence, Result.of(answer, first.input))]

    def _search_names(self, sentence: Sentence, attempts: _Attempts) -> _Further:
        """Search with names in the places of what the first attempt lacks."""
        source = self._source(sentence, attempts, attempts[0].lost, 1)
        options = _not_empty(sentence.options)
        answer = yield from search(Request(source.tokens, options, sentence.prefix))
        return [self._examined(sentence, Result.of(answer, source))]

    def _search_requiring(self, sentence: Sentence, attempts: _Attempts) -> _Further:
        """Search with other names in the places of all that was lost, and require these."""
        if sentence.options.sampling:
            return []
        lost = list(dict.fromkeys(one for attempt in attempts for one in attempt.lost))
        source = self._source(sentence, attempts, lost, 2)
        options = _not_empty(sentence.options)
        names = self._names(source, lost, options)
        answer = yield from search(Request(source.tokens, options, sentence.prefix, names))
        if not answer.hypotheses:  # nothing says the names as the options want it
            return []
        return [self._examined(sentence, Result.of(answer, source))]

    def _source(
        self, sentence: Sentence, attempts: _Attempts, lost: Sequence[Literal], names: int
    ) -> EncoderInput:
        """The sentence with names for what was lost; as it was, if there is nothing to name."""
        source = attempts[0].result.input
        prepared = self._prepared(sentence, source, lost, names)
        if prepared is None:
            return source
        tokens = self._vocabulary.encode(prepared.shown, *self._languages(sentence)[::-1])
        return sentence.reading(prepared, tokens)

    def _prepared(
        self, sentence: Sentence, source: EncoderInput, lost: Sequence[Literal], attempt: int
    ) -> Prepared | None:
        carried = [one.literal for one in source.prepared.carried] if source.prepared else []
        return self._preparer.prepare(
            sentence.piece.text,
            self._languages(sentence),
            carry=(*lost, *carried),
            attempt=attempt,
            spared=sentence.spared,
        )

    @staticmethod
    def _languages(sentence: Sentence) -> tuple[str, str]:
        assert sentence.languages is not None
        return sentence.languages

    def _names(
        self, source: EncoderInput, lost: Sequence[Literal], options: DecodingOptions
    ) -> tuple[Term, ...]:
        """The names of lost literals, in tokens."""
        carried = source.prepared.carried if source.prepared else ()
        wanted = [one.carrier for one in carried if one.literal in lost]
        ways = [self._spelling.ways([name], touching=True) for name in wanted]
        fitting = [way for way in ways if way]
        room = options.target_limit(len(source.tokens))
        while fitting and sum(min(map(len, way)) for way in fitting) > room // 2:
            fitting.pop()
        return tuple(fitting)


def _attempt(sentence: Sentence, result: Result, said: str) -> _FidelityAttempt:
    num = is_unreadable(said, sentence.piece.text) + 2 * (not said)
    if result.input.prepared is None:
        return _FidelityAttempt(result, (), num)
    restored = result.input.prepared.restore(said)
    num += len(restored.lost) + len(restored.faults) + len(invented(sentence, restored))
    if len(result.hypotheses) == 1:
        result = replace(result, restored=(restored,))
    return _FidelityAttempt(result, (*restored.lost, *restored.repeated), num)


def invented(sentence: Sentence, restored: Restored) -> tuple[str, ...]:
    """Return the numbers of a translation that are of nobody's making but the network's."""
    options = sentence.options
    others = sentence.glossary or sentence.requirement or sentence.prefix or options.datastore
    return () if others or options.required_terms else restored.invented


def _not_empty(options: DecodingOptions) -> DecodingOptions:
    return replace(options, min_length=max(1, options.min_length))


def mean_score(attempt: _FidelityAttempt) -> float:
    """Mean log P of the tokens of the best hypothesis."""
    scores = attempt.result.hypotheses[0].token_scores
    return sum(scores) / max(1, len(scores))


def is_unreadable(said: str, source: str) -> bool:
    """Return whether a hypothesis has characters that cannot be decoded, and its source none."""
    return "\ufffd" in said and "\ufffd" not in normalise(source)
