"""A translator with a memory: what is known is reused, the rest is asked for, in order."""

from collections.abc import Iterable, Iterator

import pytest
from fake_translator import FakeTranslator
from hypothesis import given
from hypothesis import strategies as st

from tformer.model.options import DecodingOptions
from tformer.model.pipeline.tm_translator import MemoryTranslator
from tformer.model.terms.glossary import Entry, Glossary
from tformer.model.terms.translation_memory import TranslationMemory, Unit
from tformer.model.translation import Hypothesis, Translation


class Shouting(FakeTranslator):
    """Notes what it is asked."""

    def __init__(self, window: int = 3) -> None:
        super().__init__(window)
        self.asked: list[str] = []

    def translate(  # type: ignore[override]
        self, texts: Iterable[str], *, options: DecodingOptions | None = None, **settings: object
    ) -> Iterator[Translation]:
        def noted() -> Iterator[str]:
            for text in texts:
                self.asked.append(text)
                yield text

        source, target = str(settings["source"]), str(settings["target"])
        for text in noted():
            shouted = text.upper()
            yield Translation(shouted, source, target, (Hypothesis(shouted, -1.0),))


UNITS = [Unit("Good morning.", "Guten Morgen.", "en", "de", "tm.tmx"), Unit("b", "zwei\nZeilen")]


def translated(*texts: str, near: int = 0) -> tuple[list[Translation], list[str]]:
    translator = Shouting()
    both = MemoryTranslator(translator, TranslationMemory(UNITS), num_near=near)
    return list(both.translate(texts, source="en", target="de")), translator.asked


def test_what_is_known_is_reused_and_the_rest_is_asked_for() -> None:
    results, asked = translated("a", "Good  morning.", "", "c")
    assert [result.text for result in results] == ["A", "Guten Morgen.", "", "C"]
    assert asked == ["a", "", "", "c"]
    reused = results[1]
    assert reused.reused and not results[0].reused
    (match,) = reused.matches
    assert (match.score, match.origin, match.source) == (1.0, "tm.tmx", "Good morning.")
    assert reused.hypotheses == (Hypothesis("Guten Morgen.", 0.0),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Good morning. \n", "  Guten Morgen. \n"),
        ("Good\nmorning.", "Guten Morgen."),
        (" b", " zwei Zeilen"),
    ],
)
def test_white_space_around_the_source_stays(text: str, expected: str) -> None:
    assert translated(text)[0][0].text == expected


def test_near_matches_are_looked_for_on_demand() -> None:
    text = "Good morning, Anna."
    assert translated(text)[0][0].matches == ()
    (result,), asked = translated(text, near=2)
    assert asked == [text]
    assert (result.text, result.reused) == ("GOOD MORNING, ANNA.", False)
    assert [match.target for match in result.matches] == ["Guten Morgen."]


def test_a_reused_translation_is_checked_for_terms() -> None:
    glossary = Glossary([Entry("morning", "Vormittag"), Entry("good", "Guten")])
    both = MemoryTranslator(Shouting(), TranslationMemory(UNITS), glossary=glossary)
    (result,) = both.translate(["Good morning."], source="en", target="de")
    assert [(use.source, use.honoured) for use in result.terms] == [
        ("good", True), ("morning", False),
    ]  # fmt: skip
    assert result.warnings == ("the glossary term 'morning' → 'Vormittag' was not honoured",)


def test_the_languages_are_the_translators() -> None:
    both = MemoryTranslator(Shouting(), TranslationMemory())
    assert both.languages == both.source_languages == both.target_languages == ("en", "de")


@given(st.lists(st.sampled_from(["", " ", "b", "x", "Good morning.", "Good morning"])))
def test_as_many_come_out_in_the_same_order(texts: list[str]) -> None:
    known = {"b": "zwei Zeilen", "Good morning.": "Guten Morgen."}
    results, _ = translated(*texts)
    assert [result.text for result in results] == [known.get(t, t.upper()) for t in texts]
