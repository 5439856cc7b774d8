"""Faults that damaged files silently, each kind in every format that has it.

The translator of these tests shouts, so that whatever must stay and does not is seen.
"""

import json
import re
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tformer.documents.document import DocumentLanguages
from tformer.documents.inline.icu import MessageRole, variants
from tformer.documents.inline.interface import Accelerator, is_identifier
from tformer.documents.languages import OtherLanguageError, check_languages, language_of_path
from tformer.documents.registry import is_no_text, open_document
from tformer.documents.translation import Answer, translate_segments
from tformer.model.errors import InputError, UsageError

PO = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
XLIFF = (
    '<xliff version="1.2"><file source-language="en" target-language="de"><body>'
    '<trans-unit id="1"><source>{}</source></trans-unit></body></file></xliff>'
)
CUE = "1\n00:00:01,000 --> 00:00:02,000\n{}\n"


def shout(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts]


def shouted(data: str, format: str, language: str | None = None) -> str:
    document = open_document(data.encode(), format)
    translations = {r.segment.id: r.text for r in translate_segments(document.segments, shout)}
    assert document.damages(translations) == {}
    return document.with_translations(translations, language).decode()


def target(source: str) -> str:
    found = re.search(r"<target[^>]*>(.*)</target>", shouted(XLIFF.format(source), "xliff"))
    assert found
    return found[1]


def message(source: str, flags: str = "") -> str:
    flags = f"#, {flags}\n" if flags else ""
    written = shouted(f'{PO}{flags}msgid "{source}"\nmsgstr ""\n', "po")
    return written.rpartition("msgstr ")[2].strip().strip('"')


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('<x id="N"/> files', '<x id="N"/> FILES'),
        ('Last seen: <x id="D"/>', 'LAST SEEN: <x id="D"/>'),
        ('<x id="I"/>Save', '<x id="I"/>SAVE'),
        ('one<ph id="1">&lt;br&gt;</ph>two', 'ONE<ph id="1">&lt;br&gt;</ph>TWO'),
        ('the <mrk mtype="protected">Ben</mrk> bell', 'THE <mrk mtype="protected">Ben</mrk> BELL'),
        (
            '<x id="START_LINK"/>go<x id="CLOSE_LINK"/> home',
            '<x id="START_LINK"/>GO<x id="CLOSE_LINK"/> HOME',
        ),
        (
            '{N, plural, one {a <x id="P"/> cat} other {cats}}',
            '{N, plural, one {A <x id="P"/> CAT} other {CATS}}',
        ),
    ],
)  # fmt: skip
def test_xliff(source: str, expected: str) -> None:
    assert target(source) == expected


@pytest.mark.parametrize(
    ("source", "flags", "expected"),
    [
        ("%dh ago", "c-format", "%dH AGO"),
        ("%d%% full", "c-format", "%d%% FULL"),
        ("50% off and % d", "", "50% OFF AND % D"),
        ("%<n>d of %{all} rows", "ruby-format", "%<n>d OF %{all} ROWS"),
        ("~a saw ~s~%", "lisp-format", "~a SAW ~s~%"),
        ("up to %n (%L1)", "qt-format", "UP TO %n (%L1)"),
        ("press <kbd>Esc</kbd> now", "", "PRESS <kbd>Esc</kbd> NOW"),
        ("one<br>two", "", "ONE<br>TWO"),
        ("my-app-symbolic", "", "my-app-symbolic"),
        ("red;green;blue;", "", "RED;GREEN;BLUE;"),
        ("_Open file", "", "_OPEN FILE"),
    ],
)
def test_po(source: str, flags: str, expected: str) -> None:
    assert message(source, flags) == expected


def test_po_line_breaks_stay_where_they_are() -> None:
    source = "\\none\\n  -q, --quiet     say less\\ntwo\\n\\n"
    written = shouted(f'{PO}msgid "{source}"\nmsgstr ""\n', "po").rpartition("msgstr ")[2]
    text = "".join(re.findall(r'"(.*)"', written))
    assert text == "\\nONE\\n  -q, --quiet     SAY LESS\\nTWO\\n\\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('<p><i class="x"></i> home</p>', '<p><i class="x"></i> HOME</p>'),
        ("<p>a1<span></span>made</p>", "<p>A1<span></span>MADE</p>"),
        ("<p>cost:<b></b>five</p>", "<p>COST:<b></b>FIVE</p>"),
        ("<p>no <%= n %> left</p>", "<p>NO <%= n %> LEFT</p>"),
        ('<a href="<?= $u ?>">go</a>', '<a href="<?= $u ?>">GO</a>'),
        ('<input type="submit" value="go">', '<input type="submit" value="GO">'),
        ('<input type="text" value="go">', '<input type="text" value="go">'),
        ("<p>x<sup>2</sup> is big</p>", "<p>x<sup>2</sup> IS BIG</p>"),
        ("<p>H<sub>2</sub>O is wet</p>", "<p>H<sub>2</sub>O IS WET</p>"),
    ],
)
def test_html(source: str, expected: str) -> None:
    assert shouted(source, "html") == expected


MARKDOWN = [
    ("!!! tip \"be kind\"\n    say so\n", "!!! tip \"BE KIND\"\n    SAY SO\n"),
    ("??? note\n\n    a\n\n    - b\n", "??? note\n\n    A\n\n    - B\n"),
    ('=== "one"\n\n    a\n\n=== "two"\n\n    b\n', '=== "ONE"\n\n    A\n\n=== "TWO"\n\n    B\n'),
    ("::: warning\nmind\n:::\n", "::: warning\nMIND\n:::\n"),
    (":::note[see]\nmind\n:::\n", ":::note[SEE]\nMIND\n:::\n"),
    ("> [!TIP]\n> do it\n", "> [!TIP]\n> DO IT\n"),
    ("cat\n:   a pet\n:   a beast\n", "CAT\n:   A PET\n:   A BEAST\n"),
    ("a[^1]\n\n[^1]: b\n[^2]: c\n", "A[^1]\n\n[^1]: B\n[^2]: C\n"),
    ("## a {#b .c}\n", "## A {#b .c}\n"),
    ("[a](b.md){ .c target=_blank } d\n", "[A](b.md){ .c target=_blank } D\n"),
    ("import A from 'a';\nimport B from 'b';\n\nc {x.y} d\n",
     "import A from 'a';\nimport B from 'b';\n\nC {x.y} D\n"),
    ("export const a = {\n  b: 1,\n};\n\nc\n", "export const a = {\n  b: 1,\n};\n\nC\n"),
    ("{{< note >}}\na\n{{< /note >}}\n", "{{< note >}}\nA\n{{< /note >}}\n"),
    ("{% if a %}\nb\n{% endif %}\n", "{% if a %}\nB\n{% endif %}\n"),
    ("{% raw %}\nb\n{% endraw %}\nc\n", "{% raw %}\nb\n{% endraw %}\nC\n"),
    ("a $x_1 + y_1$ b\n\n$$\nx^2\n$$\n\nc\n", "A $x_1 + y_1$ B\n\n$$\nx^2\n$$\n\nC\n"),
    ("a $5 or $6 b\n", "A $5 OR $6 B\n"),
    ("see [[a b|the c]] and ![[d]]\n", "SEE [[a b|THE C]] AND ![[d]]\n"),
    ("a ==b c== d\n", "A ==B C== D\n"),
    ("- [ ] a\n- [x] b\n", "- [ ] A\n- [x] B\n"),
    ("+++\ntitle = \"a\"\ntags = [\"b\"]\n+++\n\nc\n",
     "+++\ntitle = \"A\"\ntags = [\"b\"]\n+++\n\nC\n"),
    ("---\ntitle: a\nsummary: no\ndescription: >\n  b\n---\nc\n",
     "---\ntitle: A\nsummary: no\ndescription: >\n  B\n---\nC\n"),
    ("![a cat](b.png){ width=3 }\n", "![A CAT](b.png){ width=3 }\n"),
    ("::: a.b\n    options:\n      c: true\n\nd\n", "::: a.b\n    options:\n      c: true\n\nD\n"),
    ("thanks @a-b for #12 in x/y#3\n", "THANKS @a-b FOR #12 IN x/y#3\n"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), MARKDOWN)
def test_markdown_of_sites(source: str, expected: str) -> None:
    assert shouted(source, "markdown") == expected
    assert shouted(source.replace("\n", "\r\n"), "markdown") == expected.replace("\n", "\r\n")


@given(
    st.lists(
        st.sampled_from(["&lt;b&gt;", "\\<script\\>", "a", " ", "`<i>`", "&amp;", "\\*", "x&lt;y"]),
        max_size=8,
    ).map("".join)
)
def test_what_markdown_shows_as_text_never_becomes_markup(source: str) -> None:
    def tags(text: str) -> list[str]:
        return re.findall(r"<\w+", MarkdownIt("commonmark").render(text))

    text = f"word {source}\n"
    assert tags(shouted(text, "markdown")) == tags(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{n, plural, one {# day} other {# days}}", "{n, plural, one {# DAY} other {# DAYS}}"),
        ("in {n, plural, =1 {a day} other {{x} days}} or so",
         "IN {n, plural, =1 {A DAY} other {{x} DAYS}} OR SO"),
        ("{0,choice,0#no files|1#one file|1<{0,number} files} here",
         "{0,choice,0#NO FILES|1#ONE FILE|1<{0,number} FILES} HERE"),
        ("{n, choice, -1#debt|0#nothing|1\u2264more than {m}}",
         "{n, choice, -1#DEBT|0#NOTHING|1\u2264MORE THAN {m}}"),
        ("{0,choice,none}", "{0,choice,none}"),
        ("{g, select, a {it'{'s} other {we}}", "{g, select, a {IT'{'S} other {WE}}"),
        ("no cars | one car | {count} cars", "NO CARS | ONE CAR | {count} CARS"),
        ("$USER$ owes $$5", "$USER$ OWES $$5"),
        ("see $t(a, {{b}}) there", "SEE $t(a, {{b}}) THERE"),
        ("go<br/>home", "GO<br/>HOME"),
        ("<p>a <b>b</b></p><ul><li>c</li></ul>", "<p>A <b>B</b></p><ul><li>C</li></ul>"),
        ("arrow-up", "arrow-up"),
        ("image/png", "image/png"),
        ("&lt;a&gt; b", "&lt;a&gt; B"),
    ],
)  # fmt: skip
def test_json(value: str, expected: str) -> None:
    assert shouted(f'{{"k": "{value}"}}', "json") == f'{{"k": "{expected}"}}'


def test_java_doubles_apostrophes_where_arguments_are() -> None:
    document = open_document(b"a=x {0}\nb=y\nc=don't {0}\n", "properties")
    texts = {"a": "l'x <1/>", "b": "l'y", "c": "d'un <1/>"}
    assert document.with_translations(texts) == b"a=l''x {0}\nb=l'y\nc=d'un {0}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">> hello\n>> you", ">> HELLO\n>> YOU"),
        ("{\\an8}{y:i}hi", "{\\an8}{y:i}HI"),
        ("a\\Nb", "A\\NB"),
        ("one\n\ntwo", "ONE\n\nTWO"),
        ("\u266a la la \u266a", "\u266a LA LA \u266a"),
    ],
)
def test_subtitles(text: str, expected: str) -> None:
    assert shouted(CUE.format(text), "srt") == CUE.format(expected)


def test_word_times_of_captions_rise_and_metadata_stays() -> None:
    cue = "WEBVTT\nLanguage: en\n\n00:01.000 --> 00:04.000\n{}\n"
    timed = cue.format("so<00:01.500><c> we</c><00:02.000><c> go</c>")
    expected = cue.format("SO<00:01.500><c> WE</c><00:02.000><c> GO</c>").replace("en", "de")
    assert shouted(timed, "vtt", "de") == expected
    metadata = cue.format('{"a": "b c"}')
    assert shouted(metadata, "vtt") == metadata


@pytest.mark.parametrize(
    ("data", "format", "expected"),
    [
        ('{"@@locale": "en", "a": "b c"}', "arb", '{"@@locale": "de", "a": "B C"}'),
        ('<html lang="en-GB"><p>a</p></html>', "html", '<html lang="de"><p>A</p></html>'),
        (
            '<xliff version="2.0" srcLang="en"><file id="f"><unit id="u"><segment>'
            "<source>a</source></segment></unit></file></xliff>",
            "xliff",
            'trgLang="de"',
        ),
    ],
)
def test_the_language_is_named_in_what_is_written(data: str, format: str, expected: str) -> None:
    assert expected in shouted(data, format, "de")


def test_a_translation_that_would_become_structure_is_found() -> None:
    document = open_document(b"<p>one</p><p>two</p>", "html")
    first, second = (segment.id for segment in document.segments)
    assert document.damages({first: "eins", second: "zwei"}) == {}
    # Whatever writes it: a text document whose lines a translation breaks.
    lines = open_document(b"a=x\nb=y\n", "properties")
    assert set(lines.damages({"a": "", "b": "z"})) == {"a"}


def test_html_between_the_signs_of_a_quotation_stays() -> None:
    assert shouted("> <div>\n> the door\n\nThe end.\n", "markdown") == (
        "> <div>\n> the door\n\nTHE END.\n"
    )


def test_an_encoding_that_lacks_a_character_loses_no_file() -> None:
    header = PO.replace("UTF-8", "ISO-8859-1")
    data = f'{header}msgid "a"\nmsgstr ""\n\nmsgid "b"\nmsgstr ""\n'
    document = open_document(data.encode(), "po")
    assert set(document.damages({"a": "\u0142", "b": "\u201eb\u201c"})) == {"a"}
    assert b'msgstr "\\"b\\""' in document.with_translations({"b": "\u201eb\u201c"})


@given(st.text("{}'#, ab=0pluraselcthd", max_size=30))
def test_spans_of_a_message_are_the_message(text: str) -> None:
    spans = variants(text)
    if spans:
        assert "".join(text[s.start : s.end] for s in spans) == text
        assert {s.role for s in spans} & {MessageRole.SYNTAX, MessageRole.QUOTED}


def test_names_of_programs_and_accelerators() -> None:
    assert all(map(is_identifier, ["arrow-left", "#FF0000", "en_US", "a.b.C", "0 5 * * MON"]))
    assert not any(map(is_identifier, ["Save", "Save as", "Yes/No", "e.g.", "R&D"]))
    accelerator = Accelerator.of("E&xit")
    assert accelerator
    assert (accelerator.without, accelerator.put_into("Exportieren")) == ("Exit", "E&xportieren")
    assert Accelerator.of("AT&T") is None
    assert Accelerator.of("a &amp; b") is None


def test_tables_for_two_languages_are_filled_and_others_translated() -> None:
    pairs = "key;en;de\na;one dog;\nb;one cat;Katze\n"
    document = open_document(pairs.encode(), "csv")
    first, second = document.segments
    assert (document.languages.source, second.target) == ("en", "Katze")
    filled = document.with_translations({first.id: "ein; Hund"})
    assert filled == b'key;en;de\na;one dog;"ein; Hund"\nb;one cat;Katze\n'
    assert shouted('id,text\nx1,"a, b"\n', "csv") == 'id,text\nx1,"A, B"\n'


def test_yaml_stays_what_it_is() -> None:
    source = "en:\n  a: One dog\n  b: |\n    two\n    lines\n  c: true\n  d: no\n"
    expected = "de:\n  a: ONE DOG\n  b: |\n    TWO\n    LINES\n  c: true\n  d: no\n"
    assert shouted(source, "yaml", "de") == expected
    document = open_document(b"a: One\n", "yaml")
    assert document.with_translations({"a": "Yes: no"}) == b'a: "Yes: no"\n'
    assert document.with_translations({"a": "no"}) == b'a: "no"\n'


def test_names_of_columns_of_tables_stay_in_a_workbook() -> None:
    path = Path(__file__).parent / "data" / "documents" / "xlsx" / "table.xlsx"
    texts = [segment.text for segment in open_document(path).segments]
    assert texts == ["The big dog", "A <1>small cat</1>", "In the cell"]


def test_a_string_catalogue_gets_what_it_lacks() -> None:
    unit = '{"stringUnit": {"state": "translated", "value": "%s"}}'
    plural = f'{{"variations": {{"plural": {{"one": {unit}, "other": {unit}}}}}}}'
    files = plural % (r"%lld file\nis here", "%lld files")
    catalogue = f"""{{"sourceLanguage": "en", "strings": {{
      "Open the %@": {{}},
      "Brand": {{"shouldTranslate": false}},
      "done": {{"localizations": {{"de": {unit % "fertig"}}}}},
      "files": {{
        "comment": "a",
        "localizations": {{
          "en": {files}
        }}
      }}
    }}, "version": "1.0"}}"""
    document = open_document(catalogue.encode(), "xcstrings", target="de")
    new = [segment for segment in document.segments if not segment.target]
    translations = {r.segment.id: r.text for r in translate_segments(new, shout)}
    assert document.damages(translations) == {}
    assert document.with_translations({}) == catalogue.encode()
    strings = json.loads(document.with_translations(translations, "de"))["strings"]
    open_door = strings["Open the %@"]["localizations"]["de"]["stringUnit"]
    assert open_door == {"state": "needs_review", "value": "OPEN THE %@"}
    assert strings["Brand"] == {"shouldTranslate": False}
    assert strings["done"]["localizations"]["de"]["stringUnit"]["value"] == "fertig"
    variants = strings["files"]["localizations"]["de"]["variations"]["plural"]
    values = {name: v["stringUnit"]["value"] for name, v in variants.items()}
    assert values == {"one": "%lld FILE\nIS HERE", "other": "%lld FILES"}
    assert {v["stringUnit"]["state"] for v in variants.values()} == {"needs_review"}


@pytest.mark.parametrize(
    ("data", "format", "kept"),
    [
        ("Press <kbd>Ctrl</kbd>+<kbd>C</kbd> now", "markdown", "<kbd>Ctrl</kbd>+<kbd>C</kbd>"),
        ('The <b translate="no">Green Door</b> is', "markdown", '<b translate="no">Green Door</b>'),
        (
            '<html lang="en"><p>one <i lang="fr">bon mot</i></p><p lang="fr">le pain</p></html>',
            "html",
            '<p>ONE <i lang="fr">bon mot</i></p><p lang="fr">le pain</p>',
        ),
        (
            "1\n00:00:01,000 -> 00:00:02,000\nthe dog\n\n2\n0:0:3 --> 0:0:4\nit a --> b\n",
            "srt",
            "1\n00:00:01,000 -> 00:00:02,000\nTHE DOG\n\n2\n0:0:3 --> 0:0:4\nIT A --> B\n",
        ),
        (CUE.format(">> JOHN SMITH: hello"), "srt", ">> JOHN SMITH: HELLO"),
        ('{"a": "rgba(0, 0, 0, 0.5)"}', "json", "rgba(0, 0, 0, 0.5)"),
        ('{"a": "MMMM d, yyyy"}', "json", "MMMM d, yyyy"),
        ('{"a": "bg-red text-white"}', "json", "bg-red text-white"),
        ('{"a": "SELECT * FROM dogs"}', "json", "SELECT * FROM dogs"),
        ('{"a": "Add a day"}', "json", "ADD A DAY"),
        (
            f'{PO}#, java-format\nmsgid "{{0}} o\'\'clock"\nmsgstr ""\n',
            "po",
            "msgstr \"{0} O''CLOCK\"",
        ),
        (
            "|name|what|\n|-|-|\n|{{ a | upcase }}|the {{ b.c | t: 1 | d }} x|\n",
            "markdown",
            "|{{ a | upcase }}|THE {{ b.c | t: 1 | d }} X|",
        ),
        ("some H~2~O and x^2^ of it", "markdown", "SOME H~2~O AND x^2^ OF IT"),
        (r"so \(a + b\) is \(not so\)", "markdown", r"SO \(a + b\) IS (NOT SO)"),
        ("text {/* a note */} here", "markdown", "TEXT {/* a note */} HERE"),
        ("{\"a\": \"a '{'b'}' it''s {c}\"}", "json", "\"A '{'B'}' IT''S {c}\""),
        ('{"a": "write {\'@\'} home"}', "json", "WRITE {'@'} HOME"),
        ('{"buttonClass": "btn btn-primary"}', "json", "btn btn-primary"),
        (CUE.format("MAN (on phone): hello"), "srt", "MAN (on phone): HELLO"),
        (
            "<resources><string name='a'><![CDATA[a <a href=\"x\">b</a>]]></string></resources>",
            "android",
            '<![CDATA[A <a href="x">B</a>]]>',
        ),
        ("en:\n  a: [ :year, :month ]\n  b: the dog\n", "yaml", "[ :year, :month ]\n  b: THE DOG"),
        ("a: &x the house\nb: *x\n", "yaml", "a: &x THE HOUSE\nb: *x\n"),
        (
            '<resources><string name="a">" two  spaces "</string></resources>',
            "android",
            '>" TWO  SPACES "<',
        ),
        (
            '<resources><string name="a"><![CDATA[<b>Open</b> it]]></string></resources>',
            "android",
            "<![CDATA[<b>OPEN</b> IT]]>",
        ),
        (
            '<root><data name="a"><value>&amp;Open the file</value></data></root>',
            "resx",
            "<value>&amp;OPEN THE FILE</value>",
        ),
    ],
)
def test_what_must_stay_stays(data: str, format: str, kept: str) -> None:
    assert kept in shouted(data, format)


@pytest.mark.parametrize(
    ("data", "format", "kept"),
    [
        ("<p>a <b translate=no>Red Fox</b> b</p>", "html", "A <b translate=no>Red Fox</b> B"),
        ("<div class=notranslate><p>stay</p></div><p>go</p>", "html", "<p>stay</p></div><p>GO</p>"),
        (
            '<div class="notranslate">\n\nstay here\n\n</div>\n\ngo\n',
            "markdown",
            '<div class="notranslate">\n\nstay here\n\n</div>\n\nGO\n',
        ),
        (
            '<div translate="no">\n\n<div>\n\na\n\n</div>\n\nb\n\n</div>\n\nc',
            "markdown",
            "\n\na\n\n</div>\n\nb\n\n</div>\n\nC",
        ),
        ("[.lead.notranslate]\nstay\n\ngo\n", "asciidoc", "]\nstay\n\nGO\n"),
        (
            '<root><data name="a"><value>stay</value><comment>{Locked}</comment></data></root>',
            "resx",
            "<value>stay</value>",
        ),
        (
            '<resources><string name="a" translate="no">stay</string></resources>',
            "android",
            ">stay<",
        ),
        ('{"zone": "Europe/Rome", "on": "true", "s": "margin: 0 auto;"}', "json", "Europe/Rome"),
        ('{"zone": "Europe/Rome", "on": "true", "s": "margin: 0 auto;"}', "json", '"true"'),
        ('{"a": "Cu&t\\tCtrl+T"}', "json", "\\tCtrl+T"),
        ("a=put '{'this'}' there", "properties", "PUT '{'THIS'}' THERE"),
        ("|===\n|a dog |a *cat*\n\n|b\n|===\n", "asciidoc", "|A DOG |A *CAT*\n\n|B\n|==="),
        ("|===\n| x | a| y z\n|===\n", "asciidoc", "|===\n| x | a| y z\n|==="),
        ('[cols="1,2m"]\n|===\n| x | y\n|===\n', "asciidoc", "|===\n| x | y\n|==="),
        (
            ".. list-table:: a\n   :widths: auto\n\n   * - a dog\n     - b\n",
            "rst",
            ":: A\n   :widths: auto\n\n   * - A DOG\n     - B\n",
        ),
        ("sep=;\nid;text\n1;a dog\n", "csv", "sep=;\nid;text\n1;A DOG\n"),
        (
            "WEBVTT\n\n1:2 --> 3\nstay\n\n00:01.000 --> 00:02.000\ngo\n",
            "vtt",
            "stay\n\n00:01.000 --> 00:02.000\nGO",
        ),
        ("<html><body><p>go</p></body></html>", "html", '<html lang="xx"><body><p>GO</p>'),
        (
            '<html xmlns="http://www.w3.org/1999/xhtml"><p>go</p></html>',
            "html",
            '<html xml:lang="xx" lang="xx" xmlns="http://www.w3.org/1999/xhtml"><p>GO</p>',
        ),
    ],
)
def test_what_says_so_stays_and_pages_say_their_language(data: str, format: str, kept: str) -> None:
    assert kept in shouted(data, format, "xx")


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("app/fr.lproj/Main.strings", "fr"),
        ("res/values-pt-rBR/strings.xml", "pt-BR"),
        ("res/values-night/strings.xml", None),
        ("Form.fr.resx", "fr"),
        ("messages_it.properties", "it"),
        ("git_id.json", None),
        ("locales/fr.json", "fr"),
        ("locales/fr/common.json", "fr"),
        ("locale/nl/LC_MESSAGES/a.po", "nl"),
        ("docs/fr.md", None),
    ],
)
def test_paths_of_string_tables_tell_languages(name: str, language: str | None) -> None:
    assert language_of_path(name) == language
    refused = language is not None
    with pytest.raises(OtherLanguageError) if refused else nullcontext():
        check_languages(name, DocumentLanguages(), "en", "de")


@pytest.mark.parametrize(
    ("data", "format"),
    [
        ('<html lang="fr"><p>x</p></html>', "html"),
        ("WEBVTT\nLanguage: fr\n\n00:01.000 --> 00:02.000\nx\n", "vtt"),
    ],
)
def test_a_page_of_a_third_language_is_refused(data: str, format: str) -> None:
    declared = open_document(data.encode(), format).languages
    check_languages("a", declared, "en", "fr")
    check_languages("a", declared, "fr", "en")
    with pytest.raises(OtherLanguageError, match="fr, neither"):
        check_languages("a", declared, "en", "de")


def test_an_encoding_that_is_named_is_read() -> None:
    data = CUE.format("Caf\u00e9 \u2013 hier").encode("cp1252")
    document = open_document(data, "srt", encoding="cp1252")
    assert document.with_translations({}).decode() == data.decode("cp1252")
    with pytest.raises(InputError, match="is not ascii"):
        open_document(data, "srt", encoding="ascii")
    with pytest.raises(UsageError, match="names its encoding"):
        open_document(b"<p>x</p>", "html", encoding="cp1252")


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("a.ttml", True),
        ("a.ttml", True),
        ("a.ipynb", True),
        ("a.html.gz", True),
        ("a.qq", True),
        ("a.txt.gz", False),
        ("news.en", False),
        ("news.en-de", False),
        ("part.003", False),
        ("README", False),
        ("a.log", False),
    ],
)
def test_a_file_of_an_unknown_format_is_none_of_lines(
    name: str, refused: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("some words\n")
    assert is_no_text(tmp_path / name) is refused


def test_an_icon_before_a_label_stays_before_it() -> None:
    document = open_document(b'<p><i class="x"></i>Close window</p>', "html")
    answer = Answer("Fenster schliessen", [(0, 1), (1, 0)])
    [result] = translate_segments(document.segments, lambda texts: [answer])
    written = document.with_translations({result.segment.id: result.text})
    assert written == b'<p><i class="x"></i>Fenster schliessen</p>'


def test_segments_of_a_source_are_translated_one_by_one() -> None:
    marks = '<mrk mtype="seg" mid="{}">{}</mrk>'
    source = XLIFF.replace("</source>", "</source><seg-source>{}</seg-source>").format(
        "One. Two here.", f"{marks.format(1, 'One.')} {marks.format(2, 'Two here.')}"
    )
    document = open_document(source.encode(), "xliff")
    asked: list[str] = []
    [*translate_segments(document.segments, lambda texts: asked.extend(texts) or texts)]
    assert [text.strip() for text in asked] == ["One.", "Two here."]


def test_no_hyphen_makes_a_compound_of_a_count() -> None:
    document = open_document(b'{"a": "%d dogs in %s files", "b": "%d-dog"}', "json")
    answers = {"%d dogs in %s files": "%d- Hunde in %s-Dateien", "%d-dog": "%d-Hund"}
    results = translate_segments(document.segments, lambda texts: [answers[t] for t in texts])
    written = document.with_translations({r.segment.id: r.text for r in results})
    assert json.loads(written) == {"a": "%d Hunde in %s-Dateien", "b": "%d-Hund"}


FILE = '<file source-language="{}" target-language="{}"><body>{}</body></file>'
A_UNIT = '<trans-unit id="1"><source{}>a door</source>{}</trans-unit>'


@pytest.mark.parametrize(
    ("files", "is_refused"),
    [
        (FILE.format("en", "de", A_UNIT) + FILE.format("en-US", "de-AT", A_UNIT), False),
        (FILE.format("en", "de", A_UNIT) + FILE.format("en", "fr", A_UNIT), True),
        (FILE.format("en", "de", A_UNIT) + FILE.format("fr", "de", A_UNIT), True),
        (FILE.format("en", "de", A_UNIT.format("", '<target xml:lang="fr"/>')), True),
        (FILE.format("en", "de", A_UNIT.format(' xml:lang="fr"', "")), True),
        (
            FILE.format("en", "de", A_UNIT).replace(
                "{}</trans-unit>",
                '<alt-trans><target xml:lang="fr">la porte</target></alt-trans></trans-unit>',
            ),
            False,
        ),
    ],
)
def test_every_file_and_unit_of_xliff_is_of_the_languages(files: str, is_refused: bool) -> None:
    data = f'<xliff version="1.2">{files.replace("{}", "")}</xliff>'
    declared = open_document(data.encode(), "xliff").languages
    with pytest.raises(OtherLanguageError) if is_refused else nullcontext():
        check_languages("a.xlf", declared, "en", "de")


def test_xliff_keeps_white_space_where_it_says_so() -> None:
    source = "one door\n    two doors"
    wrapped = shouted(XLIFF.format(source), "xliff")
    kept = shouted(XLIFF.replace('id="1"', 'id="1" xml:space="preserve"').format(source), "xliff")
    assert ">ONE DOOR TWO DOORS</target>" in wrapped
    assert ">ONE DOOR\n    TWO DOORS</target>" in kept


def test_texts_within_native_code_of_xliff_are_told_of() -> None:
    source = 'see <ph id="1">&lt;img alt="<sub>a red door</sub>"&gt;</ph><?x y?> here'
    document = open_document(XLIFF.format(source).encode(), "xliff")
    assert [left.text for left in document.left_texts] == ["a red door"]
    assert shouted(XLIFF.format(source), "xliff").count("<?x y?>") == 2


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"It\'s a \\n door"', "IT\\'S A \\n DOOR"),
        ('say "hello  there" now', "SAY HELLO\\u0020\\u0020THERE NOW"),
        ('" a door', "\\u0020A DOOR"),
        ('\\"quoted\\" door', '\\"QUOTED\\" DOOR'),
        ("in C:\\\\new door", "IN C:\\\\new DOOR"),
        ("a\\u0020\\u0020 door", "A\\u0020\\u0020 DOOR"),
    ],
)
def test_quotation_marks_of_android_are_no_text(source: str, expected: str) -> None:
    table = "<resources><string name='a'>{}</string></resources>"
    assert shouted(table.format(source), "android") == table.format(expected)


def test_lines_and_entities_of_tmx() -> None:
    """A document type that is not read may declare entities; a tag before one stays itself."""
    unit = '<tu><tuv xml:lang="en"><seg>{}</seg></tuv><tuv xml:lang="de"><seg/></tuv></tu>'
    head = '<!DOCTYPE tmx SYSTEM "x"><tmx version="1.4"><header srclang="en"/><body>'
    data = head + unit + "</body></tmx>"
    assert "<seg>ONE DOOR\nA TREE</seg>" in shouted(data.format("one door\na tree"), "tmx")
    written = shouted(data.format("&nbsp;one&hellip; <ph>&lt;i alt='<sub>a b</sub>'></ph>"), "tmx")
    assert "<seg>\xa0ONE\u2026 <ph>" in written and "<seg>&nbsp;one&hellip; <ph>" in written


def test_lines_of_the_last_cue_end_as_the_others() -> None:
    text = CUE.format("a red door that opens " * 3).replace("\n", "\r\n").rstrip()
    written = shouted(text, "srt")
    assert written.count("\r\n") == 3 and "\n" not in written.replace("\r\n", "")


def test_strings_of_android_that_are_items() -> None:
    table = '<resources><item type="string" name="a">{}</item><item type="id" name="b">c</item>'
    assert shouted(table.format("a door") + "</resources>", "android").startswith(
        table.format("A DOOR")
    )


@pytest.mark.parametrize("line", ["&#13;\n", "&#xD;&#xA;", "&#x0d;"])
def test_carriage_returns_stay_as_xml_spells_them(line: str) -> None:
    unit = XLIFF.format(f"one door{line}two doors")
    assert f">ONE DOOR{line}TWO DOORS</target>" in shouted(unit, "xliff")
    head = '<tmx version="1.4"><header srclang="en"/><body><tu><tuv xml:lang="en">'
    data = f'{head}<seg>a{line}door</seg></tuv><tuv xml:lang="de"><seg/></tuv></tu></body></tmx>'
    assert f"<seg>A{line}DOOR</seg>" in shouted(data, "tmx")
