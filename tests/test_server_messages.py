"""Options as messages and back."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.rpc.messages import (
    OPTIONS,
    REQUIRED_TERMS,
    CallOptions,
    Content,
    options_from,
    options_message,
)

INT32 = st.integers(1, 2**31 - 1)


def test_the_contract_has_every_option_of_the_library() -> None:
    # A target prefix is not among the options there, since every text may have its own.
    assert {*OPTIONS, REQUIRED_TERMS, "target_prefix"} == {f.name for f in fields(DecodingOptions)}


def test_what_is_not_set_is_the_default() -> None:
    assert options_from(pb.DecodingOptions()) == DecodingOptions()


@given(
    st.builds(
        DecodingOptions,
        beam_size=st.integers(4, 64),
        n_best=st.integers(1, 4),
        length_penalty=st.floats(0, 10),
        length_normalisation=st.sampled_from(["paper", "average"]),
        early_stopping=st.booleans(),
        patience=st.floats(0.1, 10),
        max_length=st.none() | st.integers(1, 4096),
        length_ratio=st.floats(0, 10),
        length_offset=st.integers(0, 4096),
        min_length=st.just(0),
        coverage_penalty=st.floats(0, 1),
        no_repeat_ngram_size=st.integers(0, 4096),
        repetition_penalty=st.floats(0.5, 2),
        prefix_bias=st.floats(0, 0.9),
        sampling=st.just(True),
        temperature=st.floats(0.1, 2),
        top_k=INT32,
        top_p=st.floats(0.1, 1),
        seed=st.integers(0, 2**64 - 1),
        guard=st.booleans(),
        alignments=st.booleans(),
        token_scores=st.booleans(),
    )
)
def test_options_come_back_as_they_were(options: DecodingOptions) -> None:
    assert options_from(options_message(options)) == options


def test_a_number_that_no_message_can_carry_is_refused() -> None:
    with pytest.raises(UsageError, match="max_length"):
        options_message(DecodingOptions(max_length=2**31))


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(UsageError, match="length_normalisation"):
        options_from(pb.DecodingOptions(length_normalisation=7))  # type: ignore[arg-type]


def test_required_terms_come_back_as_they_were() -> None:
    options = DecodingOptions(required_terms=("Hund", "am Strand"))
    assert options_from(options_message(options)) == options


def test_what_is_no_unicode_is_sent_as_a_local_translator_takes_it() -> None:
    message = options_message(DecodingOptions(required_terms=("a\ud800",)))
    assert list(message.required_terms) == ["a\ufffd"]


def test_every_text_has_its_own_prefix() -> None:
    request = pb.TranslateTextRequest(contents=["a", "b"], target_prefixes=["", "x"])
    order = CallOptions.of(request)
    first, second = map(order.options_for, Content.all_of(request))
    assert (first.target_prefix, second.target_prefix) == ("", "x")


def test_prefixes_are_none_or_as_many_as_texts() -> None:
    with pytest.raises(UsageError, match=r"none or as many as contents \(2\), not 1"):
        Content.all_of(pb.TranslateTextRequest(contents=["a", "b"], target_prefixes=["x"]))
    assert Content.all_of(pb.TranslateTextRequest(contents=["a"])) == [Content("a", "")]


def test_a_page_has_neither_a_prefix_nor_required_terms() -> None:
    order = CallOptions.of(pb.TranslateTextRequest(mime_type="text/html"))
    with pytest.raises(UsageError, match="takes no target prefix"):
        order.options_for(Content("a", "x"))
    options = pb.DecodingOptions(required_terms=["x"])
    with pytest.raises(UsageError, match="takes no required terms"):
        CallOptions.of(pb.TranslateTextRequest(mime_type="text/html", options=options))
