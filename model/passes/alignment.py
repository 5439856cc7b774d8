"""Word alignments from cross-attention weights. No torch here.

    aligner = Aligner(scorer, vocabulary)
    aligner.links(pair, source, target, *scorer.attend([pair]))

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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tformer.model.literals.rewriting import Rewritten
from tformer.model.passes.draft import EncoderInput, Sentence
from tformer.model.passes.interface import Floats, Result, Review, Scorer, attention
from tformer.model.passes.prepared import Restored
from tformer.model.search.hypotheses import FinishedHypothesis
from tformer.model.search.request import Pair
from tformer.model.text.offsets import piece_spans, tokens
from tformer.model.translation import Link, PieceScore, Span
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

STRENGTH = 0.4
"""Least weight of a link that is not mutual; measured like the heads."""


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
    """Word alignments and scores of pieces, in terms of a model's vocabulary."""

    def __init__(self, scorer: Scorer, vocabulary: AnyVocabulary) -> None:
        """An aligner for a model, whose network is ``scorer``."""
        self.scorer = scorer
        self.vocabulary = vocabulary

    def links(self, pair: Pair, source: str, target: str, attention: Floats) -> tuple[Link, ...]:
        """Link the tokens of two texts.

        Args:
            pair: the pieces of both.
            source: text that the encoder read.
            target: text of the hypothesis.
            attention: (T, S) of pieces.
        """
        sources, targets = tokens(source), tokens(target)
        pieces = self.source_pieces(pair.source, source), self.target_pieces(pair.target, target)
        weights = token_weights(attention, *pieces, sources, targets)
        return tuple(Link(sources[i], targets[j]) for i, j in link(weights))

    def piece_scores(
        self, ids: Sequence[int], text: str, scores: Sequence[float], restored: Restored | None
    ) -> tuple[PieceScore, ...]:
        """Log-probabilities of a hypothesis's pieces, and of its end, with their places.

        Args:
            ids: tokens of the hypothesis.
            text: of the tokens.
            scores: log-probabilities of the tokens and of the end.
            restored: text that places are told in, if it is another one.
        """
        spans = [*self.target_pieces(ids, text), (len(text), len(text))]
        if restored and restored.rewritten:
            spans = [restored.rewritten.after(span) for span in spans]
        length = len(restored.text if restored else text)
        clamped = [(min(start, length), min(end, length)) for start, end in spans]
        return tuple(map(PieceScore, clamped, scores))

    def source_pieces(self, ids: Sequence[int], text: str) -> list[Span]:
        """Span of each token of the encoder's input in the text."""
        return piece_spans([self._source_names[token] for token in ids], text)

    def target_pieces(self, ids: Sequence[int], text: str) -> list[Span]:
        """Span of each token of a hypothesis in its text."""
        return piece_spans([self._target_names[token] for token in ids], text)

    @cached_property
    def _source_names(self) -> list[str]:
        return self.vocabulary.source_tokens

    @cached_property
    def _target_names(self) -> list[str]:
        return self.vocabulary.target_tokens


class Explanation:
    """The pass that adds alignments and scores of pieces, where options ask for them."""

    def __init__(
        self, open_aligner: Callable[[], Aligner], text: Callable[[tuple[int, ...]], str]
    ) -> None:
        """A pass for the model of an aligner; ``text()`` decodes its tokens."""
        self._open_aligner = open_aligner
        self._text = text

    def review(self, sentence: Sentence, result: Result) -> Review:
        """See `Pass.review`.

        Raises:
            UsageError: the network has no scorer.
        """
        if sentence.options.alignments:
            result = yield from self._align(sentence, result)
        if sentence.options.token_scores:
            scores = tuple(
                self._open_aligner().piece_scores(
                    found.tokens, self._text(found.tokens), found.token_scores, restored
                )
                for found, restored in _restored(result)
            )
            result = replace(result, piece_scores=scores)
        return result

    def _align(self, sentence: Sentence, result: Result) -> Review:
        source, encoder_states = result.input, result.encoder_states
        pairs = [Pair(source.tokens, found.tokens, encoder_states) for found in result.hypotheses]
        weights = yield from attention(pairs)
        aligner = self._open_aligner()
        alignments = []
        for pair, weight, (found, restored) in zip(pairs, weights, _restored(result), strict=True):
            text = self._text(found.tokens)
            links = aligner.links(pair, source.text, text, weight)
            alignments.append(_in_place(sentence.piece.text, source, restored, links))
        return replace(result, alignments=tuple(alignments))


def _restored(result: Result) -> Iterator[tuple[FinishedHypothesis, Restored | None]]:
    nothing = [None] * len(result.hypotheses)
    return zip(result.hypotheses, result.restored or nothing, strict=True)


def _in_place(
    piece: str, source: EncoderInput, restored: Restored | None, links: tuple[Link, ...]
) -> tuple[Link, ...]:
    """Return links of what the network read and said, between tokens of what people read."""
    if restored is None:
        return links
    if restored.rewritten is None:
        return tuple(Link(span, span) for span in tokens(piece)) if restored.copies else links
    sources, targets = tokens(piece), tokens(restored.text)
    shown = source.prepared.rewritten if source.prepared else Rewritten(piece)
    before, after = shown.before, restored.rewritten.after
    moved = (
        Link(first, second)
        for link in links
        for first in _touched(before(link.source), sources)
        for second in _touched(after(link.target), targets)
    )
    return tuple(sorted(set(moved)))


def _touched(span: Span, tokens: Sequence[Span]) -> list[Span]:
    return [token for token in tokens if token[0] < span[1] and span[0] < token[1]]
