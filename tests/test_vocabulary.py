"""Text to ids and back: every text has ids, and none is lost."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_training import SENTENCES, VOCABULARY_SIZE

from tformer.model.errors import InputError, ModelError, TrainingError
from tformer.model.text.normalization import normalise
from tformer.model.vocabulary.sentencepiece import UNKNOWN_ID, Vocabulary

any_text = st.text(st.characters(codec=None), max_size=40)  # surrogates too


@given(any_text)
@example("漢字 😀 \u0378")
@example("\ud800")
@example("\u2581a\u2581")
@example("</s><unk><0x41>")
def test_every_text_has_ids_and_comes_back(vocabulary: Vocabulary, text: str) -> None:
    ids = vocabulary.pieces(text)
    assert not {vocabulary.pad_id, vocabulary.bos_id, vocabulary.eos_id, UNKNOWN_ID} & {*ids}
    assert all(vocabulary.tag_id(language) not in ids for language in vocabulary.languages)
    assert vocabulary.decode(ids) == normalise(text)


@given(any_text)
def test_normalisation_is_done_after_once(text: str) -> None:
    normalised = normalise(text)
    assert normalise(normalised) == normalised
    assert unicodedata.is_normalized("NFC", normalised)
    normalised.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two \t spaces\u00a0here ", "two spaces here"),
        ("a\x00b\x7fc\x85d", "a b c d"),
        ("u\u0308ber", "über"),
        ("½ m² ﬁ Ⅳ", "½ m² ﬁ Ⅳ"),
        ("\udcff", "\ufffd"),
        ("a\u2581b", "a b"),
        ("\n", ""),
    ],
    ids=["spaces", "controls", "composed", "compatibility", "surrogate", "space-mark", "blank"],
)
def test_normalisation_keeps_meaning(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_encode_is_tag_pieces_end(vocabulary: Vocabulary) -> None:
    pieces = vocabulary.pieces("A dog")
    assert vocabulary.encode("A dog", "de") == [vocabulary.tag_id("de"), *pieces, 2]
    assert vocabulary.encode_target("A dog") == [*pieces, 2]
    assert vocabulary.decode(vocabulary.encode("A dog", "de")) == "A dog"
    assert vocabulary.encode_target("") == [2]


def test_a_tag_spelt_in_the_text_is_text(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode("<2en> <2de>", "de")
    assert ids.count(vocabulary.tag_id("de")) == 1
    assert vocabulary.tag_id("en") not in ids
    assert vocabulary.decode(ids) == "<2en> <2de>"


def test_many_at_once_are_each_alone(vocabulary: Vocabulary) -> None:
    texts = [*SENTENCES, "", "漢"]
    assert vocabulary.pieces_of_many(texts, threads=2) == [vocabulary.pieces(t) for t in texts]


def test_digits_are_pieces_of_their_own(vocabulary: Vocabulary) -> None:
    assert [vocabulary.piece(token) for token in vocabulary.pieces("945")] == ["▁", "9", "4", "5"]


def test_invalid_bytes_become_the_replacement_character(vocabulary: Vocabulary) -> None:
    assert vocabulary.decode(vocabulary.pieces("漢")[:-1]) in ("\ufffd", "\ufffd\ufffd")


def test_size_and_languages(vocabulary: Vocabulary) -> None:
    assert len(vocabulary) == VOCABULARY_SIZE
    assert vocabulary.languages == ("en", "de")
    with pytest.raises(ModelError, match=r"language 'fr' is unknown to this model \(en, de\)"):
        vocabulary.tag_id("fr")


def test_the_order_of_languages_and_regions_are_kept(tmp_path: Path) -> None:
    languages = ("pt-BR", "de", "sr-Latn")
    trained = Vocabulary.train(SENTENCES, tmp_path / "v.model", languages=languages, size=320)
    assert trained.languages == languages


# -- files and training -------------------------------------------------------------------


@pytest.mark.parametrize("content", [None, b"", b"not a model"], ids=["missing", "empty", "text"])
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "sentencepiece.model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"sentencepiece\.model: not a"):
        Vocabulary(path)


def test_a_vocabulary_of_another_program_is_refused(tmp_path: Path) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_prefix=str(tmp_path / "other"),
        vocab_size=60,
        minloglevel=2,
    )
    with pytest.raises(ModelError, match="not a vocabulary of tformer"):
        Vocabulary(tmp_path / "other.model")


@pytest.mark.parametrize(
    ("sentences", "size", "reason"),
    [
        (SENTENCES, 5000, "too high"),
        (SENTENCES, 100, "smaller than required_chars"),
        ([], 300, "there are no sentences"),
    ],
    ids=["too-little-text", "too-small", "empty"],
)
def test_text_that_cannot_support_a_vocabulary(
    tmp_path: Path, sentences: list[str], size: int, reason: str
) -> None:
    with pytest.raises(TrainingError, match=reason) as caught:
        Vocabulary.train(sentences, tmp_path / "v.model", languages=["en", "de"], size=size)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_reading_sentences_raises_is_passed_on(tmp_path: Path) -> None:
    def sentences() -> Iterator[str]:
        yield from SENTENCES
        raise InputError("corpus.tsv:3: not UTF-8")

    with pytest.raises(InputError, match=r"corpus\.tsv:3: not UTF-8"):
        Vocabulary.train(sentences(), tmp_path / "v.model", languages=["en", "de"], size=300)
    assert not list(tmp_path.iterdir())
