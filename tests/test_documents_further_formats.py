"""Formats beside those of most projects: SubStation, .sbv, .stringsdict, OpenDocument's sheets."""

import io
import plistlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from fake_translator import Tformer

from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments
from tformer.model.errors import InputError


def shouted(data: bytes, format: str) -> tuple[bytes, list[str]]:
    document = open_document(data, format)
    assert format == "ods" or document.with_translations({}) == data

    def shout(texts: Sequence[str]) -> list[str]:
        return [text.upper() for text in texts]

    results = list(translate_segments(document.segments, shout))
    written = {result.segment.id: result.text for result in results}
    assert not document.damages(written)
    return document.with_translations(written), [left.text for left in document.left_texts]


EVENTS = """\
[Script Info]
Title: A film

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:00.00,Default,,0,0,0,,a comment
Dialogue: 0,0:00:01.00,0:00:02.00,Default,Ann,0,0,0,,{}
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Hello, {\\i1}big{\\i0} world.", "HELLO, {\\i1}BIG{\\i0} WORLD."),
        ("{\\an8\\pos(1,2)}Up, here", "{\\an8\\pos(1,2)}UP, HERE"),
        ("It goes\\Non and on", "IT GOES\\NON AND ON"),
        ("- One.\\N- Two.", "- ONE.\\N- TWO."),
        ("\\NBelow", "\\NBELOW"),
        ("{\\p1}m 0 0 l 10 10{\\p0}", "{\\p1}m 0 0 l 10 10{\\p0}"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_spoken_lines_of_substation(source: str, expected: str, ending: str) -> None:
    text, wanted = (EVENTS.format(each).replace("\n", ending) for each in (source, expected))
    assert shouted(text.encode(), "ass") == (wanted.encode(), [])


def test_lines_whose_syllables_have_times_are_told_of() -> None:
    text = EVENTS.format("{\\k20}Ka{\\k30}ra{\\k10}oke").encode()
    assert shouted(text, "ass") == (text, ["Karaoke"])


def test_a_translation_that_would_be_a_code_is_left_out() -> None:
    document = open_document(EVENTS.format("One.").encode(), "ass")
    for text in ("{one}", "a\\Nb", "a\nb"):
        assert document.damages({"1": text})


@pytest.mark.parametrize(
    "text", ["hello", "[Events]\nDialogue: 0,a,b,c\n", "[Events]\nFormat: Text, Start\n"]
)
def test_what_is_no_substation_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not SubStation"):
        open_document(text.encode(), "ass")


def test_sbv() -> None:
    text = b"0:00:00.599,0:00:04.160\n>> ANN: Hi there\nmy dog.\n\n0:00:04.160,0:00:06.770\nGo.\n"
    written = b"0:00:00.599,0:00:04.160\n>> ANN: HI THERE MY DOG.\n\n0:00:04.160,0:00:06.770\nGO.\n"
    assert shouted(text, "sbv") == (written, [])
    with pytest.raises(InputError, match=r"not \.sbv"):
        open_document(b"hello", "sbv")


def test_lists_of_plural_forms() -> None:
    table = {
        "%d dogs": {
            "NSStringLocalizedFormatKey": "There are %#@dogs@ here",
            "dogs": {
                "NSStringFormatSpecTypeKey": "NSStringPluralRuleType",
                "NSStringFormatValueTypeKey": "d",
                "one": "%d dog & more",
                "other": "%d dogs",
            },
        },
        "w": {"NSStringVariableWidthRuleType": {"20": "Short", "50": "Long text"}},
    }
    written, _ = shouted(plistlib.dumps(table), "stringsdict")
    again = plistlib.loads(written)
    rules = again["%d dogs"]
    assert rules["NSStringLocalizedFormatKey"] == "THERE ARE %#@dogs@ HERE"
    assert rules["dogs"] == table["%d dogs"]["dogs"] | {
        "one": "%d DOG & MORE",
        "other": "%d DOGS",
    }
    assert again["w"]["NSStringVariableWidthRuleType"] == {"20": "SHORT", "50": "LONG TEXT"}


OPEN = "urn:oasis:names:tc:opendocument:xmlns:"
SPACES = "".join(f' xmlns:{name}="{OPEN}{name}:1.0"' for name in ("office", "table", "text"))


def sheet(cells: str, before: str = "") -> bytes:
    content = (
        f"<office:document-content{SPACES}><office:body><office:spreadsheet>{before}"
        f'<table:table table:name="Sheet one"><table:table-row>{cells}</table:table-row>'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
    return buffer.getvalue()


def cell(text: str, attributes: str = 'office:value-type="string"') -> str:
    return f"<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>"


def test_cells_of_open_sheets() -> None:
    lists = (
        '<table:content-validation table:condition="of:cell-content-is-in-list('
        '&quot;yes sir&quot;;&quot;no sir&quot;)"/>'
        '<table:filter-condition table:value="a filter"/><table:data-pilot-member '
        'table:name="a member"/>'
    )
    formula = 'table:formula="of:=IF([.A1]=&quot;open door&quot;;&quot;it is&quot;)"'
    kept = ["open door", "yes sir", "a filter", "a member"]
    result = cell("it is", f'{formula} office:value-type="string" office:string-value="it is"')
    day = cell("Monday", 'office:value-type="date" office:date-value="2024-01-01"')
    cells = "".join(map(cell, [*kept, "a red door"])) + result + day
    written, left = shouted(sheet(cells, lists), "ods")
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        content = archive.read("content.xml").decode()
    assert content.count("A RED DOOR") == 1 and result in content and day in content
    assert all(cell(text) in content for text in kept) and lists in content
    assert left == [*kept, "it is"]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.doc", "save it as .docx"),
        ("a.xls", "save it as .xlsx"),
        ("a.pdf", "the document that it was made of"),
        ("a.ttml", "save it as .vtt"),
        ("a.zzz", "--format text translates its lines\n"),
        ("a.ftl", "--format text translates its lines, code and names too\n"),
    ],
)
def test_what_is_not_read_is_refused_with_advice(
    tformer: Tformer, tmp_path: Path, name: str, advice: str
) -> None:
    path = tmp_path / name
    path.write_text("hello there\n")
    result = tformer("translate", str(path), "-s", "en", "-t", "de")
    assert result.status == 3 and advice in result.err and not result.out
