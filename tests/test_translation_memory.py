"""What a translation memory finds, held to comparing with every unit."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz

from tformer.model.terms.translation_memory import ALIKE, TranslationMemory, Unit


def memory(*sources: str) -> TranslationMemory:
    return TranslationMemory([Unit(source, source.upper(), "en", "de") for source in sources])


@pytest.mark.parametrize(
    ("source", "text", "same"),
    [
        pytest.param("Good morning.", "Good morning.", True, id="the same"),
        pytest.param("Good morning.", "  Good \t morning.\n", True, id="white space"),
        pytest.param("u\u0308ber", "über", True, id="composition"),
        pytest.param("Good morning.", "Good\u00a0morning.", True, id="another space"),
        pytest.param("Good morning.", "good morning.", False, id="capitals"),
        pytest.param("Good morning.", "Good morning", False, id="full stop"),
        pytest.param("½", "1⁄2", False, id="compatibility"),
    ],
)
def test_which_texts_are_the_same(source: str, text: str, same: bool) -> None:
    assert (memory(source).find(text, "en", "de") is not None) is same


def test_the_later_unit_counts_and_the_earlier_memory() -> None:
    first = [Unit("a", "1"), Unit("a", "2"), Unit("b", "3")]
    second = [Unit("b", "4"), Unit("c", "5")]
    both = TranslationMemory(first, second)
    found = [both.find(text, None, None) for text in "abc"]
    assert [unit.target for unit in found if unit] == ["2", "3", "5"]


def test_units_serve_their_languages() -> None:
    units = [Unit("a", "x", "en", "de-AT"), Unit("a", "y", "en", "fr"), Unit("b", " ", "en", "fr")]
    both = TranslationMemory(units)
    assert len(both) == 3
    assert both.find("a", "en-US", "de") == units[0]
    assert both.find("a", None, "fr") == units[1]
    assert both.find("a", "de", "en") is None
    assert both.find("b", "en", "fr") is None
    assert both.covers("en", "fr") and not both.covers("fr", "en")


def test_near_matches_come_with_their_scores_the_best_first() -> None:
    near = memory(
        "Please close the red door.", "Please close the green door now.", "Nobody was at home."
    ).near("Please close the green door.", "en", "de")
    assert [match.source for match in near] == [
        "Please close the green door now.", "Please close the red door.",
    ]  # fmt: skip
    assert near[0].target == "PLEASE CLOSE THE GREEN DOOR NOW."
    texts = "Please close the green door.", "Please close the green door now."
    assert near[0].score == pytest.approx(fuzz.ratio(*texts) / 100, abs=1e-4)
    assert near[0].score > near[1].score >= ALIKE


def test_scripts_without_spaces_have_near_matches() -> None:
    found = memory("私は東京に住んでいます。").near("彼は東京に住んでいます。", "en", "de")
    assert len(found) == 1


@pytest.mark.parametrize("text", ["", "?!", "unheard-of words", "\ud800", "\0"])
def test_nothing_is_like_a_text_of_unknown_words(text: str) -> None:
    assert memory("Please close the red door.").near(text, "en", "de") == ()
    assert TranslationMemory().near(text, "en", "de") == ()


SENTENCES = st.lists(
    st.lists(
        st.sampled_from(["red", "green", "blue", "dog", "cat", "sees", "finds", "a", "the"]),
        min_size=1,
    ).map(" ".join),
    min_size=1,
    max_size=20,
)


@given(SENTENCES, SENTENCES)
def test_in_a_small_memory_no_match_is_overlooked(known: list[str], asked: list[str]) -> None:
    units = memory(*known)
    for text in asked:
        scores = [fuzz.ratio(text, source) / 100 for source in set(known)]
        expected = sorted((score for score in scores if score >= ALIKE), reverse=True)[:3]
        found = [match.score for match in units.near(text, "en", "de")]
        assert found == pytest.approx(expected, abs=1e-4)


def test_in_a_large_memory_few_matches_are_overlooked() -> None:
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefgh", k=chance.randint(2, 6))) for _ in range(3000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    sources = [
        " ".join(chance.choices(words, weights, k=chance.randint(6, 20))) for _ in range(5000)
    ]
    units = memory(*sources)
    hits = 0
    for source in chance.sample(sources, 200):
        changed = source.split()
        changed[chance.randrange(len(changed))] = chance.choice(words)
        near = units.near(" ".join(changed), "en", "de")
        hits += any(match.source == source for match in near)
    assert hits >= 190
