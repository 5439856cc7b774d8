"""A text is put together from its sentences; no network here."""

import pytest

from tformer.model.options import DecodingOptions
from tformer.model.passes.draft import Draft, Sentence
from tformer.model.text.segmentation import Piece
from tformer.model.translation import FinishReason, Hypothesis


def sentence(tokens: int = 3, limit: int | None = None, separator: str = " ") -> Sentence:
    done = Sentence(Piece("hund", separator), [7] * tokens, DecodingOptions())
    if tokens:
        done.hypotheses = [Hypothesis("dog", -0.5)]
        done.target_ids = [(8, 9)]
        done.limit = limit
    return done


@pytest.mark.parametrize(
    ("sentences", "reason"),
    [
        pytest.param([], FinishReason.COPIED, id="nothing"),
        pytest.param([sentence(0)], FinishReason.COPIED, id="no word"),
        pytest.param([sentence(), sentence(0)], FinishReason.END_OF_SENTENCE, id="ends"),
        pytest.param([sentence(limit=2), sentence()], FinishReason.LENGTH, id="limit"),
    ],
)
def test_a_translation_says_why_it_ends(sentences: list[Sentence], reason: FinishReason) -> None:
    translation = Draft("de", "en", sentences, []).translation(1)
    assert translation.finish_reason == reason
    assert bool(translation.warnings) == (reason == FinishReason.LENGTH)


def test_sentences_are_joined_and_counted() -> None:
    draft = Draft("de", "en", [sentence(), sentence(0), sentence(4, separator="")], ["cut"])
    translation = draft.translation(1)
    assert translation.text == "dog hund dog"
    assert (translation.source_tokens, translation.target_tokens) == (7, 4)
    assert translation.warnings == ("cut",)


def test_a_draft_waits_for_the_sentences_that_have_no_translation() -> None:
    new = Sentence(Piece("hund", ""), [7], DecodingOptions())
    draft = Draft("de", "en", [sentence(), new, sentence(0)], [])
    assert draft.waiting == [new]
    assert not draft.complete
