"""Target prefix and required terms of one request.

Both are text; here they become tokens, and it is found out what cannot be met. No torch here.
"""

from __future__ import annotations

from collections.abc import Sequence

from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.passes.draft import Requirement, Sentence
from tformer.model.passes.term_tokens import Spelling
from tformer.model.terms.glossary import Term, capitalisations
from tformer.model.text.normalization import normalise


class Demands:
    """Tells the sentences of a text what `DecodingOptions` demand of its translation."""

    def __init__(self, spelling: Spelling, longest_target: int) -> None:
        """In the tokens of ``spelling``, of which a sentence has at most ``longest_target``."""
        self._spelling = spelling
        self._longest_target = longest_target

    def put(self, sentences: Sequence[Sentence], options: DecodingOptions) -> None:
        """Tell the sentences of a text; those that stay as they are are not concerned.

        Raises:
            UsageError: the vocabulary cannot spell it, or it is longer than the translation may be.
        """
        translated = [sentence for sentence in sentences if sentence.tokens]
        if not translated:
            return
        if prefix := normalise(options.target_prefix):
            translated[0].prefix += self._spelt(prefix, "target prefix")
        self._require(translated, options.required_terms)

    def _require(self, sentences: Sequence[Sentence], wanted: Sequence[str]) -> None:
        terms = tuple(Term(text, (normalise(text),)) for text in wanted)
        if blank := next((term for term in terms if not term.targets[0]), None):
            raise UsageError(f"the required term {blank.source!r} has no character that is text")
        least = sum(map(self._fewest_tokens, terms))
        room = [self._limit(sentence) - len(sentence.prefix) for sentence in sentences]
        if room[0] < 0 or max(room) < least:
            text, limit = sentences[0].piece.text, self._limit(sentences[0])
            raise UsageError(
                f"target prefix and required terms take {len(sentences[0].prefix) + least} tokens, "
                f"and the translation of {_beginning(text)!r} may have {limit}: raise max_length"
            )
        if terms:
            requirement = Requirement(terms, sentences)
            for sentence in sentences:
                sentence.requirement = requirement

    def _fewest_tokens(self, term: Term) -> int:
        return min(
            len(self._spelt(way, "required term")) for way in capitalisations(term.targets[0])
        )

    def _limit(self, sentence: Sentence) -> int:
        limit = sentence.options.target_limit(len(sentence.tokens))
        return min(limit, self._longest_target)

    def _spelt(self, phrase: str, name: str) -> tuple[int, ...]:
        if tokens := self._spelling.phrase(phrase):
            return tokens
        raise UsageError(f"the vocabulary of the model cannot spell the {name} {phrase!r}")


def _beginning(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:29]}…"
