"""The engines of a runner: plain sentences are not slowed down by those with constraints."""

from __future__ import annotations

import pytest

from tformer.model.options import DecodingOptions
from tformer.model.passes.draft import Sentence
from tformer.model.passes.runner import PassRunner
from tformer.model.pipeline.translator import Translator

TEXTS = ["A dog runs.", "Two children play.", "The house is old.", "He reads a book."]


@pytest.fixture(scope="module")
def translator() -> Translator:
    """The shipped model, in the arithmetic in which the network searches by itself."""
    return Translator.load("en-de", dtype="int8", threads=1)


def drafted(translator: Translator, prefix: str = "") -> list[Sentence]:
    options = DecodingOptions(beam_size=2)
    route = translator.route("en", "de")
    found = [s for text in TEXTS for s in translator.draft(text, route, options).waiting]
    if prefix:
        found[0].prefix = tuple(translator.vocabulary.encode_target(prefix)[:-1])
    return found


def decoded(work: PassRunner, sentences: list[Sentence]) -> tuple[list[str], set[bool]]:
    """The translations, and whether the batch of plain sentences was plain at each step."""
    work.submit(sentences)
    plain = set()
    while work.busy:
        plain.add(work._engine._beam.is_plain)
        work.step()
    return [sentence.hypotheses[0].text for sentence in sentences], plain


def test_a_sentence_with_a_prefix_leaves_the_others_to_the_search_of_the_network(
    translator: Translator,
) -> None:
    alone, _ = decoded(translator.start_work(2), drafted(translator)[1:])
    work = translator.start_work(2)
    together, plain = decoded(work, drafted(translator, "Ein Tier"))
    assert together[0].startswith("Ein Tier")
    assert together[1:] == alone
    assert plain == {True}
    assert not work._further, "an engine that has nothing to do any more is kept"


def test_a_cancelled_sentence_leaves_the_engine_with_constraints(translator: Translator) -> None:
    work = translator.start_work(2)
    first, *others = drafted(translator, "Ein Tier")
    work.submit([first, *others])
    assert [engine.num_waiting for engine in work.engines] == [len(others), 1]
    work.cancel([first])
    assert [engine.num_waiting for engine in work.engines] == [len(others)]
    assert not work._further
