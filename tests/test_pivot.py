"""Two translators as one: texts, links of words and terms from end to end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.pivot import Pivot, composed
from tformer.model.terms.glossary import Entry, Glossary, Term, uses_of
from tformer.model.translation import Hypothesis, Link, Translation


class Words:
    """Translates word by word; a word of the glossary becomes its term."""

    def __init__(self, source: str, target: str, words: dict[str, str]) -> None:
        self.source_languages, self.target_languages = (source,), (target,)
        self.languages = (source, target)
        self._words = words

    def translate(
        self,
        texts: Iterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        options: DecodingOptions | None = None,
        glossary: Glossary | None = None,
    ) -> Iterator[Translation]:
        here, there = self.languages
        for text in texts:
            said, links, terms, at = [], [], [], 0
            for word in text.split():
                found = glossary.find(word, here, there) if glossary else []
                new = found[0].term.targets[0] if found else self._words.get(word, word)
                terms += [Term(each.term.source, each.term.targets) for each in found]
                start, to = text.index(word, at), len(" ".join([*said, ""]))
                links.append(Link((start, start + len(word)), (to, to + len(new))))
                said.append(new)
                at = start + len(word)
            out = " ".join(said)
            hypothesis = Hypothesis(out, 0.0, alignment=tuple(links))
            yield Translation(out, here, there, (hypothesis,), terms=uses_of(terms, out))


def pivot() -> Pivot:
    first = Words("de", "en", {"Haus": "house", "ein": "a", "Bahnhof": "station"})
    second = Words("en", "pt", {"house": "casa", "a": "uma", "station": "estação"})
    return Pivot(first, second, "en")


def test_texts_go_both_ways_in_their_order() -> None:
    translator = pivot()
    assert (translator.source_languages, translator.target_languages) == (("de",), ("pt",))
    found = list(translator.translate(["ein Haus", "", "Haus"], source="de", target="pt"))
    assert [each.text for each in found] == ["uma casa", "", "casa"]
    assert {(each.source_language, each.target_language) for each in found} == {("de", "pt")}


def test_words_are_linked_from_end_to_end() -> None:
    (found,) = pivot().translate(["ein Haus"], source="de", target="pt")
    assert found.hypotheses[0].alignment == (Link((0, 3), (0, 3)), Link((4, 8), (4, 8)))
    assert composed([Link((0, 1), (0, 2))], [Link((2, 3), (0, 1))]) == []


def test_terms_hold_at_both_ends() -> None:
    glossary = Glossary([Entry("Bahnhof", "gare", "de", "pt"), Entry("Haus", "x", "de", "fr")])
    settings: dict[str, Any] = {"source": "de", "target": "pt", "glossary": glossary}
    (found,) = pivot().translate(["ein Bahnhof"], **settings)
    assert found.text == "uma gare"
    assert [(use.source, use.target, use.honoured) for use in found.terms] == [
        ("Bahnhof", "gare", True)
    ]
    assert not found.warnings


def test_models_that_do_not_meet_are_refused() -> None:
    with pytest.raises(UsageError, match="do not meet"):
        Pivot(Words("de", "en", {}), Words("fr", "pt", {}), "en")
