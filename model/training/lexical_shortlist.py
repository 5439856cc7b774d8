"""Builds a shortlist from sentence pairs, whose tokens a model aligns, or from Marian's lexicon.

    counts = count_links(translator, pairs, [Direction("en", "de"), Direction("de", "en")])
    counts.shortlist(best=100, common=200).write(Path("shortlist.bin"))

A source token asks for the target tokens that it is linked to most often. The most frequent target
tokens of a direction are asked for by the token that its sources begin with, the tag of a language;
where there are no tags, that is the end of sentence of an empty text, which all sources have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tformer.model.errors import InputError
from tformer.model.network.shortlist import Shortlist
from tformer.model.pipeline.translator import Translator
from tformer.model.search.request import Pair
from tformer.model.training.corpora import read_lines
from tformer.model.vocabulary.language_choice import Direction
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

LOT = 200
"""Pairs that are aligned at a time."""

LEFT_OUT = 100
"""Every so manieth pair is not counted: coverage is measured on those."""

_MERGED_AT = 1 << 20
"""Links from which on equal ones are counted together."""


@dataclass(frozen=True)
class Coverage:
    """Fit of a shortlist to pairs that it was not made of."""

    size: float
    """Target tokens of a sentence's list, on average."""
    share: float
    """Share of the reference's tokens that are on it."""


class LinkCounts:
    """Weights of links between source and target tokens, and of target tokens by direction."""

    def __init__(self, num_sources: int, num_targets: int, *, joint: bool) -> None:
        """Nothing counted yet; ``joint`` if source and target share their vocabulary."""
        self._num_sources, self._num_targets, self._joint = num_sources, num_targets, joint
        self._links = np.empty(0, np.int64)  # source · targets + target, rising
        self._weights: Floats = np.empty(0, np.float64)
        self._new: list[Integers] = []
        self._frequencies: dict[int, NDArray[np.float64]] = {}
        self.left_out: list[Pair] = []

    def add(self, sources: Integers, targets: Integers) -> None:
        """Count a link of each source token to the target token at the same place."""
        self._new.append(sources * self._num_targets + targets)
        if sum(map(len, self._new)) >= _MERGED_AT:
            self._merge()

    def add_common(self, marker: int, targets: Integers, weights: float | Floats = 1.0) -> None:
        """Count target tokens of the direction whose sources begin with ``marker``."""
        if marker not in self._frequencies:
            self._frequencies[marker] = np.zeros(self._num_targets)
        np.add.at(self._frequencies[marker], targets, weights)

    def set_links(self, sources: Integers, targets: Integers, weights: Floats) -> None:
        """Take links that others have weighted; of a pair that is there twice, the sum."""
        self._sum(sources * self._num_targets + targets, weights)

    def shortlist(self, best: int, common: int) -> Shortlist:
        """Make the shortlist.

        Args:
            best: target tokens that a source token asks for, at most.
            common: most frequent target tokens of a direction, which each of its sentences has.
        """
        self._merge()
        sources = self._links // self._num_targets
        order = np.lexsort((self._links, -self._weights, sources))
        ranked = self._links[order] % self._num_targets
        bounds = np.searchsorted(sources, np.arange(self._num_sources + 1)).tolist()
        lists = [ranked[start : min(end, start + best)].tolist() for start, end in pairwise(bounds)]
        for marker, weights in self._frequencies.items():
            frequent = np.argsort(-weights, kind="stable")[:common]
            lists[marker] = [*{*lists[marker], *frequent[weights[frequent] > 0].tolist()}]
        return Shortlist.of(0, lists, joint=self._joint)

    def coverage(self, shortlist: Shortlist) -> Coverage | None:
        """Measure a shortlist on the pairs that were left out; None without any."""
        if not self.left_out:
            return None
        allowed = [shortlist.allowed(pair.source) for pair in self.left_out]
        there = [
            np.isin(pair.target, own) for pair, own in zip(self.left_out, allowed, strict=True)
        ]
        return Coverage(float(np.mean([*map(len, allowed)])), float(np.concatenate(there).mean()))

    def _merge(self) -> None:
        if self._new:
            new, counts = np.unique(np.concatenate(self._new), return_counts=True)
            self._new.clear()
            links = np.concatenate([self._links, new])
            self._sum(links, np.concatenate([self._weights, counts]))

    def _sum(self, links: Integers, weights: Floats) -> None:
        self._links, places = np.unique(links, return_inverse=True)
        self._weights = np.bincount(places, weights, len(self._links)).astype(np.float64)


def count_links(
    translator: Translator,
    pairs: Iterable[tuple[str, str]],
    directions: Sequence[Direction],
    *,
    watch: Callable[[int], None] = lambda pairs: None,
) -> LinkCounts:
    """Align pairs and count which target tokens each source token is linked to.

    A target token is linked to the source token that the model's alignment heads attend to most.

    Args:
        translator: whose network aligns.
        pairs: texts in the languages of the first direction; too long ones are left out.
        directions: one, or it and the one back.
        watch: told after every lot how many pairs it had.

    Raises:
        InputError: no pair is of any use.
        UsageError: the network does not tell what it attends to.
    """
    counts = _nothing_counted(translator)
    rest = iter(pairs)
    first = 0
    while lot := list(islice(rest, LOT)):
        for direction in directions:
            sides = [pair if direction == directions[0] else pair[::-1] for pair in lot]
            _count(translator, counts, direction, sides, first)
        first += len(lot)
        watch(len(lot))
    if not counts.left_out:
        raise InputError("no sentence pair that the model can read: nothing to make a list of")
    return counts


def read_lexicon(translator: Translator, path: Path, directions: Sequence[Direction]) -> LinkCounts:
    """Read Marian's lexicon: a target token, a source token and a probability in each line.

    Tokens that the model does not have, and Marian's ``NULL``, are left out. What is probable for
    many source tokens counts as frequent.

    Args:
        translator: whose vocabulary the tokens are of.
        path: of the file, plain, .gz or .xz.
        directions: that its target tokens are common to.

    Raises:
        InputError: a line is no such line, or no line has tokens of the model.
    """
    vocabulary = translator.vocabulary
    source_ids, target_ids = (
        {token: number for number, token in enumerate(tokens)}
        for tokens in (vocabulary.source_tokens, vocabulary.target_tokens)
    )
    rows = [
        (source_ids[source], target_ids[target], weight)
        for target, source, weight in _lexicon_rows(path)
        if source in source_ids and target in target_ids
    ]
    if not rows:
        raise InputError(f"{path}: no line has two tokens of the model's vocabulary")
    sources, targets, weights = (np.array(column) for column in zip(*rows, strict=True))
    counts = _nothing_counted(translator)
    counts.set_links(sources, targets, weights)
    for direction in directions:
        counts.add_common(_marker(vocabulary, direction), targets, weights)
    return counts


def _lexicon_rows(path: Path) -> Iterator[tuple[str, str, float]]:
    for number, line in enumerate(read_lines(path), start=1):
        try:
            target, source, probability = line.split()
            weight = float(probability)
        except ValueError:
            raise InputError(
                f"{path}:{number}: expected target token, source token and probability"
            ) from None
        if not 0 <= weight <= 1:
            raise InputError(f"{path}:{number}: {probability} is no probability")
        yield target, source, weight


def _nothing_counted(translator: Translator) -> LinkCounts:
    config = translator.network.config
    num_sources = len(translator.vocabulary.source_tokens)
    return LinkCounts(num_sources, config.output_size, joint=config.target_vocab_size is None)


def _marker(vocabulary: AnyVocabulary, direction: Direction) -> int:
    return vocabulary.encode("", direction.target, direction.source)[0]


def _count(
    translator: Translator,
    counts: LinkCounts,
    direction: Direction,
    texts: Sequence[tuple[str, str]],
    first: int,
) -> None:
    """Count the links of a lot of pairs, of which the first is the ``first`` of all."""
    eos_id = translator.network.config.eos_id
    marker = _marker(translator.vocabulary, direction)
    counted = []
    for number, pair in _encoded(translator, direction, texts):
        if (first + number) % LEFT_OUT:
            counted.append(pair)
        else:
            counts.left_out.append(pair)
    weights = translator.aligner.scorer.attend(counted) if counted else []
    for pair, attention in zip(counted, weights, strict=True):
        targets = np.array(pair.target, np.int64)
        counts.add(np.array(pair.source, np.int64)[attention.argmax(1)], targets)
        counts.add_common(marker, np.array([*pair.target, eos_id], np.int64))


def _encoded(
    translator: Translator, direction: Direction, texts: Sequence[tuple[str, str]]
) -> Iterator[tuple[int, Pair]]:
    """Tokens of pairs that are not too long, and their numbers."""
    vocabulary, longest = translator.vocabulary, translator.longest_source
    most = translator.network.config.max_length - 2
    begun = vocabulary.target_start(direction.target)
    for number, (source, target) in enumerate(texts):
        read = tuple(vocabulary.encode(source, direction.target, direction.source))
        said = (*begun, *vocabulary.encode_target(target)[:-1])
        if len(read) <= longest + 2 and 1 <= len(said) <= most:
            yield number, Pair(read, said)
