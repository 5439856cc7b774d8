"""A sentence as the network is to read it, and its translation as people are to.

    prepared = preparer.prepare("VISIT HTTPS://EXAMPLE.COM \\U0001f44b", ("en", "de"))
    prepared.shown                      # "Visit XA"
    prepared.restore("Besuch XA", ...)  # "BESUCH HTTPS://EXAMPLE.COM \\U0001f44b"

Literals that networks seldom spell right are shown as short names, which they copy; emoji, tags and
signs are taken out; text in capitals is shown in small letters; and what the vocabulary cannot say
is shown in its nearest form. `restore` undoes all of that and verifies numbers and amounts. A text
in which there is nothing of the kind is not prepared, and costs no more than looking at it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from tformer.model.literals.characters import Characters
from tformer.model.literals.dealing import deal
from tformer.model.literals.finding import Literal, find
from tformer.model.literals.repairing import LiteralEdit
from tformer.model.literals.rewriting import rewrite
from tformer.model.passes.prepared import UNIT_WORDS, Carried, Floating, Prepared, blanked, overlaps
from tformer.model.text.casing import Casing, Truecaser
from tformer.model.translation import Span
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

CARRIERS = (
    tuple(f"X{letter}" for letter in "ABCDEFGHJKLMNPQRSTUVWYZ"),
    tuple(f"[{number}]" for number in range(1, 24)),
    tuple(f"{{{number}}}" for number in range(1, 24)),
)
"""Names that stand for literals, of which each attempt takes its own."""

_UNIT = re.compile(r"(?<=\d)[ \u00a0]?([^\W\d_]{1,4})(?:/h|/s)?(?!\w)")
_BULLET = re.compile(r"(?:[-*+\u2022\u00b7\u25aa\u25ba\u2713\u2013\u2014>]|\d{1,3}\))\s+(?=\S)")


class Preparer:
    """Prepares sentences for a vocabulary."""

    def __init__(self, vocabulary: AnyVocabulary) -> None:
        """Prepare for ``vocabulary``."""
        self._characters = Characters(vocabulary.pieces, vocabulary.source_tokens)
        self._truecaser = Truecaser(vocabulary.pieces)

    def prepare(
        self,
        text: str,
        languages: tuple[str, str],
        *,
        carry: Sequence[Literal] = (),
        attempt: int = 0,
        spared: Sequence[Span] = (),
    ) -> Prepared | None:
        """A sentence as it is to be read; None if there is nothing to do for it.

        Args:
            text: the sentence.
            languages: from which to which.
            carry: literals that are shown as names, though their kind is only checked.
            attempt: which names to take.
            spared: places in which nothing is a literal, such as terms of a glossary.
        """
        literals = find(text)
        plain = self._characters.are_plain(text)
        casing = self._truecaser.casing_of(_without_units(text, literals) if literals else text)
        if not literals and plain and casing is Casing.USUAL and len(text) > 1:
            return None
        if not plain:
            literals = _merged(literals, self._characters.literals_in(text, languages))
            if casing is not Casing.CAPITALS:
                literals = _merged(literals, self._characters.names_in(text))
        literals = [one for one in literals if not any(_meet(one, span) for span in spared)]
        return self._laid_out(text, languages, literals, casing, carry, attempt)

    def _laid_out(
        self,
        text: str,
        languages: tuple[str, str],
        literals: Sequence[Literal],
        casing: Casing,
        carry: Sequence[Literal],
        attempt: int,
    ) -> Prepared:
        names = [name for name in CARRIERS[attempt % len(CARRIERS)] if name not in text]
        dealt = deal(text, literals, carry, len(names))
        carried = [Carried(*each) for each in zip(names, dealt.carried, strict=False)]
        edits = [LiteralEdit(c.literal.start, c.literal.end, c.carrier) for c in carried]
        edits += [self._gap(text, one) for one in dealt.floating]
        edits += [LiteralEdit(one.start, one.end, one.text) for one in dealt.checked]
        usual = self._truecaser.usual(text, casing, languages[0])
        if casing is Casing.CAPITALS and languages[0].startswith("de"):
            spelled = [LiteralEdit(*place) for place in self._truecaser.with_eszett(text)]
            edits += [edit for edit in spelled if not overlaps(edit, edits)]
        folded: list[tuple[str, str]] = []
        rewritten = rewrite(usual, edits, lambda part: self._folded(part, folded))
        shown = rewritten.text
        floating = tuple(
            Floating(
                one.text,
                rewritten.after((one.start, one.start))[0],
                one.start > 0 and text[one.start - 1].isspace(),
                one.end < len(text) and text[one.end].isspace(),
            )
            for one in dealt.floating
        )
        return Prepared(
            text, shown, languages, rewritten, tuple(literals), tuple(carried), floating,
            tuple(dealt.checked), tuple(folded), tuple(dealt.accented), casing,
        )  # fmt: skip

    @staticmethod
    def _gap(text: str, one: Literal) -> LiteralEdit:
        """The place of what is taken out, with one of the two spaces around it."""
        behind = text[one.end : one.end + 1]
        spaced = one.start > 0 and text[one.start - 1].isspace()
        swallows = spaced and (not behind or behind.isspace() or behind in ".,;:!?")
        return LiteralEdit(one.start - swallows, one.end, "")

    def _folded(self, part: str, folded: list[tuple[str, str]]) -> str:
        if self._characters.are_plain(part):
            return part
        part = unicodedata.normalize("NFC", part)

        def shown(match: re.Match[str]) -> str:
            word = match[0]
            new = "".join(self._characters.shown(c) or "" for c in word)
            if new != word and any(c.isalpha() and c > "\u00bf" for c in word):
                folded.append((new, word))
            return new

        part = re.sub(r"[^\w\s]|_", lambda sign: self._characters.shown(sign[0]) or "", part)
        return re.sub(r"\w+", shown, part.replace("\u3000", " "))


def _merged(ours: Sequence[Literal], others: Sequence[Literal]) -> list[Literal]:
    """Literals of two lists that do not overlap, those of the first before those of the second."""
    free = [
        other
        for other in others
        if all(other.end <= one.start or one.end <= other.start for one in ours)
    ]
    return sorted((*ours, *free), key=lambda one: one.start)


def _meet(literal: Literal, span: Span) -> bool:
    return literal.start < span[1] and span[0] < literal.end


def _without_units(text: str, literals: Sequence[Literal]) -> str:
    """A text without its literals and the units behind numbers, which have their own capitals."""
    units = [
        LiteralEdit(*match.span(), "")
        for match in _UNIT.finditer(text)
        if match[1].lower() in UNIT_WORDS
    ]
    return blanked(text, [*literals, *units])
