"""Parts of documents that stay since nobody can understand them: every reader tells of them."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from tformer.cli import main
from tformer.documents.registry import open_document

VTT = (
    "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nGood.\n\n00:xx:01 --> soon\nBad cue.\n\n"
    "intro\n00:00:03.000 --> 00:00:04.000\nFine.\n\nNo times\nat all\n"
)
TIMED = (
    "WEBVTT\n\n00:01.000 --> 00:02.000\n<c.red><00:01.100>one <00:01.200>two</c>\n\n"
    "00:03.000 --> 00:04.000\n<ruby>red<rt>rot</rt></ruby>\n"
)

CASES = {
    "vtt": (VTT, [("Bad cue.", 7), ("No times at all", 13)]),
    "qt": (
        "<TS><message><source>one door</source></message>\n<message><source>a tree</source>"
        '<translation variants="yes"><lengthvariant/></translation></message></TS>',
        [("one door", 1), ("a tree", 2)],
    ),
    "srt": ("Made by me\n\n1\n00:00:01,000 --> 00:00:02,000\nGood.\n", [("Made by me", 1)]),
    "markdown": (
        "---\ntitle: |\n  two\n  lines\na: {% b %}\n---\n> <div>\n> quoted\n> </div>\n\n"
        "<div>see [this](x.md) now</div>\n\nfine\n",
        [("title: | two lines", 2), ("> <div> > quoted > </div>", 7), ("see [this](x.md) now", 11)],
    ),
    "html": ('<p>fine</p>\n<p>hello <a href="x', [('<a href="x', 2)]),
    "yaml": ("a: >\n  one\n    two\n  three\nb: fine text\n", [("> one two three", 1)]),
    "rst": (
        "good *bad\n\n| line\n| block\n\n.. odd::\n\n   Body.\n\n"
        ".. code:: c\n\n   int x;\n\n:A: me\n",
        [("good *bad", 1), ("| line | block", 3), ("Body.", 7)],
    ),
    "asciidoc": (
        "= Doc\n\n[verse]\nRoses are red\n\nOld title\n---------\n\n[odd]\n====\nbody\n====\n",
        [("Roses are red", 4), ("Old title", 6), ("body", 11)],
    ),
}


@pytest.mark.parametrize("format", CASES)
def test_readers_tell_what_they_leave(format: str) -> None:
    text, expected = CASES[format]
    document = open_document(text.encode(), format)
    assert document.with_translations({}).decode() == text
    found = [(left.text, left.warning.rpartition("(line ")[2]) for left in document.left_texts]
    assert found == [(text, f"{line})") for text, line in expected]
    assert all(left.warning.startswith("left as it was, since ") for left in document.left_texts)
    shown = " ".join(segment.plain for segment in document.segments)
    assert not any(text in shown for text, _ in expected)


def test_parts_of_archives_are_named() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr("one.html", '<p>fine</p><p>hello <a href="x')
    (left,) = open_document(buffer.getvalue(), "epub").left_texts
    assert left.warning.endswith("(line 1 of one.html)")


def test_the_command_line_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.vtt").write_text(VTT)
    calls = ["translate", str(tmp_path / "a.vtt"), "-m", "en-de", "-s", "en", "-t", "de"]
    status = main.run([*calls, "-o", str(tmp_path / "b.vtt"), "--strict", "--json"])
    records = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert status == 9
    places = [warning["place"] for warning in records[0]["warnings"]]
    assert {"Bad cue.", "No times at all"} <= set(places)


def test_an_unusual_space_makes_an_address_of_a_title() -> None:
    document = open_document('[link](/url\u00a0"title") text'.encode(), "markdown")
    assert [segment.plain for segment in document.segments] == ["link text"]


def test_words_with_times_and_other_marks_are_left() -> None:
    document = open_document(TIMED.encode(), "vtt")
    assert len(document.left_texts) == 2 and not document.segments
