"""A translation with placeholders, from where these were placed."""

from collections.abc import Sequence
from dataclasses import dataclass

from tformer.documents.inline.correspondence import Correspondence
from tformer.documents.inline.layout import MarkupPair, Ranges, Source, Spot, all_of
from tformer.documents.inline.word_parts import part_of_word
from tformer.documents.segments import Mark, PlaceholderKind


@dataclass(frozen=True)
class _Insertion:
    """Something to write in the place of target[start:end]."""

    start: int
    end: int
    number: int
    children: tuple["_Insertion", ...] = ()
    text: str = ""
    """Text of a standalone placeholder; "" for a pair."""


class TargetWriter:
    """Writes a target with placeholders, from where these were placed."""

    def __init__(self, target: str, source: Source, words: Correspondence, found: Ranges) -> None:
        self._target = target
        self._source = source
        self._words = words
        self._found = found

    def write(self, placed: Sequence[MarkupPair]) -> str:
        """The translation with all placeholders; of pairs, start and end are numbers of words."""
        whole = (0, len(self._target))
        pairs = self._in_characters(placed, *whole)
        spans = {pair.number: (pair.start, pair.end) for pair in all_of(pairs)}
        items = [self._alone(spot, spans) for spot in self._source.alone]
        return self._text(self._nested(pairs, items, None), *whole)

    def _in_characters(self, placed: Sequence[MarkupPair], low: int, high: int) -> list[MarkupPair]:
        pairs = []
        for pair in placed:
            start, end = self._characters(pair)
            start = min(max(start, low), high)
            end = min(max(end, start), high)
            children = self._in_characters(pair.children, start, end)
            pairs.append(MarkupPair(pair.number, start, end, children))
            low = end
        return pairs

    def _characters(self, pair: MarkupPair) -> tuple[int, int]:
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
        return self._in_word(pair, start, end) or self._around_literals(start, end)

    def _in_word(self, pair: MarkupPair, start: int, end: int) -> tuple[int, int] | None:
        """The part of a word that a pair is around; None for all of it."""
        if any(first < end and start < last for first, last in self._found.values()):
            return None
        inner = self._inner(pair.number)
        part = part_of_word(self._source.plain, *inner, self._target[start:end])
        if part:
            return start + part[0], start + part[1]
        said = self._source.plain.strip()
        if (start, end) == (0, len(self._target)) and inner[1] - inner[0] < len(said):
            # All of the target would be marked up, and not all of the source is.
            return self._like_source(*inner)
        return None

    def _like_source(self, inner_start: int, inner_end: int) -> tuple[int, int] | None:
        plain = self._source.plain
        before = inner_start - (len(plain) - len(plain.lstrip()))
        after = len(plain.rstrip()) - inner_end
        size = len(self._target)
        if before + after >= size or not self._target.isalnum():
            return None
        return before, size - after

    def _inner(self, number: int) -> tuple[int, int]:
        pair = next(pair for pair in all_of(self._source.roots) if pair.number == number)
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

    def _alone(self, spot: Spot, pairs: Ranges) -> _Insertion:
        mark = str(Mark(spot.number, PlaceholderKind.ALONE))
        if spot.number in self._found:
            return _Insertion(*self._found[spot.number], spot.number, text=mark)
        at = self._near(spot)
        for pair in all_of(self._source.roots) if not spot.shown.strip() else ():
            if pair.start < pair.end == spot.start and pair.number not in spot.parents:
                at = max(at, pairs[pair.number][1])  # a picture behind a link
        for parent in spot.parents:
            low, high = pairs[parent]
            at = min(max(at, low), high)
        if spot.shown.strip():
            before, after = self._target[:at][-1:], self._target[at:][:1]
            mark = f"{' ' * bool(before.strip())}{mark}{' ' * bool(after.strip())}"
        elif self._has_space_around(spot):
            mark += " "
        return _Insertion(at, at, spot.number, text=mark)

    def _has_space_around(self, spot: Spot) -> bool:
        plain = self._source.plain
        return plain[: spot.start].endswith(" ") and plain[spot.end :].startswith(" ")

    def _near(self, spot: Spot) -> int:
        """Behind the word it hangs on, or else before the word that follows it."""
        plain = self._source.plain
        spans = self._words.target
        if not spans:
            return len(self._target)
        if not spot.shown.strip() and not plain[: spot.start].strip():
            return 0  # an icon before a label
        hangs = bool(plain[: spot.start][-1:].strip()) and not plain[spot.end :][:1].strip()
        if hangs:
            words = self._words.source_words(spot.start - 1, spot.start)
            at = spans[max(self._words.of(words[0]))][1]
        else:
            following = self._words.source_words(spot.end, 1 << 60)
            at = spans[min(self._words.of(following[0]))][0] if following else len(self._target)
        return next((end for start, end in self._found.values() if start < at < end), at)

    def _nested(
        self, pairs: Sequence[MarkupPair], items: list[_Insertion], parent: int | None
    ) -> tuple[_Insertion, ...]:
        """Insertions side by side, each with its children; takes what it uses out of `items`."""
        result = []
        for pair in pairs:
            inside = [item for item in items if self._is_inside(item, pair)]
            for item in inside:
                items.remove(item)
            children = self._nested(pair.children, inside, pair.number)
            result.append(_Insertion(pair.start, pair.end, pair.number, children))
        beside = [*result, *items]
        return tuple(sorted(beside, key=lambda item: (item.start, item.end, item.number)))

    def _is_inside(self, item: _Insertion, pair: MarkupPair) -> bool:
        if not pair.start <= item.start <= item.end <= pair.end:
            return False
        if item.start < item.end or pair.start < item.start < pair.end:
            return True
        spot = next(spot for spot in self._source.alone if spot.number == item.number)
        return pair.number in spot.parents

    def _text(self, items: Sequence[_Insertion], start: int, end: int) -> str:
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
