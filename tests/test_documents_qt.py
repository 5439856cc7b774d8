"""Qt Linguist's .ts: forms, accelerators, states and languages; other files of that name."""

from pathlib import Path

import pytest
from lxml import etree

from tformer.documents.registry import detect_format, format_at, is_no_text, open_document
from tformer.documents.segments import SegmentState
from tformer.model.errors import InputError

DATA = Path(__file__).parent / "data" / "documents" / "qt" / "dialog.ts"
FILE = DATA.read_text("utf-8").replace(' language="de"', "{language}")


def _read(language: str = ""):  # type: ignore[no-untyped-def]
    return open_document(FILE.format(language=language).encode(), name="app.ts")


def test_messages_and_their_forms_are_segments() -> None:
    segments = _read().segments
    assert [(s.text, s.state) for s in segments] == [
        ("Save as…", SegmentState.NEW),
        ("<1/> page(s) of <2/>", SegmentState.NEW),
        ("<1/> page(s) of <2/>", SegmentState.NEW),
        ("Quit", SegmentState.TRANSLATED),
        ("Perhaps", SegmentState.REVIEW),
        ("A <1>new</1> line<2/>here & there", SegmentState.NEW),
    ]
    assert "printing" in segments[1].context
    assert segments[5].inlines[2].divides


def test_what_is_translated_is_unfinished_and_says_its_language() -> None:
    document = _read()
    said = {s.id: s.text.upper() for s in document.segments if s.state is SegmentState.NEW}
    written = document.with_translations(said, "de")
    root = etree.fromstring(written)
    assert root.get("language") == "de"
    found = [m.find("translation") for m in root.iter("message")]
    assert [t.get("type") for t in found] == [
        "unfinished", "unfinished", None, "unfinished", "vanished", "unfinished",
    ]  # fmt: skip
    assert found[0].text == "&SAVE AS…"
    assert [form.text for form in found[1]] == ["%n PAGE(S) OF %L1"] * 2
    assert found[5].text == "A <i>NEW</i> LINE"
    assert etree.tostring(found[5][0], with_tail=False) == b'<byte value="x9"/>'
    assert found[5][0].tail == "HERE & THERE"


def test_the_pair_of_languages_is_told() -> None:
    languages = _read(' language="fr_FR"').languages
    assert (languages.source, languages.target) == ("en", "fr_FR")


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (FILE.format(language="").encode(), "qt"),
        (b"export const a: number = 1;\n", None),
        (b"G\x40\x00\x10" + bytes(184), None),
        (b'<!-- made -->\n<TS version="2.0"></TS>', "qt"),
    ],
)
def test_programs_and_films_are_no_linguist_files(
    tmp_path: Path, content: bytes, format: str | None
) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(content)
    assert format_at(path) == format
    assert detect_format("a.ts", content) == format
    assert is_no_text(path) == (format is None)


def test_other_xml_is_refused() -> None:
    with pytest.raises(InputError, match="not <TS>"):
        open_document(b"<a></a>", "qt", name="x")
