"""A forced pass tells what decoding computed, and its attention which words became which."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_transformer, wide_transformer

from tformer.model.checkpoint.layout import SHIPPED, read_config
from tformer.model.config import AlignmentHeads, TransformerConfig
from tformer.model.errors import ModelError, UsageError
from tformer.model.network.eager import Eager
from tformer.model.network.transformer import Transformer
from tformer.model.options import DecodingOptions
from tformer.model.passes.alignment import STRENGTH, link, token_weights
from tformer.model.pipeline.torch_scorer import PlainAligner, PlainReader
from tformer.model.pipeline.translator import Translator
from tformer.model.search.request import Pair
from tformer.model.text.offsets import tokens
from tformer.model.translation import Hypothesis, Translation
from tformer.model.vocabulary.sentencepiece import Vocabulary

HEADS = AlignmentHeads(1, (0,), reads=False)


def pairs_of(transformer: Transformer, count: int, seed: int = 0) -> list[Pair]:
    generator = torch.Generator().manual_seed(seed)
    size = transformer.config.vocab_size

    def ids() -> list[int]:
        length = int(torch.randint(1, 40, (), generator=generator))
        return torch.randint(3, size, (length,), generator=generator).tolist()

    return [Pair(ids(), ids()) for _ in range(count)]


# --- the forced pass -----------------------------------------------------------------------------


@torch.inference_mode()
@pytest.mark.parametrize("reads", [False, True])
def test_a_forced_pass_attends_as_the_forward_pass(reads: bool) -> None:
    transformer = tiny_transformer(5)
    heads = AlignmentHeads(0, (0, 1), reads=reads)
    pairs = pairs_of(transformer, 7)
    for pair, attention in zip(pairs, PlainReader(transformer, heads).attend(pairs), strict=True):
        source, target = torch.tensor([pair.source]), torch.tensor([[1, *pair.target]])
        weights = transformer.attention_weights(source, None, target).cross[0][0].mean(0)
        rows = weights[1:] if reads else weights[:-1]
        assert np.allclose(attention, rows.numpy(), atol=1e-6)


@torch.inference_mode()
def test_what_is_read_is_as_likely_as_the_forward_pass_says() -> None:
    transformer = tiny_transformer(5)
    pairs = pairs_of(transformer, 7)
    for pair, log_probs in zip(
        pairs, PlainReader(transformer, HEADS).log_probs(pairs), strict=True
    ):
        source, target = torch.tensor([pair.source]), torch.tensor([[1, *pair.target]])
        wanted = transformer(source, None, target)[0].log_softmax(-1)
        said = torch.tensor([*pair.target, transformer.config.eos_id])
        expected = wanted.gather(1, said[:, None])[:, 0]
        assert np.allclose(log_probs, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_company_changes_no_bit(dtype: torch.dtype) -> None:
    transformer = wide_transformer(dtype)
    pairs = pairs_of(transformer, 20)
    likely = PlainReader(transformer, HEADS).log_probs(pairs)
    for pair, log_probs in zip(pairs, likely, strict=True):
        assert (PlainReader(transformer, HEADS).log_probs([pair])[0] == log_probs).all()
    together = PlainReader(transformer, HEADS).attend(pairs)
    for pair, attention in zip(pairs, together, strict=True):
        (alone,) = PlainReader(transformer, HEADS).attend([pair])
        assert (alone == attention).all()


# --- links ---------------------------------------------------------------------------------------


def slow_link(weights: list[list[float]]) -> set[tuple[int, int]]:
    linked = set()
    columns = [[row[i] for row in weights] for i in range(len(weights[0]))]
    for j, row in enumerate(weights):
        for i, weight in enumerate(row):
            column_shares = [w / sum(columns[k]) for k, w in enumerate(row)]
            best = weight == max(row) and weight / sum(columns[i]) == max(columns[i]) / sum(
                columns[i]
            )
            if best or (weight / sum(row) * column_shares[i]) ** 0.5 >= STRENGTH:
                linked.add((i, j))
    return linked


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10_000))
@settings(max_examples=60)
def test_links_are_mutual_or_strong(height: int, width: int, seed: int) -> None:
    weights = np.random.default_rng(seed).random((height, width)) ** 4 + 1e-3
    weights /= weights.sum(1, keepdims=True)
    assert set(link(weights)) == slow_link(weights.tolist())


def test_weights_of_pieces_are_summed_over_the_source_and_averaged_over_the_target() -> None:
    attention = np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]], np.float32)
    # Source "ab c" in pieces a, b, c; target "xy" in pieces x, y.
    weights = token_weights(
        attention, [(0, 1), (1, 2), (3, 4)], [(0, 1), (1, 2)], [(0, 2), (3, 4)], [(0, 2)]
    )
    assert weights.tolist() == [[0.375, 0.625]]


def test_nothing_links_to_nothing() -> None:
    assert link(np.zeros((0, 3))) == link(np.zeros((3, 0))) == []
    assert link(np.zeros((2, 2))) == []


# --- text ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def translator(vocabulary: Vocabulary) -> Translator:
    transformer = tiny_transformer(3, vocab_size=len(vocabulary), max_length=128)
    return Translator(Eager(transformer), vocabulary, window=4)


SHORT = DecodingOptions(beam_size=2, n_best=2, max_length=8)

TEXTS = [
    "A dog runs. The  house is old!",
    "",
    " ... ",
    "Where is\tit?",
    "a",
    "北京 – 12,5 €\n\nb c",
]


def translate(translator: Translator, texts: list[str], **wanted: bool) -> list[Translation]:
    options = replace(SHORT, **wanted)  # type: ignore[arg-type]
    return list(translator.translate(texts, source="en", target="de", options=options))


def test_only_what_was_asked_for_is_told(translator: Translator) -> None:
    plain = translate(translator, TEXTS)
    assert all(h.alignment is h.piece_scores is None for t in plain for h in t.hypotheses)
    aligned = translate(translator, TEXTS, alignments=True)
    assert all(h.alignment is not None for t in aligned for h in t.hypotheses)
    assert all(h.piece_scores is None for t in aligned for h in t.hypotheses)
    scored = translate(translator, TEXTS, token_scores=True)
    assert all(h.alignment is None for t in scored for h in t.hypotheses)
    assert [t.text for t in plain] == [t.text for t in aligned] == [t.text for t in scored]


def test_links_are_between_tokens_of_the_texts(translator: Translator) -> None:
    for text, translation in zip(
        TEXTS, translate(translator, TEXTS, alignments=True, token_scores=True), strict=True
    ):
        for hypothesis in translation.hypotheses:
            assert {link.source for link in hypothesis.alignment or ()} <= set(tokens(text))
            assert {link.target for link in hypothesis.alignment or ()} <= {
                *tokens(hypothesis.text)
            }
            ends = [span for span, _ in hypothesis.piece_scores or ()]
            assert ends == sorted(ends)
            assert all(0 <= start <= end <= len(hypothesis.text) for start, end in ends)


@torch.inference_mode()
@pytest.mark.parametrize("penalty", [0.0, 0.6])
def test_scores_of_pieces_are_those_of_the_network_and_add_up(
    translator: Translator, penalty: float
) -> None:
    text = "Where is it?"
    options = replace(SHORT, token_scores=True, length_penalty=penalty)
    (translation,) = translator.translate([text], source="en", target="de", options=options)
    transformer, vocabulary = translator.plain_aligner.transformer, translator.vocabulary
    names = vocabulary.target_tokens
    for hypothesis in translation.hypotheses:
        scores = [log_prob for _, log_prob in hypothesis.piece_scores or ()]
        divisor = ((5 + len(scores)) / 6) ** penalty
        assert sum(scores) / divisor == pytest.approx(hypothesis.score, abs=1e-9)
    sentence = translator.draft(text, translator.route("en", "de"), options).sentences[0]
    work = translator.start_work(2)
    work.submit([sentence])
    while work.busy:
        work.step()
    ids = sentence.target_ids[0]
    source, target = torch.tensor([sentence.tokens]), torch.tensor([[1, *ids]])
    wanted = transformer(source, None, target)[0].log_softmax(-1)
    each = [float(wanted[t, token]) for t, token in enumerate([*ids, names.index("</s>")])]
    found = [log_prob for _, log_prob in translation.hypotheses[0].piece_scores or ()]
    assert found == pytest.approx(each, abs=1e-6)


def test_what_is_copied_is_linked_to_itself(translator: Translator) -> None:
    (translation,) = translate(translator, [" ... "], alignments=True, token_scores=True)
    (hypothesis,) = translation.hypotheses
    assert hypothesis.alignment == tuple(((i, i + 1), (i, i + 1)) for i in (1, 2, 3))
    assert hypothesis.piece_scores == ()


def test_links_and_scores_do_not_depend_on_neighbours(translator: Translator) -> None:
    together = translate(translator, TEXTS, alignments=True, token_scores=True)
    apart = [translate(translator, [text], alignments=True, token_scores=True)[0] for text in TEXTS]
    assert together == apart


def test_a_network_without_a_plain_form_is_refused(translator: Translator) -> None:
    class Other:
        dtype = "int8"
        config = translator.network.config

    other = Translator(Other(), translator.vocabulary)  # type: ignore[arg-type]
    with pytest.raises(
        UsageError, match="no alignments or scores of pieces from a network in int8"
    ):
        _ = other.aligner


# --- the heads -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("layers", "expected"), [(1, 0), (2, 1), (3, 2), (6, 4), (12, 8)])
def test_heads_of_a_model_that_was_not_measured(layers: int, expected: int) -> None:
    config = TransformerConfig(vocab_size=10, num_decoder_layers=layers)
    assert AlignmentHeads.default(config).layer == expected


@pytest.mark.parametrize(
    "change", [{"layer": 6}, {"layer": -1}, {"heads": []}, {"heads": [8]}, {"reads": 1}]
)
def test_heads_that_the_network_has_not_are_refused(change: dict[str, object]) -> None:
    values = {"layer": 0, "heads": [0], "reads": True, **change}
    with pytest.raises(ModelError, match="the network has no such heads"):
        AlignmentHeads.from_dict(values, TransformerConfig(vocab_size=10))


ALIGNED = DecodingOptions(alignments=True)

REAL = [
    "On 14 March 2019 Anna Miller paid 350 euros to Mr. Tanaka in Hamburg.",
    "Peter and Maria live in Berlin, but Thomas works in London.",
    "The XR500 costs 1250 dollars, the XR700 only 80 more.",
    "Microsoft bought the company from Oracle in 2011 for 45 million.",
    "According to Angela Merkel, 27 countries signed it in Paris.",
    "In 1998 Brazil lost 3 to 0 against France.",
]


def test_names_and_numbers_are_linked_to_each_other_by_the_shipped_model() -> None:
    _, facts = read_config(SHIPPED / "en-de")
    assert facts.alignment
    translator = Translator.load("en-de", device="cpu", dtype="float32")
    assert isinstance(translator.aligner, PlainAligner)
    right = wrong = 0
    for text, translation in zip(
        REAL, translator.translate(REAL, source="en", options=ALIGNED), strict=True
    ):
        best = translation.hypotheses[0]
        linked = set(best.alignment or ())
        for source, target in same_names(text, best):
            right += (source, target) in linked
            wrong += (source, target) not in linked
    assert right >= 25
    assert wrong <= 1


def same_names(text: str, hypothesis: Hypothesis) -> list[tuple[tuple[int, int], ...]]:
    """Names and numbers that are once in both."""
    found = []
    for name in re.findall(r"\b(?:[A-Z]\w+|\d+)\b", text):
        places = [
            [match.span() for match in re.finditer(rf"\b{name}\b", t)]
            for t in (text, hypothesis.text)
        ]
        if all(len(place) == 1 for place in places):
            found.append((places[0][0], places[1][0]))
    return found
