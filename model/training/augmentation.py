"""Changed copies of pairs: what users type and corpora seldom hold.

A copy is a function of the pair and the seed alone, so that a store is the same wherever it is
made. Noise is put on sources only: a model should read errors, not write them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import NamedTuple

from tformer.model.training.corpora import Pair
from tformer.model.training.settings import AugmentationSettings


class Example(NamedTuple):
    """A pair and the ways in which it is learnt, one of :data:`~.store.DIRECTIONS`."""

    first: str
    second: str
    direction: str = "both"


# Web and mail addresses, numbers with what is joined to them, codes and names of variables.
_UNCHANGING = re.compile(
    r"https?://\S*[\w/]|[\w.+-]+@[\w-]+\.[\w.-]*\w|\b\w*\d[\w.:/-]*\d\b|\b\w+_\w+\b|\b[A-Z]{2,}\d*\b"
)
_END = re.compile(r"\s*[.!?]+$")
_LETTERS = re.compile(r"[^\W\d_]{4,}")


def augmented(example: Example, settings: AugmentationSettings, seed: int) -> Iterator[Example]:
    """Changed copies of an example, each with the probability that its setting says."""
    draw = random.Random(f"{seed}\t{example.first}\t{example.second}")
    for share, change in (
        (settings.copies, _copied),
        (settings.capitals, _in_capitals),
        (settings.unpunctuated, _unpunctuated),
    ):
        if draw.random() < share and (pair := change(example[:2])) not in (None, example[:2]):
            yield Example(*pair, example.direction)
    for share, noise in ((settings.lowercase, _in_small_letters), (settings.typos, _mistyped)):
        for index, direction in enumerate(("forward", "backward")):
            if draw.random() < share and example.direction in ("both", direction):
                source = noise(example[index], draw)
                if source != example[index]:
                    sides = (source, example[1]) if index == 0 else (example[0], source)
                    yield Example(*sides, direction)


def _copied(pair: Pair) -> Pair | None:
    """Tokens that both sides have in common and no translation changes."""
    there = set(_UNCHANGING.findall(pair[1]))
    common = " ".join(token for token in _UNCHANGING.findall(pair[0]) if token in there)
    return (common, common) if common else None


def _in_capitals(pair: Pair) -> Pair:
    return pair[0].upper(), pair[1].upper()


def _unpunctuated(pair: Pair) -> Pair | None:
    """Both without their ends, where both have one."""
    if not all(map(_END.search, pair)):
        return None
    first, second = (_END.sub("", side) for side in pair)
    return (first, second) if first and second else None


def _in_small_letters(text: str, draw: random.Random) -> str:
    return text.lower()


def _mistyped(text: str, draw: random.Random) -> str:
    """One typing error for each eight words of four letters and more, at least one."""
    words = list(_LETTERS.finditer(text))
    for word in draw.sample(words, min(len(words), 1 + len(words) // 8)):
        wrong = _slip(word.group(), draw)
        if len(wrong) != len(word.group()):  # positions of the other words would no longer hold
            return text[: word.start()] + wrong + text[word.end() :]
        text = text[: word.start()] + wrong + text[word.end() :]
    return text


def _slip(word: str, draw: random.Random) -> str:
    """Two letters exchanged, one left out or one doubled."""
    place = draw.randrange(1, len(word) - 1)
    kind = draw.randrange(3)
    if kind == 0:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return word[:place] + (word[place + 1 :] if kind == 1 else word[place:][:1] + word[place:])
