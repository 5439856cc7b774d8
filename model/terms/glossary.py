"""A glossary: what terms of a source text must become. No torch here.

    glossary = Glossary([Entry("steam turbine", "Dampfturbine", "en", "de")])
    for found in glossary.find("Two steam turbines and a steam turbine.", "en", "de"):
        is_said(found.term, translation)

**Where a term is found.** In normalised text (`text.normalization`), as whole words: a
letter, digit or mark of its own script may not touch it, but in scripts that do without spaces
anything may. A term in small letters is found however it is capitalised; one with a capital only
as it is written, so that "US" is not found in "us". Where terms overlap, the longest counts, and of
two of the same length the first. Nothing is inflected: every form is an entry of its own.

**What it must become.** Entries of the same source are alternatives, of which one must be said:
as whole words, as written, but for a first letter that may become a capital.

Thousands of terms are looked for at once, by an Aho-Corasick automaton: the time that a text takes
hardly grows with the glossary.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ahocorasick_rs import AhoCorasick

from tformer.model.text.normalization import normalise, same_language
from tformer.model.text.scripts import UNSPACED
from tformer.model.translation import Notice, TermUse, WarningKind

AT_ONCE = 4096
"""Terms of one automaton. The making of one stops every thread of Python, a server's too: for so
many, some tens of milliseconds; for 100,000 it would be a second."""


@dataclass(frozen=True)
class Entry:
    """One line of a glossary."""

    source: str
    target: str
    source_language: str | None = None
    """BCP-47; None for whatever is translated from."""
    target_language: str | None = None
    """BCP-47; None for whatever is translated into."""
    note: str = ""
    """For people."""

    def serves(self, source: str, target: str) -> bool:
        """Return whether it applies to a language pair."""
        ours = (self.source_language, self.target_language)
        return all(
            own is None or same_language(own, other)
            for own, other in zip(ours, (source, target), strict=True)
        )


@dataclass(frozen=True)
class Term:
    """Source phrase and its possible translations."""

    source: str
    targets: tuple[str, ...]
    """Translations, at least one; the first is the one to name."""


@dataclass(frozen=True)
class Found:
    """A term in a text."""

    term: Term
    start: int
    """The first of its characters, in the normalised text."""
    end: int
    """Behind the last of its characters."""
    touches: bool = False
    """True if something other than a space stands directly before it, such as a bracket."""


class Glossary:
    """Terms of any number of language pairs."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """A glossary of entries; those that are there twice count once."""
        self._entries = tuple(dict.fromkeys(entries))
        self._matchers: dict[tuple[str, str], _Matcher] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Entries of the glossary, each once."""
        return self._entries

    def find(self, text: str, source: str, target: str) -> list[Found]:
        """The terms of a text in its order, of which no two overlap.

        Args:
            text: in the source language.
            source: its language.
            target: the language that it is translated into.
        """
        return _without_overlaps(self.find_all(normalise(text), source, target))

    def find_all(self, text: str, source: str, target: str) -> list[Found]:
        """The terms of a normalised text, also those that overlap, in no order."""
        return list(self._matcher(source, target).find_all(text))

    def covers(self, source: str, target: str) -> bool:
        """Return whether it has terms for a language pair."""
        return bool(self._matcher(source, target))

    def _matcher(self, source: str, target: str) -> _Matcher:
        pair = source, target
        if pair not in self._matchers:
            self._matchers[pair] = _Matcher(e for e in self._entries if e.serves(*pair))
        return self._matchers[pair]


class JoinedGlossary(Glossary):
    """A glossary and a few terms besides, for which it is not searched through again."""

    def __init__(self, first: Glossary, second: Glossary) -> None:
        """Both; entries of the same source in either are alternatives, those of the first first."""
        self._parts = first, second

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Entries of the glossary, each once."""
        return tuple(dict.fromkeys(entry for part in self._parts for entry in part.entries))

    def find_all(self, text: str, source: str, target: str) -> list[Found]:
        """The terms of a normalised text, also those that overlap, in no order."""
        first, second = (part.find_all(text, source, target) for part in self._parts)
        places = {(found.start, found.end): found for found in first}
        for found in second:
            place = found.start, found.end
            places[place] = _both(places[place], found) if place in places else found
        return list(places.values())

    def covers(self, source: str, target: str) -> bool:
        """Return whether it has terms for a language pair."""
        return any(part.covers(source, target) for part in self._parts)


def _both(one: Found, other: Found) -> Found:
    """Two findings in one place; where one is written in another way, the first."""
    if one.term.source != other.term.source:
        return one
    targets = tuple(dict.fromkeys((*one.term.targets, *other.term.targets)))
    term = Term(one.term.source, targets)
    return replace(one, term=term)


def is_said(term: Term, text: str) -> bool:
    """Return whether a translation contains one of a term's translations."""
    text = normalise(text)
    return any(_has_phrase(text, way) for target in term.targets for way in capitalisations(target))


def num_said(terms: Iterable[Term], text: str) -> int:
    """Number of terms that a translation contains; one that is there twice counts twice."""
    text = normalise(text)
    return sum(min(times, _times_said(term, text)) for term, times in Counter(terms).items())


def _times_said(term: Term, text: str) -> int:
    places = {
        place
        for target in term.targets
        for way in capitalisations(target)
        for place in _places(text, way)
    }
    return len(places)


def capitalisations(target: str) -> tuple[str, ...]:
    """A phrase as it may be written: at the beginning of a sentence with a capital."""
    capital = target[0].upper() + target[1:]
    return (target,) if capital == target else (target, capital)


def uses_of(terms: Iterable[Term], text: str) -> tuple[TermUse, ...]:
    """Use of terms in a translation, each once."""
    text = normalise(text)
    return tuple(
        TermUse(term.source, term.targets[0], _times_said(term, text) >= times)
        for term, times in Counter(terms).items()
    )


def warnings_about(uses: Iterable[TermUse]) -> list[Notice]:
    """A warning for every term that a translation does not say."""
    return [
        Notice(
            WarningKind.TERM,
            f"the glossary term {use.source!r} → {use.target!r} was not honoured",
        )
        for use in uses
        if not use.honoured
    ]


def _without_overlaps(terms: Iterable[Found]) -> list[Found]:
    """Select terms of one text, in its order: the longest, of equals the first."""
    found = sorted(terms, key=lambda f: (f.start - f.end, f.start))
    taken = bytearray(max((one.end for one in found), default=0))
    chosen = []
    for one in found:
        if not any(taken[one.start : one.end]):
            taken[one.start : one.end] = b"\1" * (one.end - one.start)
            chosen.append(one)
    return sorted(chosen, key=lambda f: f.start)


class _Matcher:
    """The terms of one language pair."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._terms: dict[str, list[Term]] = {}
        for term in _terms(entries):
            self._terms.setdefault(_fold(term.source), []).append(term)
        self._patterns = list(self._terms)
        self._automata = {
            start: AhoCorasick(self._patterns[start : start + AT_ONCE], store_patterns=False)
            for start in range(0, len(self._patterns), AT_ONCE)
        }

    def __len__(self) -> int:
        return len(self._patterns)

    def find_all(self, text: str) -> Iterator[Found]:
        folded = _fold(text)
        for first, automaton in self._automata.items():
            for number, start, end in automaton.find_matches_as_indexes(folded, overlapping=True):
                term = self._as_written(self._patterns[first + number], text[start:end])
                if term is not None and _is_whole(text, start, end):
                    yield Found(term, start, end, start > 0 and text[start - 1] != " ")

    def _as_written(self, pattern: str, written: str) -> Term | None:
        terms = self._terms[pattern]
        small = (term for term in terms if term.source == pattern)
        return next((term for term in terms if term.source == written), next(small, None))


def _terms(entries: Iterable[Entry]) -> Iterator[Term]:
    """One term for all entries of the same source."""
    by_source: dict[str, list[Entry]] = {}
    for entry in entries:
        by_source.setdefault(normalise(entry.source), []).append(entry)
    for source, same in by_source.items():
        targets = dict.fromkeys(filter(None, (normalise(entry.target) for entry in same)))
        if source and targets:
            yield Term(source, tuple(targets))


def _fold(text: str) -> str:
    """Small letters, each where its capital was."""
    small = text.lower()
    if len(small) == len(text):
        return small
    return "".join(c if len(c.lower()) != 1 else c.lower() for c in text)


_WITHOUT_SPACES = re.compile(f"[{UNSPACED}]")


def _is_whole(text: str, start: int, end: int) -> bool:
    """Return whether neither end of text[start:end] is within a word."""
    return not (_within_word(text, start) or _within_word(text, end))


def _within_word(text: str, at: int) -> bool:
    if not 0 < at < len(text):
        return False
    around = text[at - 1 : at + 1]
    return all(map(_is_of_word, around)) and not _WITHOUT_SPACES.search(around)


def _is_of_word(character: str) -> bool:
    return character == "_" or unicodedata.category(character)[0] in "LNM"


def _has_phrase(text: str, phrase: str) -> bool:
    return next(_places(text, phrase), None) is not None


def _places(text: str, phrase: str) -> Iterator[int]:
    """Offsets of a phrase in a text, as whole words."""
    start = text.find(phrase)
    while start >= 0:
        if _is_whole(text, start, start + len(phrase)):
            yield start
        start = text.find(phrase, start + 1)
