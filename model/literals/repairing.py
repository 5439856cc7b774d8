"""Wrong numbers of a translation, replaced by the right ones. No torch here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from tformer.model.literals.finding import Literal
from tformer.model.literals.renderings import localised
from tformer.model.literals.verifying import Verdict
from tformer.model.translation import Span

_LETTERS_BEFORE = re.compile(r"[A-Za-z]+[-/]?")
_LETTERS_BEHIND = re.compile(r"[A-Za-z]+$")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+|\d{1,3}(?:\.\d{3})+")

ALIKE = 0.5
"""Share of its characters that a wrong number has in common with the right one, at least."""


@dataclass(frozen=True)
class LiteralEdit:
    """A place of a text, and what it is to say."""

    start: int
    end: int
    text: str


def edits_for(
    verdict: Verdict, target: str, languages: tuple[str, str]
) -> list[LiteralEdit] | None:
    """Edits that make a translation contain its literals; None where that is not certain.

    A wrong number is one that is no literal's and has most of its digits; each is the only one for
    its literal, and they are in the same order.
    """
    missing = sorted(verdict.missing, key=lambda one: one.start)
    surplus = _likely(missing, verdict.surplus, target)
    if surplus is None or not _in_order(verdict, missing, surplus):
        return None
    return [
        LiteralEdit(*_with_letters(literal.text, span, target), localised(literal, *languages))
        for literal, span in zip(missing, surplus, strict=True)
    ]


def _with_letters(literal: str, span: Span, target: str) -> Span:
    """Place of a wrong number and of the letters of a code around it: B3 for B33."""
    before, behind = _LETTERS_BEFORE.match(literal), _LETTERS_BEHIND.search(literal)
    start, end = span
    said = target[:start].rstrip("- ") if before else ""
    if before and said.lower().endswith(before[0].rstrip("-/").lower()):
        start = len(said) - len(before[0].rstrip("-/"))
    if behind and target[end:].lower().startswith(behind[0].lower()):
        end += len(behind[0])
    return start, end


def _likely(missing: Sequence[Literal], surplus: Sequence[Span], target: str) -> list[Span] | None:
    """The wrong numbers that stand for missing literals, in their order."""
    chosen: list[Span] = []
    for literal in missing:
        alike = [span for span in surplus if likeness(literal.text, target[slice(*span)]) >= ALIKE]
        if len(alike) != 1 or alike[0] in chosen or (chosen and alike[0] < chosen[-1]):
            return None
        chosen.append(alike[0])
    return chosen


def _in_order(verdict: Verdict, missing: Sequence[Literal], spans: Sequence[Span]) -> bool:
    """Return whether all literals would be in the order of the source."""
    everything = [*verdict.places, *zip(missing, spans, strict=True)]
    everything.sort(key=lambda pair: pair[0].start)
    places = [span for _, span in everything]
    return places == sorted(places)


def respelled(verdict: Verdict, target: str, languages: tuple[str, str]) -> list[LiteralEdit]:
    """Edits that give words with digits their letters back (Mpeg4 is mpeg4), and thousands the mark
    of the target language: to a German 22,900 is less than 23."""
    edits = []
    for literal, span in verdict.places:
        said = target[slice(*span)]
        if _THOUSANDS.fullmatch(said) and said == literal.text:
            edits.append(LiteralEdit(*span, localised(literal, *languages)))
        elif said != literal.text and said.lower() == literal.text.lower():
            edits.append(LiteralEdit(*span, literal.text))
    return edits


def likeness(one: str, other: str) -> float:
    """Share of digits that two numbers have in common, 0 to 1."""
    first, second = (tuple(filter(str.isdigit, text)) for text in (one, other))
    if not first or not second:
        return 0.0
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def apply(edits: Sequence[LiteralEdit], text: str) -> str:
    """A text with edits made, which do not overlap."""
    for edit in sorted(edits, key=lambda one: one.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text
