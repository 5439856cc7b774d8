"""Messages whose syntax is broken and words with readings, which stay whole in every format."""

import pytest

from tformer.documents.inline.readings import has_reading
from tformer.documents.registry import open_document
from tformer.documents.segments import Inline

BROKEN = "{n, plural, one {a dog} other {dogs}"
WITHOUT_COMMA = "{n, plural one {a dog} other {dogs}}"
XLIFF = (
    '<xliff version="1.2"><file source-language="en" original="x" datatype="plaintext"><body>'
    '<trans-unit id="a"><source>@</source></trans-unit></body></file></xliff>'
)

TABLES = {
    "po": 'msgid "@"\nmsgstr ""\n',
    "xliff": XLIFF,
    "android": '<resources><string name="a">@</string></resources>',
    "resx": '<root><data name="a"><value>@</value></data></root>',
    "strings": '"a" = "@";\n',
    "json": '{"a": "@"}',
    "properties": "a=@\n",
    "yaml": "a: '@'\n",
    "tsv": "@\t\n",
    "qt": "<TS><message><source>@</source><translation></translation></message></TS>",
    "html": "<p>@</p>",
}


@pytest.mark.parametrize("message", [BROKEN, WITHOUT_COMMA])
@pytest.mark.parametrize("format", TABLES)
def test_messages_with_broken_syntax_are_told_and_stay(format: str, message: str) -> None:
    document = open_document(TABLES[format].replace("@", message).encode(), format)
    assert not document.segments
    (left,) = document.left_texts
    assert left.text == message and "is not understood" in left.warning


def test_messages_with_markup_in_their_syntax_stay() -> None:
    source = '{<x id="N"/>, plural, one {a dog} other {dogs}}'
    document = open_document(XLIFF.replace("@", source).encode(), "xliff")
    assert not document.segments and len(document.left_texts) == 1


def test_markup_in_variants_is_read() -> None:
    source = '{n, plural, one {a <x id="N"/> dog} other {dogs}}'
    (segment,) = open_document(XLIFF.replace("@", source).encode(), "xliff").segments
    assert [inline.opening for inline in segment.inlines.values()][1] == '<x id="N"/>'
    assert len(segment.inlines) == 4


RUBY = "<ruby>Tokyo<rp>(</rp><rt>toh-kee-oh</rt><rp>)</rp></ruby>"


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("html", "<p>We love @ and dogs.</p><h1>@</h1>"),
        ("markdown", "We love @ and dogs.\n\n# @\n"),
        ("json", '{"a": "We love @ and dogs.", "b": "@"}'),
    ],
)
def test_words_with_readings_stay_and_are_told(format: str, text: str) -> None:
    document = open_document(text.replace("@", RUBY).encode(), format)
    (segment,) = document.segments
    assert segment.plain == "We love Tokyo and dogs." and len(segment.inlines) == 1
    assert [left.text for left in document.left_texts] == ["Tokyo", "Tokyo"]
    assert "a reading stands above a word" in document.left_texts[0].warning
    written = document.with_translations({segment.id: "Wir lieben <1/> und Hunde."}).decode()
    assert f"Wir lieben {RUBY} und Hunde." in written


def test_the_end_of_a_reading_may_be_left_out() -> None:
    text = b"<p>We love <ruby>Tokyo<rt>toh-kee-oh</ruby> and dogs.</p>"
    (segment,) = open_document(text, "html").segments
    assert segment.plain == "We love Tokyo and dogs."


def test_a_reading_is_looked_for_once() -> None:
    """To look behind every beginning would take minutes."""
    assert not has_reading(Inline("<rt>" + "<ruby " * 200_000))
    assert has_reading(Inline("<ruby>a<rt>b</rt></ruby>"))
