"""Splitting loses nothing, knows abbreviations, keeps limits; detection copes with short text."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tformer.model.errors import UsageError
from tformer.model.text import identification, segmentation
from tformer.model.text.language_check import found_language
from tformer.model.text.segmentation import Piece, detect, split

# Text that looks like text: random code points alone would seldom contain a boundary.
ABBREVIATIONS = ["Dr. ", "z. B. ", "e.g. ", "U.S.", "3.5", "1. ", "...", "…"]
ENDS = [". ", "! ", "?\n", '"Why?" ', "„Ja“", "猫。", "; ", ", ", " – "]
SPACES = [" ", "\t", "\r\n", "\x0b", "\x85", "\u2028", "\ufeff", "\x00"]
WORDS = ["Der Hund bellt", "It rains", "é", "👍🏽", "\ud800"]
SNIPPETS = st.sampled_from(ABBREVIATIONS + ENDS + SPACES + WORDS)
TEXTS = st.lists(SNIPPETS | st.text(max_size=5), max_size=30).map("".join)
LANGUAGES = st.sampled_from(["en", "de", "xx"])


def joined(pieces: list[Piece]) -> str:
    return "".join(piece.text + piece.separator for piece in pieces)


def texts(text: str, language: str) -> list[str]:
    return [piece.text for piece in split(text, language)]


@given(TEXTS, LANGUAGES)
def test_splitting_loses_nothing(text: str, language: str) -> None:
    assert joined(split(text, language)) == text


@given(TEXTS, LANGUAGES)
@example("...\x1f0", "en")
@example("Yes.\x1c\x1d\x1e\x1fNo.\x1f", "en")
def test_white_space_is_in_separators_only(text: str, language: str) -> None:
    for piece in split(text, language):
        assert piece.text == piece.text.strip()
        assert not piece.separator.strip()


@given(TEXTS, LANGUAGES, st.integers(1, 40))
def test_no_piece_exceeds_the_limit_and_nothing_is_lost(
    text: str, language: str, limit: int
) -> None:
    pieces = split(text, language, limit=limit)
    assert joined(pieces) == text
    assert all(len(piece.text) <= limit for piece in pieces)


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        pytest.param("de", ["Das kostet z. B. 3,50 Euro.", "Mehr nicht."], id="z. B."),
        pytest.param("de", ["Das ist d. h. wahr.", "So u. a. hier."], id="d. h., u. a."),
        pytest.param("de", ["Prof. Dr. Meier kam.", "Er ging bald."], id="Prof. Dr."),
        pytest.param("de", ["Er fuhr am 3. Oktober ab.", "Sie blieb."], id="date"),
        pytest.param("de", ["Ludwig XIV. war König.", "Er tanzte."], id="roman ordinal"),
        pytest.param("de", ["Die 20. Minute lief.", "Das Tor fiel."], id="ordinal"),
        pytest.param("de", ["Die Fa. Huber liefert ggf. Ware.", "Gut."], id="Fa., ggf."),
        pytest.param("de", ["Siehe Nr. 5, Abb. 3 bzw. S. 12 unten.", "Gut."], id="Nr., Abb., S."),
        pytest.param("de", ["Er ging … nach Hause.", "Dann schlief er."], id="ellipsis"),
        pytest.param("de", ["Er sagte: „Komm!“", "Dann ging er."], id="quotation"),
        pytest.param("de", ["Er wiegt 1.200,5 kg.", "Viel."], id="number"),
        pytest.param("en", ["Mr. and Mrs. Brown met Dr. Lee.", "They spoke."], id="Mr., Dr."),
        pytest.param("en", ["The U.S. Army came.", "It left."], id="U.S. inside"),
        pytest.param("en", ["He lives in the U.S.", "She does not."], id="U.S. at the end"),
        pytest.param("en", ["Use a tool, e.g. a saw, i.e. this.", "Good."], id="e.g., i.e."),
        pytest.param("en", ["It is approx. 3.5 m long.", "Good."], id="approx. and a decimal"),
        pytest.param("en", ["He came at 5 p.m. on Monday.", "She left."], id="p.m."),
        pytest.param("en", ["J. F. Kennedy spoke.", "They heard."], id="initials"),
        pytest.param("en", ["Wait... what is it?", "Nothing."], id="ellipsis"),
        pytest.param("en", ['"Really?" she said.', "He nodded."], id="quotation"),
        pytest.param("en", ["1. Open the lid.", "2. Close it."], id="numbered list"),
    ],
)
def test_a_full_stop_does_not_always_end_a_sentence(language: str, sentences: list[str]) -> None:
    assert texts(" ".join(sentences), language) == sentences


def test_line_breaks_end_sentences() -> None:
    assert split("A title\r\n\n  Then text. More", "en") == [
        Piece("A title", "\r\n"),
        Piece("", "\n"),
        Piece("", "  "),
        Piece("Then text.", " "),
        Piece("More", ""),
    ]


def test_nothing_has_no_pieces() -> None:
    assert split("", "en") == []


def test_a_long_sentence_is_cut_at_a_clause_first() -> None:
    sentence = "We left early in the morning; the road was dry, and nobody else was there."
    assert [piece.text for piece in split(sentence, "en", limit=60)] == [
        "We left early in the morning;",
        "the road was dry, and nobody else was there.",
    ]


def test_only_cuts_inside_sentences_are_marked() -> None:
    pieces = split("Short one. A long one, which has, a few clauses.", "en", limit=25)
    assert [piece.cut for piece in pieces] == [False, True, False]


def test_the_limit_counts_in_the_unit_of_the_caller() -> None:
    words = split("one two three four five six", "en", length=lambda s: len(s.split()), limit=2)
    assert all(len(piece.text.split()) <= 2 for piece in words)


def test_a_megabyte_without_a_space_is_cut_in_time_that_does_not_explode() -> None:
    pieces = split("a" * 1_000_000, "en", limit=1000)
    assert max(len(piece.text) for piece in pieces) <= 1000


def test_a_base_letter_keeps_its_accent() -> None:
    text = "e\u0301" * 50
    assert all(not p.text.startswith("\u0301") for p in split(text, "en", limit=11))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hund", "de"),
        ("dog", "en"),
        ("Katze", "de"),
        ("water", "en"),
        ("Where is the railway station?", "en"),
        ("Wo ist der Bahnhof?", "de"),
        ("GUTEN MORGEN", "de"),
        ("Good morning", "en"),
    ],
)
def test_short_text_is_recognised(text: str, language: str) -> None:
    for languages in (("en", "de"), ("de", "en")):
        assert detect(text, languages).language == language


@pytest.mark.parametrize("text", ["", "42", "\x00", "🙂", "\ufffd\ufffd"])
def test_where_nothing_is_known_the_first_language_wins_at_chance(text: str) -> None:
    assert detect(text, ("en", "de")).language == "en"
    assert detect(text, ("de", "en")).language == "de"
    assert detect(text, ("de", "en")).confidence == pytest.approx(0.5)


def test_detection_names_a_language_it_does_not_know() -> None:
    with pytest.raises(UsageError, match="tlh"):
        detect("nuqneH", ("en", "tlh"))


def test_threads_load_a_detector_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    load = identification.LanguageIdentifier.from_model_file

    def slow(file: str, **how: bool) -> object:
        loads.append(file)
        return load(file, **how)

    monkeypatch.setattr(identification.LanguageIdentifier, "from_model_file", slow)
    identification._loaded.cache_clear()
    segmentation._identifier.cache_clear()
    texts = ["A dog runs.", "Ein Hund läuft."] * 4
    with ThreadPoolExecutor(8) as threads:
        orders = [["de", "en"], ["en", "de"]] * 4
        found = list(threads.map(segmentation.detect, texts, orders))
    assert [each.language for each in found] == ["en", "de"] * 4
    assert len(loads) == 1
    # A sentence in a third language is told by the same one.
    french = "Les enfants jouent avec le chien devant la vieille église du village."
    assert found_language(french, "en", "de", ["en", "de"]) == "fr"
    assert len(loads) == 1
