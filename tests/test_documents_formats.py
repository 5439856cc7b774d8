"""What each format makes of its files, in detail; PO is held to polib."""

from collections.abc import Mapping
from pathlib import Path

import polib
import pytest

from tformer.documents.registry import open_document
from tformer.documents.segments import SegmentState

DATA = Path(__file__).parent / "data" / "documents"


def written(data: str, name: str, translations: Mapping[str, str]) -> str:
    """A document with translations by their source text."""
    document = open_document(data.encode(), name)
    ids = {segment.text: segment.id for segment in document.segments}
    return document.with_translations({ids[s]: t for s, t in translations.items()}).decode()


def texts(data: str, name: str) -> list[str]:
    return [segment.text for segment in open_document(data.encode(), name).segments]


# --- Markdown ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "translations", "expected"),
    [
        pytest.param("a b\n", {"a b": "c *d* `e`"}, "c \\*d\\* \\`e\\`\n", id="what became markup"),
        pytest.param(
            "a b\n", {"a b": "snake_case & 2 < 3"}, "snake_case & 2 < 3\n", id="no markup"
        ),
        pytest.param("a b\n", {"a b": "1. Mai"}, "1\\. Mai\n", id="a list that is none"),
        pytest.param("a b\n", {"a b": "# x"}, "\\# x\n", id="a heading that is none"),
        pytest.param("a b\n", {"a b": "- x"}, "\\- x\n", id="an item that is none"),
        pytest.param(
            "> one two\n> three\n",
            {"one two three": "eins zwei drei vier"},
            "> eins\n> zwei\n> drei\n> vier\n",
            id="wrapped to the width it had",
        ),
        pytest.param(
            "- one two\n  three\n",
            {"one two three": "12345 - 1. # x"},
            "- 12345 - 1. #\n  x\n",
            id="no line begins a block",
        ),
        pytest.param("|a|\n|-|\n|b c|\n", {"b c": "x|y"}, "|a|\n|-|\n|x\\|y|\n", id="cell"),
        pytest.param(
            "see [that page]\n\n[that page]: /x\n",
            {"see <1>that page</1>": "siehe <1>jene Seite</1>"},
            "siehe [jene Seite][that page]\n\n[that page]: /x\n",
            id="a reference by its text",
        ),
        pytest.param("# Title #\r\n", {"Title": "Titel"}, "# Titel #\r\n", id="heading"),
        pytest.param("a  \nb\n", {"a<1/>b": "c<1/>d"}, "c  \nd\n", id="hard break"),
        pytest.param(
            "---\ntitle: a b\nx: y\n---\n",
            {"a b": "c: d"},
            '---\ntitle: "c: d"\nx: y\n---\n',
            id="front matter",
        ),
    ],
)
def test_markdown_is_written(source: str, translations: Mapping[str, str], expected: str) -> None:
    assert written(source, "markdown", translations) == expected


def test_what_markdown_cannot_say_stays() -> None:
    # Emphasis cannot begin before a blank, so this translation has no spelling.
    source = "a *b* c\n"
    assert written(source, "markdown", {"a <1>b</1> c": "x<1> y </1>z"}) == source


# --- subtitles -----------------------------------------------------------------------------------


CUES = """1
00:00:01,000 --> 00:00:02,000
If we don't find the doctor before

2
00:00:02,000 --> 00:00:03,000
midnight, the whole town
will be in danger.

3
00:00:03,000 --> 00:00:04,000
Who says so?

4
00:00:04,000 --> 00:00:05,000
<i>he says so</i>
"""


def test_a_sentence_goes_on_in_the_next_cue() -> None:
    document = open_document(CUES.encode(), "srt")
    assert [segment.plain for segment in document.segments] == [
        "If we don't find the doctor before midnight, the whole town will be in danger.",
        "Who says so?",
        "he says so",
    ]
    translations = {"1": "Finden wir den Arzt nicht vor<1/> Mitternacht, ist die Stadt in Gefahr."}
    lines = document.with_translations(translations).decode().splitlines()
    assert lines[2] == "Finden wir den Arzt nicht vor"
    assert lines[6:8] == ["Mitternacht, ist die Stadt in Gefahr.", ""]
    assert lines[4:6] == CUES.splitlines()[4:6]


@pytest.mark.parametrize(
    ("translation", "first", "second"),
    [
        pytest.param("<1/>a b c d e f g", "a b c", "d e f g", id="nothing before the border"),
        pytest.param("a b c d e f g<1/>", "a b c", "d e f g", id="nothing behind it"),
        pytest.param("Los<1/>", "Los", "Los", id="one word"),
        pytest.param(f"a {'bcde ' * 18}<1/>f", f"a {'bcde ' * 8}", "bcde " * 10 + "f", id="much"),
    ],
)
def test_every_cue_says_something_and_none_too_much(
    translation: str, first: str, second: str
) -> None:
    document = open_document(CUES.encode(), "srt")
    again = document.with_translations({"1": translation}).decode().split("\n\n")
    said = [block.split("\n", 2)[2].split() for block in again[:2]]
    assert said == [first.split(), second.split()]


def test_subtitles_wrap_evenly_and_tags_take_no_room() -> None:
    source = "1\n00:00:01,000 --> 00:00:02,000\n<i>short</i>\n"
    text = "Das ist ein Satz der nicht auf eine Zeile passt und auf zwei kommt"
    lines = written(source, "srt", {"<1>short</1>": f"<1>{text}</1>"}).splitlines()[2:]
    assert " ".join(lines) == f"<i>{text}</i>"
    assert [len(line.replace("<i>", "").replace("</i>", "")) <= 42 for line in lines] == [True] * 2
    assert abs(len(lines[0]) - len(lines[1])) < 12


def test_two_speakers_keep_their_lines() -> None:
    source = "1\r\n00:00:01,000 --> 00:00:02,000\r\n- Who?\r\n- Me.\r\n"
    assert written(source, "srt", {"<1/>Who?<2/><3/>Me.": "<1/>Wer?<2/><3/>Ich."}) == (
        source.replace("Who", "Wer").replace("Me", "Ich")
    )


def test_an_arrow_in_a_caption_is_escaped() -> None:
    source = "WEBVTT\n\n00:01.000 --> 00:02.000\na b\n"
    data = written(source, "vtt", {"a b": "x --> y < z & c"})
    assert data.endswith("\nx --&gt; y &lt; z &amp; c\n")
    assert texts(data, "vtt") == ["x --> y < z & c"]


# --- PO ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((DATA / "po").iterdir()), ids=lambda path: path.name)
def test_po_is_read_as_polib_does(path: Path) -> None:
    entries = [e for e in polib.pofile(str(path)) if not e.obsolete]
    expected = []
    for entry in entries:
        forms = entry.msgstr_plural or {None: entry.msgstr}
        expected += [(entry.msgctxt or "", forms[key], entry.fuzzy) for key in sorted(forms)]
    segments = open_document(path).segments
    assert [(s.context, s.target, s.state is SegmentState.REVIEW) for s in segments] == [
        (context, target, fuzzy and target != "") for context, target, fuzzy in expected
    ]


@pytest.mark.parametrize("path", sorted((DATA / "po").iterdir()), ids=lambda path: path.name)
def test_polib_reads_what_is_written(path: Path) -> None:
    document = open_document(path)
    new = {s.id: f"{s.text} «ü\\»" for s in document.segments if s.state is SegmentState.NEW}
    if path.name == "latin1.po":
        new = {id: text.replace("«ü\\»", "\xfc") for id, text in new.items()}
    before = polib.pofile(str(path))
    after = polib.pofile(document.with_translations(new).decode(before.encoding))
    assert [e.msgid for e in after] == [e.msgid for e in before]
    assert not after.untranslated_entries()
    for old, entry in zip(before, after, strict=True):
        if old.translated() or old.obsolete or old.fuzzy:
            assert str(entry) == str(old)
            continue
        assert entry.fuzzy
        for form in entry.msgstr_plural.values() or [entry.msgstr]:
            assert form.rstrip("\n").endswith("\xfc" if path.name == "latin1.po" else "«ü\\»")
            assert form.endswith("\n") == entry.msgid.endswith("\n")


# --- the others ----------------------------------------------------------------------------------


def test_html_leaves_code_scripts_and_what_says_so() -> None:
    data = (DATA / "html" / "page.html").read_text("utf-8")
    found = texts(data, "html")
    assert "Bread & butter" in found
    assert 'How we bake "real" bread' in found
    assert (
        "Take <1>500 g</1> of flour and read <2>the <3>manual</3></2> first.<4/>Then type <5/>."
        in found
    )
    assert not any(word in " ".join(found) for word in ("document.write", "preformatted", "Evian"))


def test_an_attribute_and_the_sentence_around_it_are_both_written() -> None:
    source = '<p>See <img alt="a cat" src="x"> here</p>'
    translations = {"See <1/> here": "Hier <1/> sehen", "a cat": 'eine "Katze"'}
    expected = '<p>Hier <img alt="eine &quot;Katze&quot;" src="x"> sehen</p>'
    assert written(source, "html", translations) == expected


def test_a_character_that_the_encoding_lacks_is_spelled() -> None:
    path = DATA / "html" / "latin1.html"
    document = open_document(path)
    id = document.segments[-1].id
    assert b"<p>&#8222;\xfc&#8220;</p>" in document.with_translations({id: "„ü“"})


def test_json_is_written_as_it_was() -> None:
    assert (
        written('{"a":"caf\\u00e9"}', "json", {"café": 'Ü "x"\n'}) == '{"a":"\\u00dc \\"x\\"\\n"}'
    )
    assert written('{"a":"café"}', "json", {"café": "Ü"}) == '{"a":"Ü"}'


def test_variants_are_units_of_a_segment_and_their_number_stays() -> None:
    source = '{"n":"{c, plural, one {# file} other {# files}}"}'
    expected = '{"n":"{c, plural, one {# Datei} other {# Dateien}}"}'
    assert (
        written(
            source,
            "json",
            {"<1/><2/> file<3/><4/> files<5/>": "<1/><2/> Datei<3/><4/> Dateien<5/>"},
        )
        == expected
    )


def test_properties_double_apostrophes_only_where_arguments_are() -> None:
    source = "a=don''t {0}\nb=don't\n"
    translations = {"don't <1/>": "l'a <1/>", "don't": "l'a"}
    assert written(source, "properties", translations) == "a=l''a {0}\nb=l'a\n"


def test_xliff_marks_what_a_machine_made() -> None:
    data = (DATA / "xliff" / "app.xlf").read_text("utf-8")
    new = "<1>Unser Laden</1>, <2/>, grüßt & mehr"
    result = written(data, "xliff", {"Welcome to <1>our shop</1>, <2/>!": new})
    target = (
        '\n        <target state="needs-review-translation">'
        '<g id="1" ctype="bold">Unser Laden</g>, {{name}}, grüßt &amp; mehr</target>'
    )
    source = '<source>Welcome to <g id="1" ctype="bold">our shop</g>, {{name}}!</source>'
    assert result == data.replace(source, source + target)


def test_xliff_tells_how_far_a_translation_is() -> None:
    segments = open_document(DATA / "xliff" / "app.xlf").segments
    assert [(s.id, s.state.value) for s in segments] == [
        ("1", "new"), ("2", "new"), ("3", "translated"), ("4", "review"), ("6", "new"),
    ]  # fmt: skip


def test_tmx_fills_in_what_is_missing_and_says_who_did() -> None:
    data = (DATA / "tmx" / "app.tmx").read_text("utf-8")
    new = {"Please wait, <1/>.": "Bitte warten & <1/>.", "The door is open.": "Die Tür ist offen."}
    made = (
        '</tuv>\n      <tuv xml:lang="de-DE" creationid="tformer">'
        '<seg>Bitte warten &amp; {name}.</seg></tuv>\n    </tu>\n    <tu tuid="empty">'
    )
    expected = data.replace('</tuv>\n    </tu>\n    <tu tuid="empty">', made).replace(
        '<tuv xml:lang="de-DE"><seg/>',
        '<tuv xml:lang="de-DE" changeid="tformer"><seg>Die Tür ist offen.</seg>',
    )
    assert written(data, "tmx", new) == expected


def test_tmx_tells_how_far_a_translation_is() -> None:
    segments = open_document(DATA / "tmx" / "app.tmx").segments
    assert [(s.id, s.state.value) for s in segments] == [
        ("title", "translated"), ("wait", "new"), ("empty", "new"), ("guess", "review"),
    ]  # fmt: skip


def test_tmx_keeps_native_code_around_words() -> None:
    segments = open_document(DATA / "tmx" / "inline.tmx").segments
    assert [s.text for s in segments] == [
        "Read the <1>manual</1> of <2/> first.",
        "A <1>turbine</1> is <2><3>fast</3></2>.",
        "Unpaired <1/>tags, <2/> and <3/> codes.",
        "<1/>",
        "Crossing <1>one<2/>two</1>three<3/>.",
    ]
    assert segments[0].target == "Lies erst das Handbuch."


@pytest.mark.parametrize(
    ("target", "language"), [("fr", "fr"), ("de", "de-AT"), ("de-AT", "de-AT"), ("de-DE", "de-DE")]
)
def test_tmx_of_many_languages_is_translated_into_the_one_that_is_named(
    target: str, language: str
) -> None:
    unit = '<tuv xml:lang="{}"><seg>{}</seg></tuv>'
    rest = unit.format("de-AT", "Servus") + unit.format("it", "Ciao")
    body = f"<tu>{unit.format('en', 'Hello')}{rest}</tu><tu>{unit.format('en', 'Bye')}</tu>"
    data = f'<tmx><header srclang="en"/><body>{body}</body></tmx>'.encode()
    document = open_document(data, "tmx", target=target)
    assert [s.text for s in document.segments] == ["Hello", "Bye"]
    made = document.with_translations({"2": "X"}).decode()
    assert f'<tuv xml:lang="{language}" creationid="tformer"><seg>X</seg></tuv>' in made


def test_word_keeps_the_formats_of_words() -> None:
    document = open_document(DATA / "docx" / "runs.docx")
    assert [segment.text for segment in document.segments] == [
        "The yearly report",
        "We sold <1>five hundred</1><2> fresh</2> loaves, see <3><4>our web site</4></3>.",
    ]


def test_word_shows_fields_and_notes_what_stands_alone() -> None:
    segments = open_document(DATA / "docx" / "fields.docx").segments
    page = next(s for s in segments if s.text.startswith("Page"))
    assert (page.text, page.plain) == ("Page <1/> of the book", "Page 7 of the book")
    assert "Inserted words" in "".join(s.plain for s in segments)
    assert "gone words" not in "".join(s.plain for s in segments)


def test_opendocument_reads_boxes_in_boxes() -> None:
    segments = open_document(DATA / "odt" / "frames.odt").segments
    assert [s.text for s in segments] == [
        "<1/>Caption of it", "In a box <1/>", "in a box", "<1/><2/>After a break",
    ]  # fmt: skip
