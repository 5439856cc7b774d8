"""Every request, alone or among others, on one engine or several: the same answer."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest
from random_requests import random_options
from serving import SENTENCES
from tiny import tiny_transformer

from tformer.model.errors import UsageError
from tformer.model.network.eager import Eager
from tformer.model.network.int8.network import Int8
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.terms.glossary import Entry, Glossary
from tformer.model.translation import Translation
from tformer.model.vocabulary.sentencepiece import Vocabulary
from tformer.server.scheduling import AsyncScheduler

WIDEST = 3
GLOSSARY = Glossary([Entry("dog", "Hund"), Entry("house", "Haus"), Entry("dog", "Tier")])
Order = tuple[str, DecodingOptions, Glossary | None]


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path: Path = tmp_path_factory.mktemp("vocabulary") / "sentencepiece.model"
    return Vocabulary.train(SENTENCES, path, languages=["en", "de"], size=330)


def translator_of(vocabulary: Vocabulary, dtype: str, engines: int) -> Translator:
    transformer = tiny_transformer(3, vocab_size=len(vocabulary), max_length=128)
    network = Eager(transformer) if dtype == "float32" else Int8(transformer)
    return Translator(network, vocabulary, threads=engines)


def random_order(draw: random.Random, dtype: str) -> Order:
    """A text of one to three sentences, options of any kind and perhaps a glossary."""
    text = " ".join(draw.sample(SENTENCES, draw.randint(1, 3)))
    options = random_options(draw, WIDEST, 8)
    required = draw.choice([(), ("Hund",), ("Haus", "am")])
    options = replace(
        options,
        max_length=10,
        target_prefix=draw.choice(["", "", "Ein"]),
        required_terms=() if options.sampling else required,
    )
    if dtype == "int8":
        options = replace(options, coverage_penalty=0)
    return text, options, draw.choice([None, GLOSSARY])


def alone(translator: Translator, order: Order) -> Translation:
    text, options, glossary = order
    given = {"source": "en", "target": "de", "options": options, "glossary": glossary}
    (translation,) = translator.translate([text], **given)  # type: ignore[arg-type]
    return translation


async def together(translator: Translator, orders: list[Order]) -> list[Translation]:
    """Serve all orders at once, among calls that fail, are cancelled or come too late."""
    route = translator.route("en", "de")
    workers = AsyncScheduler(translator, beam_size=WIDEST, max_wait=30)
    drafts = [translator.draft(text, route, *more) for text, *more in orders]
    too_wide = DecodingOptions(beam_size=WIDEST + 1, max_length=4)
    endless = DecodingOptions(beam_size=2, min_length=100, max_length=100)
    text = " ".join(SENTENCES)
    failing, cancelled = (translator.draft(text, route, each) for each in (too_wide, endless))
    calls = [asyncio.create_task(workers.translate([each], "client")) for each in drafts]
    unwanted = asyncio.create_task(workers.translate([cancelled], "other"))
    calls.append(asyncio.create_task(workers.translate([failing], "other")))
    await asyncio.sleep(0.01)
    unwanted.cancel()
    *answers, failure = await asyncio.gather(*calls, return_exceptions=True)
    await workers.close()
    assert isinstance(failure, UsageError)
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    return [
        each.translation(options.n_best)
        for each, (_, options, _) in zip(drafts, orders, strict=True)
    ]


def assert_same(ours: list[Translation], theirs: list[Translation], dtype: str) -> None:
    """Compare every field: int8 to the bit; other sums may depend on the shape of the batch."""
    if dtype != "int8":
        ours, theirs = ([with_rounded_scores(each) for each in all_of] for all_of in (ours, theirs))
    assert ours == theirs


def with_rounded_scores(translation: Translation) -> Translation:
    rounded = [replace(each, score=round(each.score, 9)) for each in translation.hypotheses]
    return replace(translation, hypotheses=tuple(rounded))


def check(vocabulary: Vocabulary, dtype: str, engines: int, seed: int, number: int) -> None:
    draw = random.Random(seed)
    orders = [random_order(draw, dtype) for _ in range(number)]
    one, several = (translator_of(vocabulary, dtype, n) for n in (1, engines))
    expected = [alone(one, order) for order in orders]
    assert_same(asyncio.run(together(several, orders)), expected, dtype)
    _, options, glossary = orders[0]
    texts = [order[0] for order in orders]
    given = {"source": "en", "target": "de", "options": options, "glossary": glossary}
    ours, theirs = (list(t.translate(texts, **given)) for t in (several, one))  # type: ignore[arg-type]
    assert_same(ours, theirs, dtype)
    assert_same(ours[:1], expected[:1], dtype)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("engines", [1, 2, 3])
def test_no_engine_and_no_neighbour_changes_an_answer(
    vocabulary: Vocabulary, dtype: str, engines: int
) -> None:
    check(vocabulary, dtype, engines, seed=engines, number=4)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_no_engine_and_no_neighbour_changes_any_of_many_answers(
    vocabulary: Vocabulary, dtype: str
) -> None:
    for seed in range(6):
        check(vocabulary, dtype, 1 + seed % 3, seed=100 + seed, number=10)
