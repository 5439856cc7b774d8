"""What is written down of a search is what the engine did; the attention is that of the network."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from tiny import tiny_transformer

from tformer.model.engine.engine import Engine
from tformer.model.errors import UsageError
from tformer.model.network.eager import Eager
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.inspection import Inspection, inspect
from tformer.model.pipeline.search_steps import Fate, InspectedCandidate
from tformer.model.pipeline.translator import Translator
from tformer.model.search.hypotheses import exponent_and_offset
from tformer.model.search.request import Request
from tformer.model.vocabulary.sentencepiece import Vocabulary

TEXT = "A dog runs on the beach."


def make_translator(vocabulary: Vocabulary, seed: int) -> Translator:
    transformer = tiny_transformer(seed, vocab_size=len(vocabulary), max_length=128)
    return Translator(Eager(transformer), vocabulary)


@pytest.fixture(scope="module")
def translator(vocabulary: Vocabulary) -> Translator:
    return make_translator(vocabulary, 3)


OPTIONS = [
    pytest.param(DecodingOptions(beam_size=1, max_length=9), id="greedy"),
    pytest.param(DecodingOptions(beam_size=4, n_best=4, max_length=12), id="beam"),
    pytest.param(DecodingOptions(beam_size=3, n_best=2, max_length=2), id="limit"),
    pytest.param(DecodingOptions(beam_size=3, n_best=3, min_length=4, max_length=9), id="min"),
    pytest.param(
        DecodingOptions(beam_size=5, n_best=5, max_length=9, early_stopping=False), id="late"
    ),
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("options", OPTIONS)
def test_the_search_is_that_of_the_engine(
    vocabulary: Vocabulary, seed: int, options: DecodingOptions
) -> None:
    translator = make_translator(vocabulary, seed)
    inspection = inspect(translator, TEXT, source="en", options=options)
    engine = Engine(translator.network, beam_size=options.beam_size)
    engine.submit(Request(vocabulary.encode(TEXT, "de"), options))
    found = []
    while engine.busy:
        found += engine.step()
    wanted = found[0].hypotheses
    assert [h.score for h in inspection.hypotheses] == [h.score for h in wanted]
    assert inspection.target_pieces[:-1] == tuple(vocabulary.piece(t) for t in wanted[0].tokens)
    assert inspection.target_pieces[-1] == "</s>"

    ends = sorted(scores_of_ends(inspection, options), reverse=True)
    assert ends[: len(wanted)] == pytest.approx([h.score for h in wanted])


def scores_of_ends(inspection: Inspection, options: DecodingOptions) -> Iterator[float]:
    exponent, offset = exponent_and_offset(options)
    for number, step in enumerate(inspection.steps, start=1):
        for candidate in step.candidates:
            if candidate.fate is Fate.FINISHED:
                yield candidate.total / ((offset + number) / (offset + 1)) ** exponent


@pytest.mark.parametrize("options", OPTIONS)
def test_candidates_continue_what_was_kept(
    translator: Translator, options: DecodingOptions
) -> None:
    inspection = inspect(translator, TEXT, source="en", options=options)
    beam: dict[int | None, float] = {0: 0.0}
    for number, step in enumerate(inspection.steps):
        totals = [candidate.total for candidate in step.candidates]
        assert totals == sorted(totals, reverse=True)
        assert len(totals) <= 2 * options.beam_size
        for candidate in step.candidates:
            assert candidate.total == pytest.approx(beam[candidate.parent] + candidate.log_prob)
        kept = [c for c in step.candidates if c.fate is Fate.KEPT]
        assert [c.place for c in kept] == list(range(len(kept)))
        assert all(c.piece != "</s>" for c in kept)
        assert all((c.place is None) == (c.fate is not Fate.KEPT) for c in step.candidates)
        assert len(kept) == options.beam_size or number >= (options.max_length or 0)
        beam = {c.place: c.total for c in kept}


def test_the_best_hypothesis_can_be_followed_through_the_beam(translator: Translator) -> None:
    inspection = inspect(
        translator, TEXT, source="en", options=DecodingOptions(beam_size=4, max_length=12)
    )
    texts: dict[int | None, tuple[InspectedCandidate, ...]] = {0: ()}
    finished: list[tuple[InspectedCandidate, ...]] = []
    for step in inspection.steps:
        paths = {c: (*texts[c.parent], c) for c in step.candidates}
        finished += [paths[c] for c in step.candidates if c.fate is Fate.FINISHED]
        texts = {c.place: paths[c] for c in step.candidates if c.fate is Fate.KEPT}
    (best,) = [p for p in finished if tuple(c.piece for c in p) == inspection.target_pieces]
    assert [c.log_prob for c in best] == pytest.approx(list(inspection.log_probs), abs=1e-6)


@torch.inference_mode()
def test_attention_is_that_of_the_network(translator: Translator) -> None:
    options = DecodingOptions(beam_size=2, max_length=6)
    inspection = inspect(translator, TEXT, source="en", options=options)
    source, target = len(inspection.source_pieces), len(inspection.target_pieces)
    assert inspection.read_pieces == ("<s>", *inspection.target_pieces[:-1])
    shapes = {kind: weights.shape for kind, weights in inspection.attention.items()}
    assert shapes == {
        "cross": (2, 2, target, source),
        "encoder": (1, 2, source, source),
        "decoder": (2, 2, target, target),
    }
    for weights in inspection.attention.values():
        assert weights.sum(-1) == pytest.approx(1, abs=1e-5)
    assert (inspection.attention["decoder"][:, :, 0, 1:] == 0).all()
    vocabulary = translator.vocabulary
    tokens = vocabulary.source_tokens
    ids = [tokens.index(piece) for piece in inspection.source_pieces]
    read = [tokens.index(piece) for piece in inspection.read_pieces]
    wanted = translator.plain_aligner.transformer.attention_weights(
        torch.tensor([ids]), None, torch.tensor([read])
    )
    assert inspection.attention["cross"][1] == pytest.approx(wanted.cross[1][0].numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "there is nothing to translate", id="empty"),
        pytest.param(" … ", "there is nothing to translate", id="no word"),
        pytest.param("dog " * 200, "give one sentence of it", id="long"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(
    translator: Translator, text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        inspect(translator, text, source="en")


def test_options_that_choose_otherwise_are_refused(translator: Translator) -> None:
    for options in (DecodingOptions(repetition_penalty=1.2), DecodingOptions(sampling=True)):
        with pytest.raises(UsageError, match="has no place in a beam that is looked at"):
            inspect(translator, TEXT, source="en", options=options)


def test_scores_are_probabilities(translator: Translator) -> None:
    inspection = inspect(translator, TEXT, source="en", options=DecodingOptions(max_length=5))
    assert all(-math.inf < p <= 0 for p in inspection.log_probs)
    assert len(inspection.log_probs) == len(inspection.target_pieces)
