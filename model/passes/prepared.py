"""A prepared sentence, and how the translation of what was shown is made one of the sentence.

Names become the literals that they stand for, what was taken out is put back, capitals return, and
numbers and amounts are verified."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tformer.model.literals.finding import FOREIGN, Literal
from tformer.model.literals.renderings import CURRENCIES, UNITS, localised
from tformer.model.literals.repairing import LiteralEdit, apply, edits_for, respelled
from tformer.model.literals.rewriting import Rewritten, rewrite
from tformer.model.literals.verifying import (
    Verdict,
    invented_numbers,
    missing_measures,
    missing_units,
    numbers_without_units,
    signs_of,
    verify,
    wrong_currency,
)
from tformer.model.text.casing import Casing
from tformer.model.text.normalization import normalise
from tformer.model.translation import Link, Span

UNIT_WORDS = frozenset(
    """
    km m dm cm mm nm kg g mg t l ml cl hl kb mb gb tb kib mib gib bit hz khz mhz ghz v kv w kw mw
    gw kwh mwh gwh a ma ah mah wh c f k h min s ms pa hpa kpa bar n nm j kj kcal cal db px pt em
    rem dpi eur usd gbp chf jpy x uhr am pm z utc
    """.split()  # noqa: SIM905
)


_WORD = re.compile(r"[^\W\d_]+")


_MIXED_WORD = re.compile(r"[^\W_]+")


_SCALE = re.compile(r"[ \u00a0](?:Mio\.|Mrd\.|Millionen?|Milliarden?|Tausend)(?!\w)")


_AMOUNT_BEHIND = re.compile(r"[ \u00a0]?[%\u20ac$\u00a3]|[ \u00a0-][a-z\u00e4\u00f6\u00fc]")


_NAME_BEFORE = re.compile(r"(?:[A-Z][\w-]*|\b(?:version|section|chapter|release|figure|step)) $")


_MARKS_BEHIND = re.compile(r"[.,;:!?\u2026]+$")


_NOTHING = Verdict((), (), ())


@dataclass(frozen=True)
class Carried:
    """A literal and the name that stands for it."""

    carrier: str
    literal: Literal


@dataclass(frozen=True)
class Floating:
    """Something that was taken out."""

    text: str
    at: int
    """Its place in the text that is shown."""
    space_before: bool
    space_behind: bool


@dataclass(frozen=True)
class Restored:
    """A translation as people are to read it."""

    text: str
    rewritten: Rewritten | None = None
    """Positions of its characters in what the network said; None where nothing was changed."""
    lost: tuple[Literal, ...] = ()
    """Literals that the network did not say, and that are not in the text."""
    faults: tuple[str, ...] = ()
    """Further faults, a clause each."""
    repeated: tuple[Literal, ...] = ()
    """Literals that are in it more often than in the source."""
    invented: tuple[str, ...] = ()
    """Numbers that nothing in the source can have become."""
    copies: bool = False
    """True if it is the source, whatever the network said."""

    @property
    def sound(self) -> bool:
        """True if everything is in it once."""
        return not self.lost and not self.faults


@dataclass(frozen=True)
class Prepared:
    """A sentence as the network is to read it."""

    source: str
    shown: str
    languages: tuple[str, str]
    rewritten: Rewritten
    """Place of every character of the source in the text that is shown."""
    literals: tuple[Literal, ...] = ()
    """All of them."""
    carried: tuple[Carried, ...] = ()
    floating: tuple[Floating, ...] = ()
    checked: tuple[Literal, ...] = ()
    folded: tuple[tuple[str, str], ...] = ()
    """Words as they are shown and as they are."""
    accented: tuple[Literal, ...] = ()
    """Names among them that are to be in the translation."""
    casing: Casing = Casing.USUAL

    @property
    def has_words(self) -> bool:
        """True if there is anything to translate."""
        rest = rewrite(
            self.source, [LiteralEdit(one.start, one.end, " ") for one in self.literals]
        ).text
        words = _WORD.findall(rest)
        if len(words) == 1 and len(words[0]) == 1 and words[0] != "I":
            return False
        return any(word.lower() not in UNIT_WORDS for word in words) or (
            bool(words) and not self.literals
        )

    @property
    def is_foreign(self) -> bool:
        """True if its words are all in scripts that neither language uses."""
        return not self.has_words and any(one.kind is FOREIGN for one in self.literals)

    @property
    def needs_links(self) -> bool:
        """Return whether something that was taken out was between words."""
        return any(
            any(map(str.isalnum, self.shown[: one.at]))
            and any(map(str.isalnum, self.shown[one.at :]))
            for one in self.floating
        )

    def restore(self, said: str, links: Sequence[Link] = ()) -> Restored:
        """Put everything that was taken out into the network's output.

        Args:
            said: by the network.
            links: between the tokens of what was shown and of what was said, if they are known.
        """
        edits, lost, faults = self._put_back(said)
        blank = blanked(said, edits)
        verdict = _NOTHING
        if self.checked:
            verdict = verify(self.checked, self.source, blank, self.languages[1])
        found, missing, repeated, invented = self._verified(verdict, blank)
        edits += found
        lost += missing
        faults += [f"says {one.text} more than once" for one in repeated]
        edits += [edit for edit in self._unfolded(said) if not overlaps(edit, edits)]
        lost += self._unsaid_names(said)
        edits += self._units(verdict, blank, faults)
        faults += self._other_currency(verdict, blank, edits)
        edits += self._floated(said, links)
        edits += [edit for edit in self._small_letters(said) if not overlaps(edit, edits)]
        upper = self.casing is Casing.CAPITALS
        rewritten = rewrite(said, _cleaned(said, edits, self.source), str.upper if upper else str)
        faults += self._torn(rewritten.text)
        units = missing_measures(self.source, rewritten.text)
        faults += [f"does not say {unit}" for unit in units]
        return Restored(rewritten.text, rewritten, tuple(lost), tuple(faults), repeated, invented)

    def _put_back(self, said: str) -> tuple[list[LiteralEdit], list[Literal], list[str]]:
        edits: list[LiteralEdit] = []
        lost: list[Literal] = []
        faults: list[str] = []
        for one in self.carried:
            places = [match.span() for match in _as_word(one.carrier).finditer(said)]
            if not places:
                lost.append(one.literal)
            else:
                edits.append(LiteralEdit(*places[0], self._spelled(one.literal)))
            if len(places) > 1:
                faults.append(f"says {one.literal.text!r} more than once")
                edits += [LiteralEdit(*place, "") for place in places[1:]]
        return edits, lost, faults

    def _spelled(self, literal: Literal) -> str:
        """A literal as the target language writes it, if it is an amount and no version."""
        amount = _AMOUNT_BEHIND.match(self.source, literal.end)
        named = _NAME_BEFORE.search(self.source, 0, literal.start)
        return localised(literal, *self.languages) if amount and not named else literal.text

    def _verified(
        self, verdict: Verdict, said: str
    ) -> tuple[list[LiteralEdit], list[Literal], tuple[Literal, ...], tuple[str, ...]]:
        """Edits, what is lost, what is repeated, and what is invented."""
        if not self.checked:
            return [], [], (), ()
        edits = edits_for(verdict, said, self.languages) if verdict.missing else []
        if edits is None:
            return [], list(verdict.missing), (), ()
        respellings = respelled(verdict, said, self.languages)
        # What was said too often shows only once all is there.
        said = apply(edits, said)
        mended = verdict
        if edits:
            mended = verify(self.checked, self.source, said, self.languages[1])
        invented = invented_numbers(mended, said, self.source, self.languages[0])
        return [*edits, *respellings], [], mended.repeated, invented

    def _units(self, verdict: Verdict, said: str, faults: list[str]) -> list[LiteralEdit]:
        """Signs of amounts, put beside the number that they belong to."""
        if not self.checked:
            return []
        missing = missing_units(self.source, said)
        places = [(sign, self._number_of(sign, verdict)) for sign in missing]
        lonely = numbers_without_units(verdict, self.source, said)
        places += [(sign, place) for sign, place in lonely if sign not in missing]
        faults += [f"does not say {sign}" for sign, place in places if place is None]
        return [self._unit(sign, said, place) for sign, place in places if place is not None]

    def _other_currency(
        self, verdict: Verdict, said: str, edits: Sequence[LiteralEdit]
    ) -> Iterator[str]:
        """Faults of numbers beside the sign of a currency that the source does not name."""
        if not any(sign in self.source for sign in CURRENCIES):
            return
        for _, place in verdict.places:
            wrong = wrong_currency(self.source, said, place)
            if wrong is None or any(edit.start == wrong[0] for edit in edits):
                continue
            if not re.search(UNITS[said[slice(*wrong)]], self.source, re.IGNORECASE):
                yield f"says {said[slice(*wrong)]}"

    def _unit(self, sign: str, said: str, place: Span) -> LiteralEdit:
        """A sign beside the number that it belongs to, or in the place of another currency's."""
        wrong = wrong_currency(self.source, said, place) if sign in CURRENCIES else None
        if wrong:
            return LiteralEdit(*wrong, sign)
        english = self.languages[1].startswith("en")
        compound = said[place[1] : place[1] + 1] == "-"
        if sign.isalpha():
            at, text = (place[0], f"{sign} ") if english or compound else (place[1], f" {sign}")
            return LiteralEdit(at, at, text)
        before = sign in "$\u00a3\u00a5" and (compound or english)
        scale = None if before or compound else _SCALE.match(said, place[1])
        at = place[0] if before else scale.end() if scale else place[1]
        gap = "" if before or english or sign == "\u00b0" else " "
        return LiteralEdit(at, at, gap + sign)

    def _number_of(self, sign: str, verdict: Verdict) -> Span | None:
        places = (place for one, place in verdict.places if sign in signs_of(one, self.source))
        return next(places, None)

    def _unfolded(self, said: str) -> Iterator[LiteralEdit]:
        for shown, original in self.folded:
            words = _as_word(shown).pattern
            for match in re.finditer(words, said, re.IGNORECASE if original.istitle() else 0):
                yield LiteralEdit(*match.span(), original)

    def _small_letters(self, said: str) -> Iterator[LiteralEdit]:
        """Units and names that have small letters in a text in capitals: 5 GHz, iOS17."""
        if self.casing is not Casing.CAPITALS:
            return
        for word in {word for word in _MIXED_WORD.findall(self.source) if not word.isupper()}:
            for match in re.finditer(_as_word(word).pattern, said, re.IGNORECASE):
                yield LiteralEdit(*match.span(), word)

    def _unsaid_names(self, said: str) -> Iterator[Literal]:
        """Names with accents that are neither in it as they were shown nor as they are."""
        words = said.casefold()
        shown = {original: new for new, original in self.folded}
        for one in self.accented:
            text = unicodedata.normalize("NFC", one.text)
            ways = (text, shown.get(text, text))
            if not any(way.casefold() in words for way in ways):
                yield one

    def _floated(self, said: str, links: Sequence[Link]) -> Iterator[LiteralEdit]:
        for one in self.floating:
            at = self._place_of(one, said, links)
            before = " " if one.space_before and at > 0 and not said[at - 1].isspace() else ""
            follows = said[at : at + 1]
            behind = " " if one.space_behind and follows and follows.isalnum() else ""
            yield LiteralEdit(at, at, before + one.text + behind)

    def _torn(self, text: str) -> Iterator[str]:
        """Faults of signs within numbers that are no longer there: 25\u00f7100."""
        for one in self.floating:
            around = self.shown[max(0, one.at - 1) : one.at + 1]
            within = len(around) == 2 and around.isalnum() and any(map(str.isdigit, around))
            is_tag = one.text.startswith("<")
            if within and not is_tag and around[0] + one.text + around[1] not in text:
                yield f"moves {one.text!r}"

    def _place_of(self, one: Floating, said: str, links: Sequence[Link]) -> int:
        before, behind = self.shown[: one.at], self.shown[one.at :]
        if not any(map(str.isalnum, behind)):
            marks = _MARKS_BEHIND.search(said)
            return marks.start() if marks and behind.strip() else len(said)
        if not any(map(str.isalnum, before)):
            return 0
        hangs_on_next = not one.space_behind and one.space_before
        if not hangs_on_next:
            nearest = [link for link in links if link.source[1] <= one.at]
            if nearest:
                last = max(link.source for link in nearest)
                return max(link.target[1] for link in nearest if link.source == last)
        following = [link for link in links if link.source[0] >= one.at]
        if following:
            first = min(link.source for link in following)
            return min(link.target[0] for link in following if link.source == first)
        return _nearest_gap(said, round(len(said) * one.at / max(1, len(self.shown))))

    def put_in(self, restored: Restored) -> str:
        """A translation with the literals that it lacks, each where it stood in the source."""
        text = restored.text
        for literal in restored.lost:
            at = _nearest_gap(text, round(len(text) * literal.start / max(1, len(self.source))))
            said = localised(literal, *self.languages)
            text = f"{text[:at].rstrip()} {said} {text[at:].lstrip()}".strip()
        return text


def _as_word(name: str) -> re.Pattern[str]:
    before = r"(?<!\w)" if name[0].isalnum() else ""
    behind = r"(?!\w)" if name[-1].isalnum() else ""
    return re.compile(before + re.escape(name) + behind)


def blanked(text: str, edits: Sequence[LiteralEdit | Literal]) -> str:
    """A text in which places say nothing."""
    for edit in edits:
        text = text[: edit.start] + "\ue000" * (edit.end - edit.start) + text[edit.end :]
    return text


def overlaps(edit: LiteralEdit, others: Sequence[LiteralEdit]) -> bool:
    """Return whether an edit shares characters with others."""
    return any(edit.start < other.end and other.start < edit.end for other in others)


def _cleaned(said: str, edits: list[LiteralEdit], source: str) -> list[LiteralEdit]:
    """The edits, and further ones that remove what could not be decoded."""
    if "\ufffd" not in said or "\ufffd" in normalise(source):
        return edits
    further = [LiteralEdit(m.start(), m.end(), "") for m in re.finditer("\ufffd+", said)]
    return [*edits, *(edit for edit in further if not overlaps(edit, edits))]


def _nearest_gap(text: str, at: int) -> int:
    """The end of a word nearest to a place."""
    ends = [match.end() for match in re.finditer(r"\w+(?=\W|$)", text)] or [len(text)]
    return min(ends, key=lambda end: abs(end - at))
