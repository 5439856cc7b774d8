"""Every format: what is not translated stays byte for byte, what is keeps its markup."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tformer.documents.document import Document
from tformer.documents.registry import FORMATS, PACKAGES, SUFFIXES, format_of, open_document
from tformer.documents.segments import Inline, Segment, SegmentState, problem_with
from tformer.documents.translation import TranslatedSegment, translate_segments
from tformer.model.errors import InputError, UsageError

DOCS = Path(__file__).parent.parent / "docs"
DATA = Path(__file__).parent / "data" / "documents"
FILES = sorted(path for path in DATA.rglob("*") if path.is_file())
BILINGUAL = {"po", "xliff", "tmx", "tsv", "xcstrings", "qt"}
SUBTITLES = {"srt", "vtt"}

# Markup, literals and hostile text, of which every kind of file is put together.
SNIPPETS = [
    "word",
    "Über",
    "שלום",
    "👩‍🚀",
    "\u200b",
    "\u202e",
    "1.",
    "- ",
    "# ",
    "> ",
    "| ",
    "**",
    "*",
    "_",
    "`",
    "``",
    "~~",
    "[a](b)",
    "[",
    "]",
    "](x)",
    "![i](p.png)",
    "<b>",
    "</b>",
    "<i>",
    "</i>",
    '<a href="x" title="A tip">',
    "</a>",
    "<br>",
    "<p>",
    "</p>",
    "<code>",
    "</code>",
    "<!--",
    "-->",
    "<1>",
    "</1>",
    "<2/>",
    "%s",
    "{name}",
    "{{x}}",
    "${HOME}",
    "{n, plural, one {#} other {x}}",
    "https://example.org/a_b",
    "a@b.org",
    "&amp;",
    "&",
    "<",
    ">",
    "\\",
    '"',
    "'",
    "\t",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "\x00",
    "\x0b",
    "---\n",
    "```\n",
    "    code\n",
    "{",
    "}",
    "=",
    "42",
]
TEXT = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=3), max_size=25).map("".join)


def format_names(path: Path) -> str:
    return path.relative_to(DATA).as_posix()


def format_in(path: Path) -> str:
    return path.relative_to(DATA).parts[0]


def comparable(data: bytes, path: Path) -> object:
    """The bytes, or of an archive its parts: packing may differ from one zlib to the next."""
    if format_in(path) not in PACKAGES:
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [
            (info.filename, info.date_time, info.compress_type, archive.read(info))
            for info in archive.infolist()
        ]


def shout(texts: Sequence[str]) -> list[str]:
    """Loses every literal with a letter in it."""
    return [text.swapcase() for text in texts]


def stutter(texts: Sequence[str]) -> list[str]:
    """Twice as many words, and every literal twice."""
    return [" ".join(f"{word} {word}" for word in text.split(" ")) for text in texts]


def backwards(texts: Sequence[str]) -> list[str]:
    """As far from the order of the source as can be."""
    return [" ".join(reversed(text.split(" "))) for text in texts]


def silent(texts: Sequence[str]) -> list[str]:
    """Says nothing at all."""
    return ["" for _ in texts]


MODELS = [shout, stutter, backwards, silent]


def translated(document: Document, model: object) -> dict[str, str]:
    results = list(translate_segments(document.segments, model))  # type: ignore[arg-type]
    return {result.segment.id: result.text for result in results}


def markup(segments: Sequence[Segment], border: str = "") -> Counter[str]:
    """All that stands for placeholders, in a whole document, without what is translated itself.

    And without what stands for the border of two cues. A note at the beginning of a text needs no
    blank before it.
    """
    return Counter(
        _without_segments(raw).removeprefix(" ") if "]_" in raw else _without_segments(raw)
        for segment in segments
        for inline in segment.inlines.values()
        for raw in (inline.opening, inline.closing)
        if raw and raw != border
    )


def timeline(data: bytes) -> list[tuple[str, bool]]:
    """The times of subtitles, and whether there is text for each."""
    lines = data.decode("utf-8", "replace").splitlines()
    return [
        (line, bool(following.strip()))
        for line, following in pairwise([*lines, ""])
        if "-->" in line
    ]


def tags(data: bytes) -> Counter[bytes]:
    return Counter(re.findall(rb"</?[a-zA-Z][^\s>]*", data))


def _without_segments(raw: str) -> str:
    """Markup without the attributes and the paragraphs in it that are segments of their own."""
    if re.search(r"<(?:w|text):p\b", raw):
        names = re.findall(r"<(/?[\w:]+)", raw)
        return " ".join(sorted(name for name in names if not re.match(r"/?w:(r|t|rPr|b)$", name)))
    raw = re.sub(r"!\[(\\.|[^\]\\])*\]", "![]", raw)
    raw = re.sub(r"""(\]\((?:<[^<>]*>|\S*)) (\"[^\"]*\"|'[^']*')\)""", r"\1)", raw)
    return re.sub(r"""(title|alt|placeholder)=("[^"]*"|'[^']*')""", "", raw, flags=re.IGNORECASE)


def test_there_are_files_of_every_format() -> None:
    assert {format_in(path) for path in FILES} == set(FORMATS)


@pytest.mark.parametrize("path", FILES, ids=format_names)
def test_the_suffix_tells_the_format(path: Path) -> None:
    assert format_of(path) == format_in(path)


@pytest.mark.parametrize("path", FILES, ids=format_names)
def test_untranslated_a_file_is_the_same_byte_for_byte(path: Path) -> None:
    document = open_document(path)
    original = comparable(path.read_bytes(), path)
    assert comparable(document.with_translations({}), path) == original
    current = {segment.id: segment.current for segment in document.segments}
    assert comparable(document.with_translations(current), path) == original


@pytest.mark.parametrize("path", FILES, ids=format_names)
def test_an_identity_model_changes_no_byte(path: Path) -> None:
    document = open_document(path)
    if format_in(path) in BILINGUAL:
        pytest.skip("says that it was translated")
    data = document.with_translations(translated(document, list))
    assert comparable(data, path) == comparable(path.read_bytes(), path)


@pytest.mark.parametrize("path", FILES, ids=format_names)
def test_ids_are_unique_and_placeholders_fit(path: Path) -> None:
    segments = open_document(path).segments
    assert len({segment.id for segment in segments}) == len(segments)
    for segment in segments:
        assert problem_with(segment, segment.text) is None


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", FILES, ids=format_names)
def test_a_translation_keeps_the_structure(path: Path, model: object) -> None:
    document = open_document(path)
    texts = translated(document, model)
    data = document.with_translations(texts)
    again = open_document(data, format_in(path))
    if format_in(path) == "html":
        # An unclosed tag may move to the end of its sentence, which is then shorter.
        assert tags(data) == tags(path.read_bytes())
        return
    if format_in(path) in SUBTITLES:
        # Which sentences go on in the next cue is for the words to say.
        assert timeline(data) == timeline(path.read_bytes())
        assert markup(again.segments, "\n\n") == markup(document.segments, "\n\n")
        return
    if format_in(path) in BILINGUAL:
        assert [s.text for s in again.segments] == [s.text for s in document.segments]
        changed = {s.id for s in document.segments if texts[s.id] != s.current}
        assert changed or model is silent
        made = SegmentState.TRANSLATED if format_in(path) == "tsv" else SegmentState.REVIEW
        assert all(s.state is made for s in again.segments if s.id in changed)
        return
    assert [s.id for s in again.segments] == [s.id for s in document.segments]
    assert markup(again.segments) == markup(document.segments)


@settings(max_examples=60, deadline=None)
@given(text=TEXT, name=st.sampled_from(["text", "markdown", "html"]), model=st.sampled_from(MODELS))
def test_any_text_comes_back_and_can_be_translated(text: str, name: str, model: object) -> None:
    data = text.encode("utf-8", "replace")
    document = open_document(data, name)
    assert document.with_translations({}) == data
    assert document.with_translations(translated(document, list)) == data
    again = open_document(document.with_translations(translated(document, model)), name)
    assert len(again.segments) <= len(document.segments) or name == "html"


@settings(max_examples=30, deadline=None)
@given(text=TEXT, model=st.sampled_from(MODELS))
def test_markdown_blocks_stay_the_blocks_they_are(text: str, model: object) -> None:
    from markdown_it import MarkdownIt

    def blocks(data: bytes) -> list[str]:
        parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
        return [token.type for token in parser.parse(data.decode())]

    data = text.encode("utf-8", "replace")
    document = open_document(data, "markdown")
    assert blocks(document.with_translations(translated(document, model))) == blocks(data)


# --- what is not a document ----------------------------------------------------------------------

TMX = b"<tmx><header srclang='en'/><body>\n<tu>%s</tu></body></tmx>"


MALFORMED = [
    pytest.param(b"a\n# b\xff", "markdown", "x:2: byte 0xff is not UTF-8", id="markdown"),
    pytest.param(b"a\tb\nc\xff\t", "tsv", "x:2: byte 0xff is not UTF-8", id="tsv"),
    pytest.param(b"a\nb\xff", "text", "x:2: byte 0xff is not UTF-8", id="text"),
    pytest.param(b"\xff\xfea", "text", "x:1: byte", id="half a character of UTF-16"),
    pytest.param(b"a\n\xff", "rst", "x:2: byte 0xff is not UTF-8", id="rst"),
    pytest.param(b"a\n\xff", "asciidoc", "x:2: byte 0xff is not UTF-8", id="asciidoc"),
    pytest.param(b'{"a": 1,\n "b" }', "json", "x:2: not JSON: Expecting ':'", id="json"),
    pytest.param(b"[" * 200_000, "json", "nested too deep", id="deep json"),
    pytest.param(b"{'a': 1}", "arb", "x:1: not JSON", id="arb"),
    pytest.param(b"a=\\u12", "properties", "x:1: not .properties", id="properties"),
    pytest.param(b"hello\n", "srt", "x:1: not SubRip", id="srt"),
    pytest.param(b"hello\n", "sbv", "x:1: not .sbv", id="sbv"),
    pytest.param(b"hello\n", "ass", "x: not SubStation", id="ass"),
    pytest.param(b"<a/>", "stringsdict", "x: the first element is <a>", id="stringsdict"),
    pytest.param(b"hello\n", "ods", "x: not an OpenDocument spreadsheet", id="ods"),
    pytest.param(b"1\nfirst --> second\n", "srt", "x:1: not SubRip", id="time"),
    pytest.param(b"00:01.000 --> 00:02.000\nx", "vtt", "must begin with WEBVTT", id="vtt"),
    pytest.param(b"WEBVTT\n\n1 --> 2\nx", "vtt", "x:3: cannot read", id="vtt time"),
    pytest.param(b'msgid "a"\n', "po", "x:1: not PO: a message without msgstr", id="po"),
    pytest.param(b'msgid "a"\nmsgstr "b\n', "po", "x:2: not PO: a string", id="po string"),
    pytest.param(b'msgid "a"\nmessage "b"\n', "po", "x:2: not PO: 'message", id="po word"),
    pytest.param(b"<xliff>\n<a></b>", "xliff", "x:2: not well-formed XML: mis", id="xml"),
    pytest.param(b"<html/>", "xliff", "x: not XLIFF 1 or 2", id="xliff"),
    pytest.param(
        b'<xliff version="1.2">\n<trans-unit id="1"/><trans-unit></trans-unit></xliff>',
        "xliff",
        "x:2: not XLIFF: a trans-unit without a source",
        id="xliff unit",
    ),
    pytest.param(
        b"{}", "xcstrings", "x: not a string catalogue: it has no strings", id="catalogue"
    ),
    pytest.param(b"<TSX/>", "qt", "x: the first element is <TSX>, not <TS>", id="qt"),
    pytest.param(b"<tmx/>", "tmx", "x: not TMX: no header that names", id="tmx header"),
    pytest.param(b"<html/>", "tmx", "x: not TMX: the first element is '<html/>'", id="tmx"),
    pytest.param(TMX % b"<tuv xml:lang='en'/>", "tmx", "x:2: not TMX: a tuv without", id="seg"),
    pytest.param(TMX % b"<tuv><seg/></tuv>", "tmx", "x:2: not TMX: a tuv wi", id="language"),
    pytest.param(TMX % b"<note>a</note>", "tmx", "x:2: not TMX: a tu without a tuv", id="tuv"),
    pytest.param(
        TMX % b"<tuv xml:lang='en'><seg>a</seg></tuv>",
        "tmx",
        "x: is all in en: name the language to translate into",
        id="tmx target",
    ),
    pytest.param(b"PK\x03\x04", "docx", "x: not a Word document: the archive", id="docx"),
    pytest.param(b"a,b\nc\n", "csv", "x: not CSV: row 2 has 1 cells, the first 2", id="csv"),
    pytest.param(b"a: b\nc: [\n", "yaml", "x:3: not YAML", id="yaml"),
    pytest.param(b"<a/>", "android", "x: the first element is <a>, not <resources>", id="android"),
    pytest.param(b"<root>", "resx", "x:1: not well-formed XML", id="resx"),
    pytest.param(b'"a" = "b";\nc\n', "strings", "x:2: not .strings", id="strings"),
    pytest.param(b"PK\x03\x04", "xlsx", "x: not an Excel workbook: the archive", id="xlsx"),
    pytest.param(b"PK\x03\x04", "pptx", "x: not a PowerPoint presentation", id="pptx"),
    pytest.param(b"PK\x03\x04", "epub", "x: not an EPUB book: the archive", id="epub"),
    pytest.param(b"", "odt", "x: not OpenDocument: the archive is damaged", id="odt"),
    pytest.param(b'<meta charset="klingon-8">', "html", "'klingon-8'", id="html charset"),
    pytest.param(b'<meta charset="ascii">\n\xff', "html", "not ASCII", id="html bytes"),
]


def test_there_is_a_malformed_file_of_every_format() -> None:
    assert {str(case.values[1]) for case in MALFORMED} == set(FORMATS)


@pytest.mark.parametrize(("data", "name", "message"), MALFORMED)
def test_a_malformed_file_is_one_sentence(data: bytes, name: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        open_document(data, name, name="x")
    assert message in str(caught.value)
    assert str(caught.value).startswith("x:")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.md: cannot be read: No such file"):
        open_document(tmp_path / "gone.md")


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no format is called 'pdf'; there are text, markdown"):
        open_document(b"", "pdf")


def test_translations_must_fit() -> None:
    document = open_document(b"Some **bold** text\n", "markdown")
    id = document.segments[0].id
    with pytest.raises(UsageError, match="no segment 'x'"):
        document.with_translations({"x": "y"})
    with pytest.raises(UsageError, match="<1> is there 0 times"):
        document.with_translations({id: "fett"})
    with pytest.raises(UsageError, match="<9/> is not in the source"):
        document.with_translations({id: "<1>fett</1> <9/>"})


def test_the_formats_and_their_suffixes_are_documented() -> None:
    text = (DOCS / "documents.md").read_text("utf-8")
    rows = re.findall(r"(?m)^\| (\w+) \| (\.[\w. ]+) \|", text)
    assert [name for name, _ in rows] == list(FORMATS)
    assert {s: name for name, suffixes in rows for s in suffixes.split()} == SUFFIXES


def test_the_example_in_the_documentation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("report.md").write_text("a *b* `c`\n")
    (program,) = re.findall(r"```python\n(.*?)```", (DOCS / "documents.md").read_text(), re.DOTALL)
    names: dict[str, bytes] = {}
    exec(program, names)
    assert names["data"] == b"A *B* `c`\n"


def test_every_suffix_names_a_format() -> None:
    assert set(SUFFIXES.values()) == set(FORMATS)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"WEBVTT\n", "vtt"),
        (b"\xef\xbb\xbf<!DOCTYPE HTML>", "html"),
        (b"1\n00:00:01,000 --> 00:00:02,000\n", "srt"),
        (b'# x\nmsgid ""\nmsgstr ""\n', "po"),
        (b"Just text", "text"),
    ],
)
def test_content_tells_where_the_name_does_not(head: bytes, name: str) -> None:
    assert format_of(Path("file"), head) == name


# --- the pipeline --------------------------------------------------------------------------------


def only(data: str, name: str, model: object) -> TranslatedSegment:
    (result,) = translate_segments(open_document(data.encode(), name).segments, model)  # type: ignore[arg-type]
    return result


def test_a_lost_literal_comes_back_through_fragments() -> None:
    result = only("You have %d new mails", "text", shout)
    assert result.text == "yOU HAVE <1/> NEW MAILS"
    assert result.warnings == ("translated in fragments to keep %d",)


def test_a_lost_number_is_told() -> None:
    result = only(
        "In 1990 there were 5,000", "text", lambda ts: ["Damals waren es 5.000"] * len(ts)
    )
    assert result.warnings == ("the number 1990 of the source is not in the translation",)


def test_what_has_no_words_does_not_reach_the_model() -> None:
    document = open_document(b'msgid "%s"\nmsgstr ""\n', "po")
    asked: list[str] = []

    def model(texts: Sequence[str]) -> Sequence[str]:
        asked.extend(texts)
        return texts

    (result,) = translate_segments(document.segments, model)
    assert (asked, result.text) == ([], "<1/>")
    assert document.with_translations({result.segment.id: result.text}).endswith(b'msgstr "%s"\n')


def test_a_character_that_was_spelt_wrong_is_told() -> None:
    segment = Segment("1", "with \u03b2 and \ufffd")
    (result,) = translate_segments([segment], lambda texts: ["mit \ufffd und \ufffd"])
    assert result.warnings == ("the model tried to spell a character that it does not know",)


@pytest.mark.parametrize(
    ("source", "said", "kept"),
    [
        ("Open <1/>...", "\u00d6ffnen {x}\u2026", "\u00d6ffnen <1/>..."),
        ("Open\u2026", "\u00d6ffnen...", "\u00d6ffnen\u2026"),
        ("a... b\u2026", "x\u2026 y...", "x\u2026 y..."),
        ("Open", "\u00d6ffnen\u2026", "\u00d6ffnen\u2026"),
    ],
)
def test_a_translation_trails_off_as_its_source(source: str, said: str, kept: str) -> None:
    segment = Segment("1", source, {1: Inline("{x}", shown="{x}")})
    (result,) = translate_segments([segment], lambda texts: [said])
    assert result.text == kept


def test_windows_keep_the_order() -> None:
    lines = "".join(f"line {number}\n" for number in range(50))
    segments = open_document(lines.encode(), "text").segments
    results = list(translate_segments(segments, list, window=7))
    assert [result.segment for result in results] == list(segments)


def test_a_long_line_is_a_segment() -> None:
    line = "word %s <b>bold</b> {x} " * 4_000
    document = open_document(line.encode(), "text")
    assert document.with_translations(translated(document, shout)).count(b"%s") == 4_000
