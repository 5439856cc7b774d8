"""Placeholders back into translations: around the right words, and never lost."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tformer.documents.building import Builder
from tformer.documents.inline.restoring import fragments, joined, restore
from tformer.documents.segments import Segment, parts, problem_with, without_marks


def segment(*items: str) -> Segment:
    """A segment of markup as it is written in these tests: "see ", "<b>", "this", "</b>", "[x]"."""
    builder = Builder()
    for item in items:
        if item.startswith("</"):
            builder.close(item[2:-1], item)
        elif item.startswith("<"):
            builder.open(item[1:-1], item)
        elif item.startswith("["):
            builder.alone(item, item[1:-1])
        else:
            builder.text(item)
    return builder.build("x")


# --- literals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "translation", "expected", "lost"),
    [
        pytest.param("%d of %d", "%d von %d", "<1/> von <2/>", (), id="twice"),
        pytest.param("in {a} and {b}", "{b} und {a} in", "<2/> und <1/> in", (), id="swapped"),
        pytest.param(
            "You have %d mails", "Sie haben Post", "Sie haben <1/> Post", ("%d",), id="lost"
        ),
        pytest.param("Hello %s!", "Hallo %s %s!", "Hallo <1/>!", (), id="surplus"),
        pytest.param("Hello %s", "Hallo <9/> %s <1>", "Hallo  <1/>", (), id="marks of the model"),
        pytest.param("%s", "  %s ", "<1/>", (), id="white space"),
        pytest.param(" a %s\n", "b %s", " b <1/>\n", (), id="white space of the source"),
        pytest.param("a_b in a_b_c", "a_b_c in a_b", "<2/> in <1/>", (), id="one in the other"),
        pytest.param("see {x}", "", "<1/>", ("{x}",), id="nothing"),
    ],
)
def test_literals(source: str, translation: str, expected: str, lost: Sequence[str]) -> None:
    restored = restore(segment(source), translation)
    assert (restored.text, restored.lost) == (expected, lost)


def test_a_word_that_is_a_literal_once_is_found_where_it_is_expected() -> None:
    source = segment("The operator ", "[in]", " is used in Python")
    restored = restore(source, "Der Operator in wird in Python benutzt")
    assert restored.text == "Der Operator <1/> wird in Python benutzt"


def test_a_tab_is_used_again_or_put_back() -> None:
    source = segment("Name:", "[\t]", "Miller")
    assert restore(source, "Name:\tMüller").text == "Name:<1/>Müller"
    assert restore(source, "Name: Müller").text == "Name: <1/>Müller"


def test_line_breaks_are_kept() -> None:
    source = segment("First line", "[\n]", "second line")
    assert restore(source, "Erste Zeile\nzweite Zeile").text == "Erste Zeile<1/>zweite Zeile"


# --- markup --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "translation", "alignment", "expected"),
    [
        pytest.param(
            ["I have ", "<b>", "seen", "</b>", " the house"],
            "Ich habe das Haus gesehen",
            [(0, 0), (1, 1), (2, 4), (3, 2), (4, 3)],
            "Ich habe das Haus <1>gesehen</1>",
            id="verb at the end",
        ),
        pytest.param(
            ["the ", "<b>", "red", "</b>", " ", "<i>", "house", "</i>"],
            "la maison rouge",
            [(0, 0), (1, 2), (2, 1)],
            "la <2>maison</2> <1>rouge</1>",
            id="swapped pairs",
        ),
        pytest.param(
            ["Read ", "<a>", "the ", "<b>", "manual", "</b>", "</a>", "."],
            "Lies das Handbuch.",
            [(0, 0), (1, 1), (2, 2)],
            "Lies <1>das <2>Handbuch</2></1>.",
            id="nested, full stop outside",
        ),
        pytest.param(
            ["<b>", "Note:", "</b>", " it rains"],
            "Hinweis: es regnet",
            [(0, 0), (1, 1), (2, 2)],
            "<1>Hinweis:</1> es regnet",
            id="colon inside",
        ),
        pytest.param(["<b>", "All of it", "</b>"], "Alles", [(0, 0)], "<1>Alles</1>", id="whole"),
        pytest.param(
            ["call ", "<b>", "up", "</b>", " now"],
            "ruf jetzt an",
            [(0, 0), (1, 0), (1, 2), (2, 1)],
            "<1>ruf jetzt an</1>",
            id="split verb, gap of one",
        ),
        pytest.param(
            ["see ", "<a>", "[x.py]", "</a>", " there"],
            "dort siehe x.py",
            [(0, 1), (1, 0), (2, 0)],
            "dort siehe <1/>",
            id="a literal is where it was found",
        ),
        pytest.param(
            ["see ", "<a>", "[]", "</a>", " there"],
            "siehe dort",
            [(0, 0), (1, 1)],
            "siehe <1/> dort",
            id="an image in a link",
        ),
    ],
)
def test_markup_follows_alignments(
    items: list[str], translation: str, alignment: list[tuple[int, int]], expected: str
) -> None:
    assert restore(segment(*items), translation, alignment).text == expected


@pytest.mark.parametrize(
    ("items", "translation", "expected"),
    [
        (
            ["I met ", "<b>", "Anna", "</b>", " in Rome"],
            "In Rom traf ich Anna",
            "In Rom traf ich <1>Anna</1>",
        ),
        (
            ["a long ", "<b>", "text", "</b>", " here"],
            "ein langer Text hier",
            "ein langer <1>Text</1> hier",
        ),
        (["<b>", "Bold", "</b>", " and plain"], "Fett und schlicht", "<1>Fett</1> und schlicht"),
    ],
)
def test_without_alignments_names_and_distances_tell(
    items: list[str], translation: str, expected: str
) -> None:
    assert restore(segment(*items), translation).text == expected


def test_alignments_beyond_the_words_are_ignored() -> None:
    source = segment("a ", "<b>", "b", "</b>")
    assert problem_with(source, restore(source, "c d", [(0, 9), (7, 1), (-1, 0)]).text) is None


def test_two_pairs_on_one_word_are_reported() -> None:
    source = segment("<b>", "data", "</b>", " ", "<i>", "base", "</i>")
    restored = restore(source, "Datenbank", [(0, 0), (1, 0)])
    assert restored.lost == ("<2>",)
    assert problem_with(source, restored.text) is None


def test_a_translation_that_is_the_source_changes_nothing() -> None:
    source = segment("a", "<b>", " b", "</b>", "[]", " c")
    assert restore(source, source.plain).text == source.text


@pytest.mark.parametrize(
    ("text", "translation"), [("Ä>", "<1"), ("(<Ä", "1>"), ("(</Ä>", "1"), ("(<Ä/>", "1")]
)
def test_a_translation_and_what_is_around_it_make_no_mark(text: str, translation: str) -> None:
    source = segment(text, "< ")
    assert fragments(source)
    assert problem_with(source, joined(source, [translation])) is None


WORDS = st.text("abÄ.,%s{}<>1/ \n", max_size=8)
ITEMS = st.lists(
    WORDS
    | st.sampled_from(["<b>", "</b>", "<i>", "</i>", "[%s]", "[]", "[\n]", "[code x]", "{n}"]),
    max_size=12,
).map(
    lambda items: [item if len(item) > 2 or item[:1] not in "<[" else f"{item} " for item in items]
)


@given(
    ITEMS,
    st.text("abÄ.,%s{}<>1/ \n", max_size=40),
    st.lists(st.tuples(st.integers(-1, 9), st.integers(-1, 9))),
)
def test_whatever_a_model_says_every_placeholder_is_there_once(
    items: list[str], translation: str, alignment: list[tuple[int, int]]
) -> None:
    source = segment(*[item for item in items if item])
    for pairs in (None, alignment):
        restored = restore(source, translation, pairs)
        assert problem_with(source, restored.text) is None
    assert problem_with(source, joined(source, [translation] * len(fragments(source)))) is None
    assert joined(source, fragments(source)) == source.text


@given(st.text("<>/123a", max_size=30))
def test_nothing_that_looks_like_a_placeholder_stays(text: str) -> None:
    assert all(isinstance(part, str) for part in parts(without_marks(text)))


def test_an_alignment_is_of_no_use_when_words_were_taken_out_of_the_translation() -> None:
    source = segment("a ", "<b>", "Anna", "</b>")
    moved = restore(source, "<9/> x Anna", [(0, 1), (1, 0)])
    assert moved.text.endswith("x <1>Anna</1>")
