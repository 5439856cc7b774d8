"""Which words became which, from where a target looks in its source. No torch here.

    aligner = Aligner(reader, vocabulary)
    aligner.explain(sentences)

A network reads a source and the hypothesis that was found for it, all positions at once
(`pipeline.torch_scorer`, `network.int8.scorer`), and tells what its heads attend to.

**Heads.** Attention is no alignment: most heads look elsewhere. Which do align was measured for the
model that ships, on 654 sentences of newstest2014, FLORES, Tatoeba and Multi30k in both directions,
against the links on which both directions of eflomal agree (sure) or which one of them has
(possible), trained on 112,275 more pairs. Alignment error rate of each token's best link:

    layer 0, head 2, at the position that reads the piece       13 %
    layer 1, mean of its heads, where the piece is predicted    24 %
    mean of all, where the piece is predicted                   21 %
    every other head, at either position                        22 to 93 %

So one head it is, and ``config.json`` names it; see `tformer.model.config.AlignmentHeads`. That the
reading position tells more than the predicting one, in a lower layer, is what Chen et al. (2020)
found. Names and numbers that are once in both texts were linked to each other 533 times of 533.

**Links.** Weights of pieces are summed over a source token and averaged over a target token. With
R the share that a target token gives to each source token, and C the share that a source token
gets from each target token, two tokens are linked if each is the other's best or if their
√(RC) is at least ``STRENGTH``: so a compound keeps all of its words, and a token that has no
counterpart stays without a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tformer.model.literals.rewriting import Rewritten
from tformer.model.passes.draft import Sentence
from tformer.model.search.request import Pair
from tformer.model.text.offsets import piece_spans, tokens
from tformer.model.translation import Link, PieceScore, Span
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

Floats = NDArray[np.float32]

STRENGTH = 0.4
"""Of a link that is not mutual; measured like the heads."""


class Reader(Protocol):
    """A network that reads known targets, all positions at once.

    A pair gets the same numbers in whatever company it is.
    """

    def attend(self, pairs: Sequence[Pair]) -> Sequence[Floats]:
        """Where each of T target tokens looks among S source tokens, (T, S) of each pair."""
        ...

    def log_probs(self, pairs: Sequence[Pair]) -> Sequence[Floats]:
        """The log-probability of every target token and of the end, (T + 1,) of each pair."""
        ...


# --- links ---------------------------------------------------------------------------------------


def link(weights: NDArray[np.floating[Any]]) -> list[tuple[int, int]]:
    """The pairs of tokens (source, target) that weights (T, S) of tokens link."""
    if not weights.size:
        return []
    rows = weights / np.maximum(weights.sum(1, keepdims=True), 1e-9)
    columns = weights / np.maximum(weights.sum(0, keepdims=True), 1e-9)
    best_source, best_target = rows.argmax(1), columns.argmax(0)
    each = np.arange(len(weights))
    linked = np.sqrt(rows * columns) >= STRENGTH
    linked[each, best_source] |= (best_target[best_source] == each) & (
        weights[each, best_source] > 0
    )
    return sorted((i, j) for j, i in zip(*map(list, linked.nonzero()), strict=True))


def token_weights(
    attention: Floats,
    source_pieces: Sequence[Span],
    target_pieces: Sequence[Span],
    source_tokens: Sequence[Span],
    target_tokens: Sequence[Span],
) -> Floats:
    """Weights (target tokens, source tokens) from those of pieces: summed, averaged."""
    sources = _membership(source_pieces, source_tokens)
    targets = _membership(target_pieces, target_tokens)
    share = targets / np.maximum(targets.sum(0), 1)  # (T, target tokens), columns sum to one
    weights: Floats = share.T @ attention @ sources
    return weights


def _membership(pieces: Sequence[Span], tokens: Sequence[Span]) -> Floats:
    """(pieces, tokens): 1 where they overlap."""
    first = np.array(pieces, np.int64).reshape(-1, 1, 2)
    other = np.array(tokens, np.int64).reshape(1, -1, 2)
    ends = np.minimum(first[..., 1], other[..., 1])
    return (ends > np.maximum(first[..., 0], other[..., 0])).astype(np.float32)


# --- sentences -----------------------------------------------------------------------------------


class Aligner:
    """Adds to the hypotheses of sentences which words became which, and the scores of pieces."""

    def __init__(self, reader: Reader, vocabulary: AnyVocabulary) -> None:
        """An aligner for a model, whose network is ``reader``."""
        self.reader = reader
        self.vocabulary = vocabulary

    def explain(self, sentences: Sequence[Sentence]) -> None:
        """Add to every hypothesis what its sentence's options ask for.

        Args:
            sentences: that an engine has translated.
        """
        if aligned := [sentence for sentence in sentences if sentence.options.alignments]:
            self._align(aligned)
        for sentence in sentences:
            if sentence.options.token_scores:
                self._score(sentence)

    def links(self, wanted: Sequence[tuple[Pair, str, str]]) -> list[tuple[Link, ...]]:
        """Which tokens became which, of pairs with their two texts."""
        attention = self.reader.attend([pair for pair, _, _ in wanted])
        return [self._links(*each, of) for each, of in zip(wanted, attention, strict=True)]

    def _align(self, sentences: Sequence[Sentence]) -> None:
        links = iter(
            self.links(
                [
                    (Pair(sentence.tokens, ids), sentence.shown, said)
                    for sentence in sentences
                    for said, ids in zip(sentence.said, sentence.target_ids, strict=True)
                ]
            )
        )
        for sentence in sentences:
            sentence.hypotheses = [
                replace(h, alignment=_in_place(sentence, h.text, rewritten, next(links)))
                for h, rewritten in zip(sentence.hypotheses, sentence.rewritten, strict=True)
            ]

    def _score(self, sentence: Sentence) -> None:
        found = zip(
            sentence.hypotheses,
            sentence.said,
            sentence.rewritten,
            sentence.target_ids,
            sentence.token_scores,
            strict=True,
        )
        sentence.hypotheses = [
            replace(h, piece_scores=self._piece_scores(said, rewritten, len(h.text), ids, scores))
            for h, said, rewritten, ids, scores in found
        ]

    def _piece_scores(
        self,
        text: str,
        rewritten: Rewritten | None,
        length: int,
        ids: Sequence[int],
        scores: Sequence[float],
    ) -> tuple[PieceScore, ...]:
        spans = [*self.target_pieces(ids, text), (len(text), len(text))]
        if rewritten:
            spans = [rewritten.after(span) for span in spans]
        clamped = [(min(start, length), min(end, length)) for start, end in spans]
        return tuple(map(PieceScore, clamped, scores))

    def source_pieces(self, ids: Sequence[int], text: str) -> list[Span]:
        """Where each token of the encoder's input is in the text."""
        return piece_spans([self._source_names[token] for token in ids], text)

    def target_pieces(self, ids: Sequence[int], text: str) -> list[Span]:
        """Where each token of a hypothesis is in its text."""
        return piece_spans([self._target_names[token] for token in ids], text)

    @cached_property
    def _source_names(self) -> list[str]:
        return self.vocabulary.source_tokens

    @cached_property
    def _target_names(self) -> list[str]:
        return self.vocabulary.target_tokens

    def _links(self, pair: Pair, source: str, text: str, attention: Floats) -> tuple[Link, ...]:
        sources, targets = tokens(source), tokens(text)
        pieces = self.source_pieces(pair.source, source), self.target_pieces(pair.target, text)
        weights = token_weights(attention, *pieces, sources, targets)
        return tuple(Link(sources[i], targets[j]) for i, j in link(weights))


def _in_place(
    sentence: Sentence, text: str, rewritten: Rewritten | None, links: tuple[Link, ...]
) -> tuple[Link, ...]:
    """Links of what the network read and said, between tokens of what people read."""
    if rewritten is None:
        kept = text == sentence.piece.text and text not in sentence.said
        return tuple(Link(span, span) for span in tokens(text)) if kept else links
    sources, targets = tokens(sentence.piece.text), tokens(text)
    shown = sentence.prepared.rewritten if sentence.prepared else Rewritten(sentence.piece.text)
    before, after = shown.before, rewritten.after
    moved = (
        Link(source, target)
        for link in links
        for source in _touched(before(link.source), sources)
        for target in _touched(after(link.target), targets)
    )
    return tuple(sorted(set(moved)))


def _touched(span: Span, tokens: Sequence[Span]) -> list[Span]:
    return [token for token in tokens if token[0] < span[1] and span[0] < token[1]]
