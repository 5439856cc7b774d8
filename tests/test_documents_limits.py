"""Translations that are longer than their file allows."""

import pytest

from tformer.documents.limits import TextLimit, limit_of
from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments

ONE = (
    '<xliff version="1.2"><file source-language="en" original="x" datatype="plaintext"><body>'
    '<group @><trans-unit id="a" %><source>Open</source></trans-unit></group>'
    "</body></file></xliff>"
)
TWO = (
    '<xliff version="2.1" srcLang="en" xmlns="urn:oasis:names:tc:xliff:document:2.0" '
    'xmlns:slr="urn:oasis:names:tc:xliff:sizerestriction:2.0"><file id="f">'
    '<slr:profiles generalProfile="xliff:@"/><unit id="u" %>'
    "<segment><source>Open</source></segment></unit></file></xliff>"
)
PO = '#, max-length:%\nmsgid "Open"\nmsgstr ""\n'


def warnings(text: str, format: str, answer: str) -> list[str]:
    document = open_document(text.encode(), format)
    (result,) = translate_segments(document.segments, lambda texts: [answer] * len(texts))
    return list(result.warnings)


@pytest.mark.parametrize(
    ("text", "format"),
    [
        (ONE.replace("@", "").replace("%", 'maxwidth="7" size-unit="char"'), "xliff"),
        (ONE.replace("@", "").replace("%", 'maxwidth="7"'), "xliff"),
        (ONE.replace("@", 'maxwidth="7" size-unit="char"').replace("%", ""), "xliff"),
        (TWO.replace("@", "codepoints").replace("%", 'slr:sizeRestriction="7"'), "xliff"),
        (TWO.replace("@", "codepoints").replace("%", 'slr:sizeRestriction="1,7"'), "xliff"),
        (PO.replace("%", "7"), "po"),
    ],
)
def test_characters_are_counted(text: str, format: str) -> None:
    assert not warnings(text, format, "\u00d6ffnen")
    (warning,) = warnings(text, format, "\u00d6ffnen!!")
    assert warning == "the translation has 8 characters, the file allows 7"


@pytest.mark.parametrize(
    "text",
    [
        ONE.replace("@", "").replace("%", 'maxwidth="7" size-unit="byte"'),
        TWO.replace("@", "utf8").replace("%", 'slr:sizeRestriction="7"'),
    ],
)
def test_bytes_are_counted(text: str) -> None:
    assert not warnings(text, "xliff", "Offnen")
    assert (
        warnings(text, "xliff", "\u00d6ffn\u00e4n")
        == ["the translation has 8 bytes, the file allows 7"]
        or "9 bytes" in warnings(text, "xliff", "\u00d6ffn\u00e4n")[0]
    )


def test_of_pixels_the_source_is_what_fits() -> None:
    text = ONE.replace("@", "").replace("%", 'maxwidth="30" size-unit="pixel"')
    assert not warnings(text, "xliff", "Auf")
    (warning,) = warnings(text, "xliff", "\u00d6ffnen")
    assert warning == "the translation is longer than the source, the file allows 30 pixel"


@pytest.mark.parametrize("size", ['maxwidth="0"', 'maxwidth="x"', 'maxwidth=""', ""])
def test_what_is_no_limit_limits_nothing(size: str) -> None:
    assert not warnings(ONE.replace("@", "").replace("%", size), "xliff", "\u00d6ffnen" * 9)


def test_a_limit_of_thousands_of_digits_is_none() -> None:
    assert limit_of("9" * 5000, "char") is None
    assert limit_of("1,20", None) == TextLimit(20)
