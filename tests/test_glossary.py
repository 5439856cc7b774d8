"""Finding terms in texts, held to a search that tries every place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tformer.model.terms.glossary import Entry, Glossary, Term, is_said, uses_of, warnings_about
from tformer.model.text.normalization import normalise, same_language


def found(text: str, *sources: str) -> list[str]:
    """The sources of the terms in a text, as the glossary writes them."""
    glossary = Glossary(Entry(source, "x") for source in sources)
    return [one.term.source for one in glossary.find(text, "en", "de")]


@pytest.mark.parametrize(
    ("text", "sources", "expected"),
    [
        pytest.param("The turbine turns.", ["turbine"], ["turbine"], id="a word"),
        pytest.param("The turbines turn.", ["turbine"], [], id="part of a word"),
        pytest.param("Two steam turbines", ["turbine", "turbines"], ["turbines"], id="its plural"),
        pytest.param("TURBINE, Turbine", ["turbine"], ["turbine", "turbine"], id="any capitals"),
        pytest.param("us and US", ["US"], ["US"], id="as written"),
        pytest.param("us, US, Us", ["US", "us"], ["us", "US", "us"], id="both"),
        pytest.param(
            "a gas turbine", ["gas", "turbine", "gas turbine"], ["gas turbine"], id="long"
        ),
        pytest.param("gas gas turbine", ["gas", "gas turbine"], ["gas", "gas turbine"], id="again"),
        pytest.param("a b c", ["a b", "b c"], ["a b"], id="the first of two as long"),
        pytest.param("a bb c", ["a bb", "bb cc", "bb c"], ["a bb"], id="overlap at the end"),
        pytest.param("(turbine)/turbine's", ["turbine"], ["turbine"] * 2, id="punctuation"),
        pytest.param("x_turbine turbine2", ["turbine"], [], id="identifiers"),
        pytest.param("in C++ and C", ["C++", "C"], ["C++", "C"], id="signs"),
        pytest.param("a  gas\n turbine", ["gas turbine"], ["gas turbine"], id="white space"),
        pytest.param("u\u0308ber", ["über"], ["über"], id="composition"),
        pytest.param("u\u0308ber", ["u"], [], id="a letter of a composed one"),
        pytest.param("क\u093f", ["क"], [], id="a letter with its vowel sign"),
        pytest.param("私は東京に住む", ["東京"], ["東京"], id="no spaces"),
        pytest.param("İstanbul ist groß", ["groß"], ["groß"], id="capital that grows"),
        pytest.param("short", ["much longer than the sentence"], [], id="longer than the text"),
        pytest.param("", ["a"], [], id="empty text"),
        pytest.param("a\0b", ["a", "b", "a b"], ["a b"], id="NUL is a space"),
        pytest.param("\ud800 a", ["a"], ["a"], id="a lone surrogate"),
    ],
)
def test_terms_are_found(text: str, sources: list[str], expected: list[str]) -> None:
    assert found(text, *sources) == expected


WORDS = st.lists(st.sampled_from(["a", "b", "A", "ab", "Ba", "ß", "東", " ", " ", "-"]), max_size=9)
PHRASE = WORDS.map("".join).map(normalise)


def by_hand(text: str, sources: list[str]) -> list[tuple[int, int]]:
    """Every place of every source, the longest first, as long as it is free."""

    def word(character: str) -> bool:
        return character.isalpha() and character != "東"

    places = set()
    for source in filter(None, sources):
        for start in range(len(text)):
            written = text[start : start + len(source)]
            end = start + len(source)
            same = written == source or (source == source.lower() and written.lower() == source)
            before = start and word(text[start - 1]) and word(text[start])
            behind = end < len(text) and word(text[end]) and word(text[end - 1])
            if same and not before and not behind:
                places.add((start, end))
    chosen: list[tuple[int, int]] = []
    for start, end in sorted(places, key=lambda place: (place[0] - place[1], place[0])):
        if all(end <= other or start >= other_end for other, other_end in chosen):
            chosen.append((start, end))
    return sorted(chosen)


@given(text=PHRASE, sources=st.lists(PHRASE, max_size=5))
def test_the_automaton_finds_what_trying_every_place_does(text: str, sources: list[str]) -> None:
    glossary = Glossary(Entry(source, "x") for source in sources)
    places = [(one.start, one.end) for one in glossary.find(text, "en", "de")]
    assert places == by_hand(text, sources)


def test_entries_of_one_source_are_alternatives() -> None:
    entries = [
        Entry("engine", "Motor", note="technical"),
        Entry("engine", "Motors"),
        Entry("engine", "Motor"),
        Entry(" engine ", "  "),
    ]
    (one,) = Glossary(entries).find("An engine.", "en", "de")
    assert one.term == Term("engine", ("Motor", "Motors"))


def test_an_entry_serves_its_languages_only() -> None:
    glossary = Glossary([Entry("a", "x", "en", "de-AT"), Entry("b", "y"), Entry("c", "z", "fr")])
    assert [one.term.source for one in glossary.find("a b c", "en-GB", "de")] == ["a", "b"]
    assert [one.term.source for one in glossary.find("a b c", "de", "en")] == ["b"]
    assert glossary.covers("de", "en")
    assert not Glossary([Entry("a", "x", "en", "de")]).covers("de", "en")


def test_an_empty_glossary_finds_nothing() -> None:
    assert Glossary([]).find("a text", "en", "de") == []


@pytest.mark.parametrize(
    ("text", "touches"), [("turbine", False), ("a turbine", False), ("(turbine)", True)]
)
def test_what_stands_before_a_term_is_told(text: str, touches: bool) -> None:
    (one,) = Glossary([Entry("turbine", "x")]).find(text, "en", "de")
    assert one.touches is touches


@pytest.mark.parametrize(
    ("targets", "text", "said"),
    [
        pytest.param(["Motor"], "Der Motor läuft.", True, id="a word"),
        pytest.param(["Motor"], "Die Motoren laufen.", False, id="another form"),
        pytest.param(["Motor"], "ein Elektromotor", False, id="a compound"),
        pytest.param(["Motor", "Motoren"], "Die Motoren laufen.", True, id="an alternative"),
        pytest.param(["schnell"], "Schnell ist er.", True, id="the beginning of a sentence"),
        pytest.param(["schnell"], "SCHNELL", False, id="other capitals"),
        pytest.param(["Motor"], "ein motor", False, id="a capital is asked for"),
        pytest.param(["Motor Typ"], "der Motor\u00a0Typ B", True, id="white space"),
        pytest.param(["a"], "ba, a", True, id="not the first place"),
    ],
)
def test_whether_a_translation_says_a_term(targets: list[str], text: str, said: bool) -> None:
    term = Term("x", tuple(targets))
    assert is_said(term, text) is said
    (use,) = uses_of([term], text)
    assert use.honoured is said
    (twice,) = uses_of([term, term], f"{text} {text}")
    assert twice.honoured is said
    expected = [] if said else [f"the glossary term 'x' → {targets[0]!r} was not honoured"]
    assert warnings_about([use]) == expected


@pytest.mark.parametrize(
    ("code", "other", "same"),
    [
        ("de", "DE", True),
        ("de_AT", "de-at", True),
        ("de", "de-AT", True),
        ("de", "den", False),
        ("de-AT", "de-DE", False),
    ],
)
def test_languages_agree_as_far_as_they_go(code: str, other: str, same: bool) -> None:
    assert same_language(code, other) is same_language(other, code) is same
