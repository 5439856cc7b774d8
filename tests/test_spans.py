"""Pieces are found in the text that they are of; links between tokens become pairs of words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tformer.model.text import offsets as spans
from tformer.model.text.offsets import pharaoh, piece_spans, tokens, word_pairs, words
from tformer.model.translation import Link
from tformer.model.vocabulary.sentencepiece import Vocabulary, normalise


def texts_at(text: str, spans: list[tuple[int, int]]) -> list[str]:
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't, she said.", ["Don't", ",", "she", "said", "."]),
        ("12,500 € (net)", ["12", ",", "500", "€", "(", "net", ")"]),
        ("東京に行く in Tōkyō", ["東", "京", "に", "行", "く", "in", "Tōkyō"]),
        ("", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert texts_at(text, tokens(text)) == expected


def linked(source: str, target: str, *pairs: tuple[str, str]) -> list[tuple[int, int]]:
    links = [
        Link(
            (source.index(a), source.index(a) + len(a)), (target.index(b), target.index(b) + len(b))
        )
        for a, b in pairs
    ]
    return word_pairs(source, target, links)


def test_words_are_paired_by_their_letters() -> None:
    pairs = linked(
        "the house, yes", "das Haus ja , so", ("house", "Haus"), (",", ","), ("yes", "ja")
    )
    assert pairs == [(1, 1), (2, 2)]
    assert pharaoh(pairs) == "1-1 2-2"


def test_words_of_punctuation_are_paired_with_each_other() -> None:
    assert linked("a – b", "c – d", ("–", "–"), ("b", "d")) == [(1, 1), (2, 2)]


def test_words_are_what_white_space_separates() -> None:
    assert texts_at(" a,b \t(c)\n", words(" a,b \t(c)\n")) == ["a,b", "(c)"]


@pytest.mark.parametrize(
    ("pieces", "text", "expected"),
    [
        pytest.param(["▁Hä", "llo"], "  Hällo", ["Hä", "llo"], id="white space"),
        pytest.param(["▁Hä", "llo"], "Ha\u0308llo", ["Ha\u0308", "llo"], id="composed"),
        pytest.param(
            ["<2de>", "▁a", "▁", "<0xE5>", "<0x8C>", "<0x97>", "</s>"],
            "a 北",
            ["", "a", "", "北", "北", "北", ""],
            id="bytes and control symbols",
        ),
        pytest.param(["▁½", "x"], "½x", ["½", "x"], id="compatibility form"),
        pytest.param(["▁fi", "x"], "ﬁx", ["ﬁ", "x"], id="ligature"),
        pytest.param(["▁", "<", "b", ">"], "<b>", ["", "<", "b", ">"], id="markup"),
        pytest.param(
            ["▁한", "국"], "\u1112\u1161\u11ab국", ["\u1112\u1161\u11ab", "국"], id="jamo"
        ),
        pytest.param(["▁a", "▁b"], "a\x00b", ["a", "b"], id="control character"),
        pytest.param(["▁ab", "▁c"], "a\u200bb c", ["a\u200bb", "c"], id="what was dropped"),
        pytest.param(["<0xC3>", "▁a"], "\ufffda", ["\ufffd", "a"], id="half a character"),
    ],
)
def test_pieces_are_found(pieces: list[str], text: str, expected: list[str]) -> None:
    assert texts_at(text, piece_spans(pieces, text)) == expected


@given(st.text("aeodg häé.,0北😀\u0301\u00a0 \x00", max_size=30) | st.text(max_size=20))
def test_every_letter_belongs_to_the_piece_that_spells_it(
    vocabulary: Vocabulary, text: str
) -> None:
    pieces = [vocabulary.piece(token) for token in vocabulary.pieces(text)]
    spans = piece_spans(pieces, text)
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)
    for piece, (start, end) in zip(pieces, spans, strict=True):
        if not piece.startswith("<0x") and piece != "▁":
            assert piece.removeprefix("▁") in normalise(text[start:end])


@given(st.text("aeodg häéßŒ.,0½<>\u00ad\u0301", max_size=30))
def test_a_simple_text_has_its_pieces_where_any_text_has_them(
    vocabulary: Vocabulary, text: str
) -> None:
    pieces = [vocabulary.piece(token) for token in vocabulary.pieces(text)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "_is_simple", lambda text: False)
        expected = spans._piece_spans.__wrapped__(tuple(pieces), text)
    assert piece_spans(pieces, text) == list(expected)
