"""Filters of parallel text: what each leaves out, counted, with examples.

A filter sees a pair and its neighbours in the file and gives no second opinion: it is cheap, and
set so that of what it leaves out most is wrong. `tformer prepare --show-filtered` shows the rest.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from tformer.model.errors import TrainingError, UsageError
from tformer.model.text.segmentation import detect
from tformer.model.training.corpora import Pair

Filter = Callable[[Pair, Sequence[Pair]], bool]
"""True for a pair to be left out, given the pairs before and after it."""

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "sv", "pl", "cs", "ru", "tr", "zh", "ja")
"""Languages that a side may be identified as, besides those of the recipe."""

FEWEST_WORDS, SURE = 5, 0.98
"""A side of fewer words, or of a less certain language, passes for what it should be."""

LONGEST_RATIO, SHORT = 2.5, 40
"""Highest ratio of UTF-8 bytes, which differ less between scripts than characters; and the bytes of
the longer side up to which any ratio passes."""

SPELLED_OUT = 12
"""Numbers up to this one are also written as words."""

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,:'\u2019\u00a0\u202f]\d+)*")
_ANCHOR = re.compile(r"\d+|\w{4,}")


def foreign(languages: tuple[str, str]) -> Filter:
    """The filter of pairs of which a side is in another language.

    Raises:
        TrainingError: the detector does not know one of ``languages``.
    """
    codes = [language.partition("-")[0] for language in languages]
    candidates = tuple(dict.fromkeys((*codes, *LANGUAGES)))
    try:
        detect("text", candidates)
    except UsageError as error:
        raise TrainingError(f"filter 'language' cannot be used: {error}") from error

    def other(text: str, code: str) -> bool:
        if len(_WORD.findall(text)) < FEWEST_WORDS:
            return False
        found = detect(text, candidates)
        return found.language != code and found.confidence >= SURE

    return lambda pair, _: any(map(other, pair, codes))


def disproportionate(pair: Pair, _: Sequence[Pair]) -> bool:
    """Filter pairs of which one side is far longer."""
    shorter, longer = sorted(len(side.encode()) for side in pair)
    return longer > SHORT and longer > LONGEST_RATIO * shorter


def numbers(text: str) -> Counter[str]:
    """Numbers of a text by their digits alone: 1,000.5 and 1.000,5 are one."""
    return Counter(re.sub(r"\D", "", match) for match in _NUMBER.findall(text))


def disagreeing(pair: Pair, _: Sequence[Pair]) -> bool:
    """Filter pairs of which a side has digits that the other lacks."""
    first, second = map(numbers, pair)
    left = (first - second) + (second - first)
    return any(len(number) > 2 or int(number) > SPELLED_OUT for number in left)


def anchors(text: str) -> set[str]:
    """Tokens that often are the same in both languages: numbers, names, loan words."""
    return set(_ANCHOR.findall(text.casefold()))


def shifted(pair: Pair, neighbours: Sequence[Pair]) -> bool:
    """Filter pairs that share nothing, though a side shares much with a neighbour's other side."""
    first, second = map(anchors, pair)
    if first & second:
        return False
    return any(
        len(first & anchors(neighbour[1])) >= 2 or len(anchors(neighbour[0]) & second) >= 2
        for neighbour in neighbours
    )


class NearDuplicates:
    """The filter of pairs that differ from an earlier one in no letter; eight bytes a pair."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()

    def __call__(self, pair: Pair, _: Sequence[Pair]) -> bool:
        """Return whether the letters of both sides have been seen."""
        letters = ("".join(filter(str.isalpha, side.casefold())) for side in pair)
        key = hashlib.blake2b("\t".join(letters).encode(), digest_size=8).digest()
        if key in self.seen:
            return True
        self.seen.add(key)
        return False


@dataclass
class Filtered:
    """Number of pairs left out of one corpus, by reason."""

    wanted: int = 0
    """Examples to keep of each filter, drawn evenly."""
    seen: int = 0
    """Pairs that were read."""
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Pair]] = field(default_factory=dict)
    draw: random.Random = field(default_factory=lambda: random.Random(1))

    def note(self, name: str, pair: Pair) -> None:
        """Count a pair, and maybe keep it (Vitter's algorithm R)."""
        self.counts[name] += 1
        kept = self.examples.setdefault(name, [])
        if len(kept) < self.wanted:
            kept.append(pair)
        elif (place := self.draw.randrange(self.counts[name])) < self.wanted:
            kept[place] = pair

    def __str__(self) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in sorted(self.counts.items()))


class Filters:
    """The filters of one preparation, by name; some remember what they saw in other corpora."""

    def __init__(self, languages: tuple[str, str]) -> None:
        self._languages = languages
        self._made: dict[str, Filter] = {
            "length": disproportionate,
            "numbers": disagreeing,
            "shifted": shifted,
            "near-duplicates": NearDuplicates(),
        }

    def apply(self, names: Sequence[str], pairs: Iterable[Pair], left: Filtered) -> Iterator[Pair]:
        """Pairs that every filter lets through, in order; the others are noted in ``left``."""
        chosen = [(name, self._filter(name)) for name in names]
        for before, pair, after in _with_neighbours(pairs):
            left.seen += 1
            neighbours = [neighbour for neighbour in (before, after) if neighbour]
            name = next((name for name, leaves in chosen if leaves(pair, neighbours)), None)
            if name is None:
                yield pair
            else:
                left.note(name, pair)

    def _filter(self, name: str) -> Filter:
        if name == "language" and name not in self._made:
            self._made[name] = foreign(self._languages)
        return self._made[name]


def _with_neighbours(
    pairs: Iterable[Pair],
) -> Iterator[tuple[Pair | None, Pair, Pair | None]]:
    """Every pair with the ones before and after it."""
    before = pair = None
    for after in chain(pairs, (None,)):
        if pair is not None:
            yield before, pair, after
        before, pair = pair, after
