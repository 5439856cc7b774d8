"""Markup around words: to which words of a translation it goes."""

from collections.abc import Sequence

from tformer.documents.inline.correspondence import Correspondence
from tformer.documents.inline.layout import MarkupPair


def place_pairs(
    pairs: Sequence[MarkupPair], words: Correspondence, low: int, high: int
) -> list[MarkupPair]:
    """Find target words for pairs side by side, within those of the pair around them.

    In what is returned `start` and `end` are numbers of words.
    """
    wishes = sorted((_wish(pair, words, low, high) for pair in pairs), key=lambda wish: wish[:2])
    placed: list[MarkupPair] = []
    for number, (start, end, wants_words, pair) in enumerate(wishes):
        first = max(start, placed[-1].end if placed else low)
        last = max(first, end)
        if wants_words and first == last:
            # Two pairs wish for one word: the later takes the next, if nobody else wishes for it.
            limit = wishes[number + 1][0] if number + 1 < len(wishes) else high
            last = min(first + 1, max(limit, first), high)
        children = place_pairs(pair.children, words, first, last)
        squeezed = wants_words and first == last
        placed.append(MarkupPair(pair.number, first, last, children, squeezed))
    return placed


def _wish(
    pair: MarkupPair, words: Correspondence, low: int, high: int
) -> tuple[int, int, bool, MarkupPair]:
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
