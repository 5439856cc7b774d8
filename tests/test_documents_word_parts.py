"""Markup on a part of a word, in a translation."""

import pytest

from tformer.documents.inline.restoring import restore
from tformer.documents.registry import open_document


@pytest.mark.parametrize(
    ("source", "translation", "expected"),
    [
        ("<b>O</b>nce there was a door", "Einmal gab es", "<b>E</b>inmal gab es"),
        ("the dog<b>s</b>", "die Hunde", "die Hund<b>e</b>"),
        ("dog<b>s</b>", "Hunde", "Hund<b>e</b>"),
        ("<b>dog</b>s", "Hunde", "<b>Hund</b>e"),
        ("the <a>dog</a>s here", "die Hunde hier", "die <a>Hunde</a> hier"),
        ("<u>O</u>pen it", "Öffne es", "<u>Ö</u>ffne es"),
        ("un<i>believ</i>able it is", "unglaublich ist", "<i>unglaublich</i> ist"),
        ("E<u>x</u>it now", "Beenden jetzt", "<u>B</u>eenden jetzt"),
        ("E<u>x</u>it now", "Exit jetzt", "E<u>x</u>it jetzt"),
        ("a <b>very</b> big door", "eine sehr große Tür", "eine <b>sehr</b> große Tür"),
        ("“<b>O</b>nce there", "„Einmal da", "„<b>E</b>inmal da"),
        ("the <b>door</b>'s key", "der Schlüssel der Tür", "der Schlüssel der <b>Tür</b>"),
    ],
)
def test_parts_of_words(source: str, translation: str, expected: str) -> None:
    document = open_document(f"<p>{source}</p>".encode(), "html")
    (segment,) = document.segments
    words = translation.split()
    if source.startswith("the <b>door"):
        alignment = [(0, 0), (1, 3), (2, 1)]
    else:
        alignment = [(n, min(n, len(words) - 1)) for n in range(len(segment.plain.split()))]
    restored = restore(segment, translation, alignment)
    assert restored.lost == ()
    translations = {segment.id: restored.text}
    assert document.damages(translations) == {}
    assert document.with_translations(translations).decode() == f"<p>{expected}</p>"


def test_the_number_of_a_note_is_no_formula() -> None:
    text = "<p>of NATO<sup>1</sup> and H<sub>2</sub>O and KMnO<sub>4</sub></p>"
    (segment,) = open_document(text.encode(), "html").segments
    assert segment.text == "of NATO<1/> and <2/> and <3/>"
    assert segment.plain == "of NATO and H2O and KMnO4"
