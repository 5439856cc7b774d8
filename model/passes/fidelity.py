"""Seeing to it that a translation keeps the literals of its source, and says something.

A sentence is decoded as it was prepared (`passes.preparation`). If its translation lacks a literal
and nothing in it can be taken for it, the sentence is decoded again, with a name in the place of
the literal and by a search that must say that name; and then once more, with other names. Of what
was found the best is taken. What it still lacks is put in, and a warning says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tformer.model.errors import UsageError
from tformer.model.literals.finding import Literal
from tformer.model.literals.kinds import Role
from tformer.model.literals.repairing import LiteralEdit
from tformer.model.literals.rewriting import rewrite
from tformer.model.passes.draft import Sentence
from tformer.model.passes.preparation import CARRIERS, Prepared, Preparer, Restored
from tformer.model.passes.term_tokens import Spelling
from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.search.request import Pair, Request, Term
from tformer.model.text.normalization import normalise
from tformer.model.translation import Hypothesis, Link, Notice, WarningKind
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

if TYPE_CHECKING:
    from tformer.model.passes.alignment import Aligner

Text = Callable[[tuple[int, ...]], str]

ATTEMPTS = len(CARRIERS)
"""How often a sentence is decoded, at most."""

FEWEST_PIECES = {"de": 2, "": 4}
"""Pieces of a word that may be a name, by language: in German every noun has a capital, elsewhere
the words of headings and buttons have one."""

NAME_MARGIN = 0.35
"""How much less likely a token of the unchanged word may be, in log P, for it to be a name."""

UNREADABLE = "an unreadable character was left out"
NOTHING_SAID = "the translation was empty; the source is kept"


@dataclass(frozen=True)
class Attempt:
    """A way in which a sentence was decoded, and what came out."""

    prepared: Prepared | None
    tokens: list[int]
    hypotheses: tuple[FinishedHypothesis, ...]
    max_length: int
    memory: Any
    num_lost: int


class Fidelity:
    """Judges translations by their literals, and says how to decode again."""

    def __init__(
        self,
        preparer: Preparer,
        vocabulary: AnyVocabulary,
        text: Text,
        open_aligner: Callable[[], Aligner],
    ) -> None:
        """For the sentences of one model.

        Args:
            preparer: that prepared them.
            vocabulary: that of the model.
            text: of tokens.
            open_aligner: gives what aligns, or raises a UsageError if nothing does.
        """
        self._preparer = preparer
        self._vocabulary = vocabulary
        self._text = text
        self._open_aligner = open_aligner

    @cached_property
    def _spelling(self) -> Spelling:
        return Spelling(self._vocabulary)

    def again(
        self,
        sentence: Sentence,
        hypotheses: tuple[FinishedHypothesis, ...],
        max_length: int,
        memory: Any,
    ) -> Request | None:
        """A request to decode a sentence again; None if the best is to be taken.

        The sentence is then that of the best attempt, whose answer `best` is.
        """
        if not (sentence.options.literals and sentence.tokens and sentence.languages):
            return None
        said = self._text(hypotheses[0].tokens)
        prepared = sentence.prepared
        readable = "\ufffd" not in said or "\ufffd" in normalise(sentence.piece.text)
        if prepared is None and said and readable and not sentence.attempts:
            sentence.stays = self._is_name(sentence, hypotheses[0], said, memory)
            return None
        lost, num_lost = self._faults(sentence, said)
        attempt = Attempt(prepared, sentence.tokens, hypotheses, max_length, memory, num_lost)
        sentence.attempts.append(attempt)
        if not num_lost or len(sentence.attempts) >= ATTEMPTS:
            self._choose(sentence)
            return None
        return self._next(sentence, lost)

    def _is_name(
        self, sentence: Sentence, best: FinishedHypothesis, said: str, memory: Any
    ) -> bool:
        """Whether a sentence of one word is about as likely to stay as to become what was said."""
        word = sentence.piece.text
        if not (word.isalpha() and word.istitle()) or said == word or sentence.found:
            return False
        language = sentence.languages[0] if sentence.languages else ""
        copy = tuple(self._vocabulary.encode_target(word)[:-1])
        if len(copy) < FEWEST_PIECES.get(language, FEWEST_PIECES[""]):
            return False
        try:
            reader = self._open_aligner().reader
        except UsageError:
            return False
        (log_probs,) = reader.log_probs([Pair(sentence.tokens, copy, memory)])
        mean = sum(best.token_scores) / max(1, len(best.token_scores))
        return float(log_probs.mean()) > mean - NAME_MARGIN

    def best(self, sentence: Sentence) -> Attempt | None:
        """What a sentence was chosen to be; None if it was decoded once, and all was well."""
        return sentence.attempts[-1] if sentence.attempts else None

    def _faults(self, sentence: Sentence, said: str) -> tuple[Sequence[Literal], int]:
        """Literals that a translation lacks, and how much is wrong with it."""
        if sentence.prepared is None:
            unreadable = "\ufffd" in said and "\ufffd" not in normalise(sentence.piece.text)
            return (), 2 * (not said) + unreadable
        restored = sentence.prepared.restore(said)
        unreadable = "\ufffd" in said and "\ufffd" not in normalise(sentence.piece.text)
        num = len(restored.lost) + len(restored.faults) + unreadable + 2 * (not said)
        return restored.lost, num

    def _choose(self, sentence: Sentence) -> None:
        """Make the best attempt the last, and the sentence what it was in it."""
        best = min(sentence.attempts, key=lambda attempt: attempt.num_lost)
        sentence.attempts.remove(best)
        sentence.attempts.append(best)
        sentence.prepared, sentence.tokens = best.prepared, best.tokens

    def _next(self, sentence: Sentence, lost: Sequence[Literal]) -> Request:
        number = len(sentence.attempts)
        assert sentence.languages is not None
        before = [one.literal for one in sentence.prepared.carried] if sentence.prepared else []
        if number > 1 and sentence.prepared:  # what is mended in one place is lost in another
            lost = [one for one in sentence.prepared.literals if one.role is not Role.FLOATING]
        prepared = self._preparer.prepare(
            sentence.piece.text,
            sentence.languages,
            carry=(*lost, *before),
            attempt=number,
            spared=sentence.spared,
        )
        options = replace(sentence.options, min_length=max(1, sentence.options.min_length))
        required: tuple[Term, ...] = ()
        if prepared is not None:
            sentence.prepared = prepared
            sentence.tokens = self._vocabulary.encode(prepared.shown, *sentence.languages[::-1])
            if not options.sampling:
                required = self._names(prepared, lost, options.target_limit(len(sentence.tokens)))
        return Request(sentence.tokens, options, sentence.prefix, required)

    def _names(self, prepared: Prepared, lost: Sequence[Literal], room: int) -> tuple[Term, ...]:
        """The names of lost literals, in tokens."""
        wanted = [one.carrier for one in prepared.carried if one.literal in lost]
        ways = [self._spelling.ways([name], touching=True) for name in wanted]
        fitting = [way for way in ways if way]
        while fitting and sum(min(map(len, way)) for way in fitting) > room // 2:
            fitting.pop()
        return tuple(fitting)

    def hand_out(self, sentence: Sentence, found: Sequence[FinishedHypothesis]) -> None:
        """Give a sentence its hypotheses as people are to read them."""
        sentence.said = [self._text(hypothesis.tokens) for hypothesis in found]
        sentence.hypotheses = []
        sentence.rewritten = []
        sentence.notices = []
        for number, hypothesis in enumerate(found):
            text, restored = self._settled(sentence, hypothesis, sentence.said[number])
            sentence.hypotheses.append(Hypothesis(text, hypothesis.score))
            sentence.rewritten.append(restored.rewritten if restored else None)
            if number == 0:
                sentence.notices += _notices(sentence, restored, text, sentence.said[0])

    def _settled(
        self, sentence: Sentence, hypothesis: FinishedHypothesis, said: str
    ) -> tuple[str, Restored | None]:
        if not sentence.options.literals:
            return said, None
        if sentence.stays or (not said and sentence.tokens):
            return sentence.piece.text, None
        if sentence.prepared is None:
            return _readable(said, sentence.piece.text)
        prepared = sentence.prepared
        restored = prepared.restore(said, lambda: self._links(sentence, hypothesis, said))
        return (prepared.put_in(restored) if restored.lost else restored.text), restored

    def _links(
        self, sentence: Sentence, hypothesis: FinishedHypothesis, said: str
    ) -> Sequence[Link]:
        assert sentence.prepared is not None
        try:
            aligner = self._open_aligner()
        except UsageError:
            return ()
        pair = Pair(sentence.tokens, hypothesis.tokens)
        return aligner.links([(pair, sentence.prepared.shown, said)])[0]


def _readable(said: str, source: str) -> tuple[str, Restored | None]:
    """What the network said, without what cannot be decoded."""
    if "\ufffd" not in said or "\ufffd" in normalise(source):
        return said, None
    places = [match.span() for match in re.finditer("\ufffd+", said)]
    rewritten = rewrite(said, [LiteralEdit(*place, "") for place in places])
    return rewritten.text, Restored(rewritten.text, rewritten)


def _notices(sentence: Sentence, restored: Restored | None, text: str, said: str) -> list[Notice]:
    if not sentence.options.literals:
        return []
    if not said:
        return [Notice(WarningKind.GUARD, NOTHING_SAID)]
    if sentence.stays or restored is None:
        return []
    unreadable = "\ufffd" in said and "\ufffd" not in restored.text
    notes = [Notice(WarningKind.GUARD, UNREADABLE)] if unreadable else []
    notes += [
        Notice(WarningKind.LITERAL, f"{one.text!r} was not said, and was put in")
        for one in restored.lost
    ]
    notes += [Notice(WarningKind.LITERAL, f"the translation {fault}") for fault in restored.faults]
    return notes
