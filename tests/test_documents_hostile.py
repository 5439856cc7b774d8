"""Every format with hostile text in it: what was read is read again, translated or not."""

import io
import json
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tformer.documents.document import Document
from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments
from tformer.model.errors import InputError

MARKUP = [
    "<b>",
    "</b>",
    "<br>",
    "<1>",
    "</1>",
    "<2/>",
    "%s",
    "{name}",
    "{{x}}",
    "{n, plural, one {#}}",
]
HOSTILE = [
    "שלום",
    "\u202e",
    "👩‍🚀",
    "\u200b",
    "\x85",
    "\u2028",
    "\\",
    '"',
    "'",
    "&",
    "&amp;",
    "{",
    "}",
    "#",
]
WHITE = [" ", "  ", "\t", "\n", "\r\n", "\n\n"]
TEXT = st.lists(
    st.sampled_from(["word", "Über", "https://example.org/a_b", *MARKUP, *HOSTILE, *WHITE])
    | st.text(
        st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
        max_size=3,
    ),
    max_size=15,
).map("".join)
TEXTS = st.lists(TEXT, min_size=1, max_size=4)


def shout(texts: Sequence[str]) -> list[str]:
    return [text.swapcase() for text in texts]


def backwards(texts: Sequence[str]) -> list[str]:
    return [" ".join(reversed(text.split(" "))) for text in texts]


MODELS = st.sampled_from([shout, backwards])


def rewritten(document: Document, model: object) -> bytes:
    results = translate_segments(document.segments, model)  # type: ignore[arg-type]
    return document.with_translations({result.segment.id: result.text for result in results})


@settings(deadline=None)
@given(TEXTS, st.booleans(), MODELS)
def test_json(texts: list[str], ascii: bool, model: object) -> None:
    table = {f"key {number}": text for number, text in enumerate(texts)}
    data = json.dumps({"table": table, "list": texts}, ensure_ascii=ascii).encode()
    document = open_document(data, "json")
    assert document.with_translations({}) == data
    again = json.loads(rewritten(document, model))
    assert list(again["table"]) == list(table)
    assert len(again["list"]) == len(texts)


@settings(deadline=None)
@given(TEXTS, MODELS)
def test_po(texts: list[str], model: object) -> None:
    entries = (f'msgid {json.dumps(text, ensure_ascii=False)}\nmsgstr ""\n\n' for text in texts)
    data = "".join(entries).encode()
    document = open_document(data, "po")
    assert document.with_translations({}) == data
    again = open_document(rewritten(document, model), "po")
    assert [(s.id, s.text) for s in again.segments] == [(s.id, s.text) for s in document.segments]


@settings(deadline=None)
@given(TEXTS, MODELS)
def test_xliff(texts: list[str], model: object) -> None:
    units = (
        f'<trans-unit id="{number}"><source>{escape(text)}<g id="1">{escape(text[:9])}</g><x/>'
        "</source></trans-unit>"
        for number, text in enumerate(texts)
    )
    data = f'<xliff version="1.2">{"".join(units)}</xliff>'.encode()
    document = open_document(data, "xliff")
    assert document.with_translations({}) == data
    again = open_document(rewritten(document, model), "xliff")
    assert [(s.id, s.text) for s in again.segments] == [(s.id, s.text) for s in document.segments]


@settings(deadline=None)
@given(TEXTS, MODELS)
def test_tmx(texts: list[str], model: object) -> None:
    units = (
        f'<tu><tuv xml:lang="en"><seg>{escape(text)}<bpt i="1">b</bpt>{escape(text[:9])}'
        '<ept i="1">b</ept><ph/></seg></tuv></tu>'
        for text in texts
    )
    data = f'<tmx><header srclang="en"/><body>{"".join(units)}</body></tmx>'.encode()
    document = open_document(data, "tmx", target="de")
    assert document.with_translations({}) == data
    again = open_document(rewritten(document, model), "tmx", target="de")
    assert [(s.id, s.text) for s in again.segments] == [(s.id, s.text) for s in document.segments]


@settings(deadline=None)
@given(TEXTS, MODELS)
def test_word(texts: list[str], model: object) -> None:
    formats = ["", "<w:rPr><w:b/></w:rPr>", "<w:rPr><w:i/></w:rPr>"]
    runs = "".join(
        f"<w:r>{formats[number % 3]}<w:t>{escape(text)}</w:t><w:tab/></w:r>"
        for number, text in enumerate(texts)
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", f'<w:d xmlns:w="w"><w:p>{runs}</w:p></w:d>')
    data = rewritten(open_document(buffer.getvalue(), "docx"), model)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("word/document.xml").count(b"<w:tab/>") == len(texts)
    open_document(data, "docx")


@pytest.mark.parametrize("format", ["srt", "vtt", "sbv"])
def test_a_sentence_that_stays_as_it_is_may_go_on_in_the_next_cue(format: str) -> None:
    times = {"srt": "00:00:01,000 --> 00:00:02,000", "vtt": "00:01.000 --> 00:02.000"}
    time = times.get(format, "0:00:01.000,0:00:02.000")
    head = "WEBVTT\n\n" if format == "vtt" else ""
    cues = [f"{time}\n{text}" for text in ("{n, plural, one {#}}word", "word{", "A dog runs.")]
    data = (head + "\n\n".join(cues) + "\n").encode()
    document = open_document(data, format)
    assert document.with_translations({}) == data
    written = rewritten(document, lambda texts: [text.upper() for text in texts])
    assert b"{n, plural, one {#}}word" in written and b"word{" in written
    assert b"A DOG RUNS." in written
    assert any("word{" in part.text or "plural" in part.text for part in document.left_texts)


@settings(deadline=None)
@given(TEXTS, MODELS)
def test_subrip(texts: list[str], model: object) -> None:
    data = "\n\n".join(
        f"{number}\n00:00:01,000 --> 00:00:02,000\n{text.strip()}"
        for number, text in enumerate(texts)
    ).encode()
    document = open_document(data, "srt")
    assert document.with_translations({}) == data
    assert rewritten(document, model).count(b"-->") == len(texts)


@settings(deadline=None)
@given(TEXTS, MODELS)
def test_tsv(texts: list[str], model: object) -> None:
    data = "\n".join(texts).encode()
    document = open_document(data, "tsv")
    made = {r.segment.id: r.text for r in translate_segments(document.segments, model)}
    for id in document.damages(made):  # a mark that is not closed would open a cell
        del made[id]
    again = open_document(document.with_translations(made), "tsv")
    assert [s.text for s in again.segments] == [s.text for s in document.segments]


@settings(deadline=None)
@given(TEXTS, MODELS)
def test_properties(texts: list[str], model: object) -> None:
    data = "\n".join(f"key{number}={text}" for number, text in enumerate(texts)).encode()
    try:
        document = open_document(data, "properties")
    except InputError as error:
        assert "hexadecimal" in str(error)
        return
    assert document.with_translations({}) == data
    written = open_document(rewritten(document, list), "properties")
    assert [s.plain for s in written.segments] == [s.plain for s in document.segments]
    open_document(rewritten(document, model), "properties")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["text", "markdown", "html"])
def test_a_line_of_a_megabyte(name: str) -> None:
    data = ("word **bold** <b>more</b> %s " * 35_000).encode()
    assert len(data) > 900_000
    document = open_document(data, name)
    assert document.with_translations({}) == data
    assert rewritten(document, shout).count(b"%s") == 35_000
