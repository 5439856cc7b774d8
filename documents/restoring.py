"""Placeholders back into a translation that was made without them.

A model sees `Segment.plain`: literals as they are, no markup. In what it answers

1. literals are looked for and become placeholders again; a surplus copy of one is cut out;
2. markup goes around the words that translate the words it was around, as word alignments say;
   where there are none, words that are the same in both texts and the distances between them;
3. a literal that is missing is put where the words beside it went, and reported as lost: the
   caller can then translate the segment in fragments (`fragments`, `joined`), which loses nothing
   by construction, but lets the model see less at a time.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tformer.documents.segments import Mark, Part, Segment, parts, without_marks

_WORD = re.compile(r"\S+")

# What stands before the first word, words, what stands behind the last; without a letter, no match.
_FRAGMENT = re.compile(r"(?=[\W\d_]*[^\W\d_])(\W*)(.*\w)(\W*)\Z", re.DOTALL)

_AROUND_WORDS = ".,;:!?()[]\"'\u201e\u201c\u201d\u2018\u2019\u00ab\u00bb"

Alignment = Iterable[tuple[int, int]]
"""Pairs of word numbers (source, target), from 0, words being what white space separates in
`Segment.plain` and in the translation: the Pharaoh format."""


@dataclass(frozen=True)
class Restored:
    """A translation with the placeholders of its segment, each of them once."""

    text: str
    lost: tuple[str, ...] = ()
    """What the translation did not have and what was put where it probably belongs: literals, and
    marks of markup for which no word was left."""


def restore(segment: Segment, translation: str, alignment: Alignment | None = None) -> Restored:
    """Put the placeholders of a segment into a translation of its `plain` text.

    White space at both ends becomes that of the source.

    Args:
        segment: what was translated.
        translation: of `segment.plain`.
        alignment: which word became which; None to guess.
    """
    if translation == segment.plain or not segment.plain.strip():
        return Restored(segment.text)
    source = _lay_out(segment)
    unmarked = without_marks(translation)
    target, cut = _cut_surplus(source, unmarked.strip())
    if not source.alone and not source.roots:
        return Restored(_with_outer_space(source.plain, target))
    found = _find_literals(source, target)
    # What was taken out of the translation leaves its words with other numbers.
    renumbered = cut or unmarked != translation
    words = _Correspondence(source, target, found, None if renumbered else alignment)
    placed = _place_pairs(source.roots, words, 0, len(words.target))
    lost = [f"<{pair.number}>" for pair in _all(placed) if pair.squeezed]
    lost += [spot.shown for spot in source.alone if spot.number not in found and spot.shown.strip()]
    text = _Writer(target, source, words, found).write(placed)
    return Restored(_with_outer_space(source.plain, text), tuple(lost))


def fragments(segment: Segment) -> list[str]:
    """The words between the placeholders, to be translated piece by piece."""
    return [core for _, core, _ in _pieces(segment) if core]


def joined(segment: Segment, translations: Iterable[str]) -> str:
    """The translations of `fragments`, with all that stood between these."""
    remaining = iter(translations)
    return "".join(
        f"{before}{without_marks(next(remaining)).strip() if core else ''}{after}"
        for before, core, after in _pieces(segment)
    )


def _pieces(segment: Segment) -> Iterator[tuple[str, str, str]]:
    """A segment in pieces: what stands before a fragment, the fragment, what stands behind it.

    A fragment begins with a word. It ends with one too, but for the last, whose full stop tells a
    model that it is a sentence.
    """
    pieces = list(parts(segment.text))
    for number, part in enumerate(pieces, start=1):
        words = _FRAGMENT.match(part) if isinstance(part, str) else None
        if not words:
            yield str(part), "", ""
            continue
        before, core, after = words.groups()
        if number == len(pieces):
            core, after = core + after.rstrip(), after[len(after.rstrip()) :]
        yield before, core, after


def _with_outer_space(like: str, text: str) -> str:
    if not (body := like.strip()):
        return like
    start = like.index(body)
    return like[:start] + text.strip() + like[start + len(body) :]


# --- the source ----------------------------------------------------------------------------------


@dataclass
class _Pair:
    """Markup around words: its place in the source, or in the target."""

    number: int
    start: int = 0
    end: int = 0
    children: list["_Pair"] = field(default_factory=list)
    squeezed: bool = False
    """No word of the target was left for it."""


@dataclass(frozen=True)
class _Spot:
    """Something that stands alone in the source."""

    number: int
    start: int
    shown: str
    parents: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.start + len(self.shown)


@dataclass(frozen=True)
class _Source:
    plain: str
    roots: list[_Pair]
    alone: list[_Spot]


def _lay_out(segment: Segment) -> _Source:
    """The plain text, and where in it the placeholders are."""
    pieces: list[str] = []
    position = 0
    opened = [_Pair(0)]
    alone: list[_Spot] = []
    for part in parts(segment.text):
        if isinstance(part, str):
            pieces.append(part)
            position += len(part)
        elif part.part is Part.OPEN:
            opened.append(_Pair(part.number, position))
            opened[-2].children.append(opened[-1])
        elif part.part is Part.CLOSE:
            opened.pop().end = position
        else:
            shown = segment.inlines[part.number].shown
            parents = tuple(pair.number for pair in opened[1:])
            alone.append(_Spot(part.number, position, shown, parents))
            pieces.append(shown)
            position += len(shown)
    return _Source("".join(pieces), opened[0].children, alone)


# --- literals ------------------------------------------------------------------------------------

_Ranges = Mapping[int, tuple[int, int]]


def _is_findable(shown: str) -> bool:
    """Whether a literal can be recognised in a translation: a blank is nothing special there."""
    return bool(shown.strip()) or shown in ("\n", "\t")


def _pattern(shown: str) -> re.Pattern[str]:
    """A literal that begins or ends like a word is not part of a longer one."""
    before = r"(?<!\w)" if re.match(r"\w", shown) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", shown) else ""
    return re.compile(before + re.escape(shown) + after)


def _occurrences(shown: str, text: str, taken: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return [
        match.span()
        for match in _pattern(shown).finditer(text)
        if all(match.end() <= start or end <= match.start() for start, end in taken)
    ]


def _by_literal(source: _Source) -> list[tuple[str, list[_Spot]]]:
    """The findable literals and where each is in the source, the longest first."""
    spots: dict[str, list[_Spot]] = {}
    for spot in source.alone:
        if _is_findable(spot.shown):
            spots.setdefault(spot.shown, []).append(spot)
    return sorted(spots.items(), key=lambda item: -len(item[0]))


def _cut_surplus(source: _Source, target: str) -> tuple[str, bool]:
    """Remove copies of literals that the source does not have; ordinary words may be repeated."""
    taken: list[tuple[int, int]] = []
    surplus: list[tuple[int, int]] = []
    for shown, spots in _by_literal(source):
        places = _occurrences(shown, target, taken)
        taken += places
        if not shown.strip().isalnum():
            surplus += places[max(len(spots), len(_occurrences(shown, source.plain, ()))) :]
    for start, end in sorted(surplus, reverse=True):
        target = target[:start].rstrip(" ") + target[end:]
    return target, bool(surplus)


def _find_literals(source: _Source, target: str) -> dict[int, tuple[int, int]]:
    """Where each literal is in the target, by number; lost ones are not there."""
    found: dict[int, tuple[int, int]] = {}
    for shown, spots in _by_literal(source):
        places = _occurrences(shown, target, list(found.values()))
        for spot, place in zip(spots, _best(spots, places, source, target), strict=False):
            found[spot.number] = place
    return found


def _best(
    spots: Sequence[_Spot], places: Sequence[tuple[int, int]], source: _Source, target: str
) -> Sequence[tuple[int, int]]:
    """As many places as there are spots, those that are nearest to where one would expect them.

    A word such as `in` may be a literal once and an ordinary word elsewhere.
    """
    if len(places) <= len(spots):
        return places
    scale = len(target) / max(1, len(source.plain))
    free = list(places)
    chosen = []
    for spot in spots:
        nearest = min(free, key=lambda place: abs(place[0] - spot.start * scale))
        free.remove(nearest)
        chosen.append(nearest)
    return sorted(chosen)


# --- words ---------------------------------------------------------------------------------------


class _Correspondence:
    """Which words of the target translate which words of the source."""

    def __init__(
        self,
        source: _Source,
        target: str,
        found: _Ranges,
        alignment: Alignment | None,
    ) -> None:
        self.source = [match.span() for match in _WORD.finditer(source.plain)]
        self.target = [match.span() for match in _WORD.finditer(target)]
        self.found = found
        if alignment is None:
            self._targets = _same_words(source.plain, self.source, target, self.target)
        else:
            self._targets = self._checked(alignment)
        # A literal is where it was found, whatever a model attended to.
        for spot in source.alone:
            if spot.number in found:
                places = self._between(self.target, *found[spot.number])
                for word in self._between(self.source, spot.start, spot.end):
                    self._targets[word] = list(places)
        ends = {-1: -1.0, len(self.source): float(len(self.target))}
        middles = {i: sum(js) / len(js) for i, js in self._targets.items() if js}
        self._known = sorted({**ends, **middles}.items())

    def source_words(self, start: int, end: int) -> range:
        """The words that a part of the source touches."""
        return self._between(self.source, start, end)

    def of(self, word: int) -> list[int]:
        """The target words of a source word, by its neighbours if nothing is known of it."""
        if not self.target:
            return []
        return self._targets.get(word) or [self._guess(word)]

    def _guess(self, word: int) -> int:
        for (i, low), (k, high) in pairwise(self._known):
            if i <= word <= k:
                expected = low + (high - low) * (word - i) / (k - i)
                return min(max(round(expected), 0), len(self.target) - 1)
        raise AssertionError(f"word {word} is beyond the end")

    def _checked(self, alignment: Alignment) -> dict[int, list[int]]:
        targets: dict[int, list[int]] = {}
        for i, j in alignment:
            if 0 <= i < len(self.source) and 0 <= j < len(self.target):
                targets.setdefault(i, []).append(j)
        return targets

    @staticmethod
    def _between(words: Sequence[tuple[int, int]], start: int, end: int) -> range:
        first = bisect_right(words, start, key=lambda word: word[1])
        last = bisect_left(words, end, key=lambda word: word[0])
        return range(first, max(first, last))


def _same_words(
    source: str,
    source_words: Sequence[tuple[int, int]],
    target: str,
    target_words: Sequence[tuple[int, int]],
) -> dict[int, list[int]]:
    """Names and numbers: words that are there once in both texts."""
    sources, targets = _once(source, source_words), _once(target, target_words)
    return {i: [targets[word]] for word, i in sources.items() if word in targets}


def _once(text: str, words: Sequence[tuple[int, int]]) -> dict[str, int]:
    places: dict[str, list[int]] = {}
    for number, (start, end) in enumerate(words):
        if word := text[start:end].strip(_AROUND_WORDS).casefold():
            places.setdefault(word, []).append(number)
    return {word: numbers[0] for word, numbers in places.items() if len(numbers) == 1}


# --- markup around words -------------------------------------------------------------------------


def _all(pairs: Iterable[_Pair]) -> Iterable[_Pair]:
    for pair in pairs:
        yield pair
        yield from _all(pair.children)


def _place_pairs(
    pairs: Sequence[_Pair], words: _Correspondence, low: int, high: int
) -> list[_Pair]:
    """Find target words for pairs side by side, within those of the pair around them.

    In what is returned `start` and `end` are numbers of words.
    """
    wishes = sorted((_wish(pair, words, low, high) for pair in pairs), key=lambda wish: wish[:2])
    placed: list[_Pair] = []
    for number, (start, end, wants_words, pair) in enumerate(wishes):
        first = max(start, placed[-1].end if placed else low)
        last = max(first, end)
        if wants_words and first == last:
            # Two pairs wish for one word: the later takes the next, if nobody else wishes for it.
            limit = wishes[number + 1][0] if number + 1 < len(wishes) else high
            last = min(first + 1, max(limit, first), high)
        children = _place_pairs(pair.children, words, first, last)
        squeezed = wants_words and first == last
        placed.append(_Pair(pair.number, first, last, children, squeezed))
    return placed


def _wish(pair: _Pair, words: _Correspondence, low: int, high: int) -> tuple[int, int, bool, _Pair]:
    sources = words.source_words(pair.start, pair.end)
    if not sources:
        following = words.source_words(pair.end, 1 << 60)
        at = words.of(following[0])[0] if following and words.target else high
        at = min(max(at, low), high)
        return at, at, False, pair
    if len(sources) == len(words.source):
        return low, high, True, pair
    targets = sorted({j for i in sources for j in words.of(i)})
    start, end = _longest_run(targets) if targets else (low, low)
    start = min(max(start, low), high)
    return start, min(max(end, start), high), True, pair


def _longest_run(numbers: Sequence[int]) -> tuple[int, int]:
    """The run of numbers, gaps of one allowed, that has most of them: (first, last + 1)."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number - runs[-1][-1] <= 2:
            runs[-1].append(number)
        else:
            runs.append([number])
    best = max(runs, key=len)
    return best[0], best[-1] + 1


# --- writing -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Item:
    """Something to write in the place of target[start:end]."""

    start: int
    end: int
    number: int
    children: tuple["_Item", ...] = ()
    text: str = ""
    """What a placeholder that stands alone is written as; "" for a pair."""


class _Writer:
    """Writes a target with placeholders, from where these were placed."""

    def __init__(
        self, target: str, source: _Source, words: _Correspondence, found: _Ranges
    ) -> None:
        self._target = target
        self._source = source
        self._words = words
        self._found = found

    def write(self, placed: Sequence[_Pair]) -> str:
        whole = (0, len(self._target))
        pairs = self._in_characters(placed, *whole)
        spans = {pair.number: (pair.start, pair.end) for pair in _all(pairs)}
        items = [self._alone(spot, spans) for spot in self._source.alone]
        return self._text(self._nested(pairs, items, None), *whole)

    def _in_characters(self, placed: Sequence[_Pair], low: int, high: int) -> list[_Pair]:
        pairs = []
        for pair in placed:
            start, end = self._characters(pair)
            start = min(max(start, low), high)
            end = min(max(end, start), high)
            children = self._in_characters(pair.children, start, end)
            pairs.append(_Pair(pair.number, start, end, children))
            low = end
        return pairs

    def _characters(self, pair: _Pair) -> tuple[int, int]:
        """Whole words, less the punctuation that the source leaves outside too."""
        spans = self._words.target
        if pair.start >= pair.end:
            at = spans[pair.start][0] if pair.start < len(spans) else len(self._target)
            return at, at
        start, end = spans[pair.start][0], spans[pair.end - 1][1]
        inner_start, inner_end = self._inner(pair.number)
        if not _is_punctuation(self._source.plain[inner_start : inner_start + 1]):
            while start < end - 1 and _is_punctuation(self._target[start]):
                start += 1
        if not _is_punctuation(self._source.plain[max(inner_end - 1, 0) : inner_end]):
            while end - 1 > start and _is_punctuation(self._target[end - 1]):
                end -= 1
        return self._around_literals(start, end)

    def _inner(self, number: int) -> tuple[int, int]:
        pair = next(pair for pair in _all(self._source.roots) if pair.number == number)
        inner = self._source.plain[pair.start : pair.end]
        start = pair.start + len(inner) - len(inner.lstrip())
        return start, max(start, pair.start + len(inner.rstrip()))

    def _around_literals(self, start: int, end: int) -> tuple[int, int]:
        for first, last in self._found.values():
            if first < start < last:
                start = first
            if first < end < last:
                end = last
        return start, end

    def _alone(self, spot: _Spot, pairs: _Ranges) -> _Item:
        mark = str(Mark(spot.number, Part.ALONE))
        if spot.number in self._found:
            return _Item(*self._found[spot.number], spot.number, text=mark)
        at = self._near(spot)
        for parent in spot.parents:
            low, high = pairs[parent]
            at = min(max(at, low), high)
        if spot.shown.strip():
            before, after = self._target[:at][-1:], self._target[at:][:1]
            mark = f"{' ' * bool(before.strip())}{mark}{' ' * bool(after.strip())}"
        elif self._has_space_around(spot):
            mark += " "
        return _Item(at, at, spot.number, text=mark)

    def _has_space_around(self, spot: _Spot) -> bool:
        plain = self._source.plain
        return plain[: spot.start].endswith(" ") and plain[spot.end :].startswith(" ")

    def _near(self, spot: _Spot) -> int:
        """Behind the word it hangs on, or else before the word that follows it."""
        plain = self._source.plain
        spans = self._words.target
        if not spans:
            return len(self._target)
        hangs = bool(plain[: spot.start][-1:].strip()) and not plain[spot.end :][:1].strip()
        if hangs:
            words = self._words.source_words(spot.start - 1, spot.start)
            at = spans[max(self._words.of(words[0]))][1]
        else:
            following = self._words.source_words(spot.end, 1 << 60)
            at = spans[min(self._words.of(following[0]))][0] if following else len(self._target)
        return next((end for start, end in self._found.values() if start < at < end), at)

    def _nested(
        self, pairs: Sequence[_Pair], items: list[_Item], parent: int | None
    ) -> tuple[_Item, ...]:
        """What stands side by side, each with what is in it; takes what it uses out of `items`."""
        result = []
        for pair in pairs:
            inside = [item for item in items if self._is_inside(item, pair)]
            for item in inside:
                items.remove(item)
            children = self._nested(pair.children, inside, pair.number)
            result.append(_Item(pair.start, pair.end, pair.number, children))
        beside = [*result, *items]
        return tuple(sorted(beside, key=lambda item: (item.start, item.end, item.number)))

    def _is_inside(self, item: _Item, pair: _Pair) -> bool:
        if not pair.start <= item.start <= item.end <= pair.end:
            return False
        if item.start < item.end or pair.start < item.start < pair.end:
            return True
        spot = next(spot for spot in self._source.alone if spot.number == item.number)
        return pair.number in spot.parents

    def _text(self, items: Sequence[_Item], start: int, end: int) -> str:
        pieces = []
        for item in items:
            pieces.append(self._target[start : item.start])
            if item.text:
                pieces.append(item.text)
            else:
                inner = self._text(item.children, item.start, item.end)
                pieces.append(f"<{item.number}>{inner}</{item.number}>")
            start = max(start, item.end)
        return "".join([*pieces, self._target[start:end]])


def _is_punctuation(character: str) -> bool:
    return bool(character) and not character.isalnum() and not character.isspace()
