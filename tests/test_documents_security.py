"""Hostile files: refused with one sentence, nothing read from outside, no memory filled."""

import io
import re
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tformer.documents.formats import packages
from tformer.documents.io import xml
from tformer.documents.registry import FORMATS, open_document
from tformer.model.errors import InputError

WORD = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    "<w:p><w:r><w:t>{}</w:t></w:r></w:p></w:body></w:document>"
)
LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


def archive(*parts: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in parts:
            file.writestr(name, data)
    return buffer.getvalue()


def word(text: str = "text", prolog: str = "") -> tuple[str, bytes]:
    return "word/document.xml", (prolog + WORD.format(text)).encode()


@pytest.mark.parametrize("entities", [LAUGHS, OUTSIDE, '<!DOCTYPE l [<!ENTITY % p "x">]>'])
@pytest.mark.parametrize("name", ["xliff", "tmx", "docx", "odt"])
def test_entities_are_refused(name: str, entities: str) -> None:
    body = f"{entities}<xliff version='1.2'><source>&amp;</source></xliff>".encode()
    part = {"docx": "word/document.xml", "odt": "content.xml"}.get(name)
    data = archive((part, body)) if part else body
    with pytest.raises(InputError, match="declares the entity"):
        open_document(data, name)


def test_a_document_type_elsewhere_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "x.dtd").write_text('<!ENTITY x "secret">')
    kind = f'<!DOCTYPE xliff SYSTEM "file://{tmp_path}/x.dtd">'
    unit = "<trans-unit id='1'><source>text</source></trans-unit>"
    data = f"{kind}<xliff version='1.2'>{unit}</xliff>".encode()
    document = open_document(data, "xliff")
    assert [segment.text for segment in document.segments] == ["text"]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        pytest.param([word(), ("x", bytes(100 << 20))], "unpacks to 100 MiB from", id="bomb"),
        pytest.param([word(), ("../../x", b"")], "outside the archive", id="parent"),
        pytest.param([word(), ("/etc/x", b"")], "outside the archive", id="absolute"),
        pytest.param([("word/other.xml", b"")], "does not hold its text", id="no text"),
        pytest.param([word(prolog="\n<?xml ?>")], r"x\(word/document.xml\):2: not well", id="xml"),
    ],
)
def test_archives_that_no_office_makes_are_refused(
    parts: list[tuple[str, bytes]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        open_document(archive(*parts), "docx", name="x")


def test_an_archive_of_many_large_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "LARGEST", 1 << 20)
    parts = [(f"x{number}", bytes(range(256)) * 1024) for number in range(5)]
    with pytest.raises(InputError, match="unpacks to more than 1 MiB"):
        open_document(archive(word(), *parts), "docx")


def test_an_archive_of_too_many_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MOST_PARTS", 3)
    with pytest.raises(InputError, match="has 5 parts"):
        open_document(archive(word(), *((str(number), b"") for number in range(4))), "docx")


def test_an_archive_that_lies_about_a_size_is_refused() -> None:
    data = bytearray(archive(word("x" * 5000)))
    true, lie = (5000 + len(WORD) - 2).to_bytes(4, "little"), (10).to_bytes(4, "little")
    assert data.count(true) == 2
    with pytest.raises(InputError, match="archive is damaged"):
        open_document(bytes(data.replace(true, lie)), "docx")


def test_an_encrypted_archive_is_refused() -> None:
    data = bytearray(archive(word()))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match="encrypted"):
        open_document(bytes(data), "docx")


def test_elements_that_are_nested_deeper_than_in_any_document_are_refused() -> None:
    for depth, message in ((xml.DEEPEST, None), (xml.DEEPEST + 1, "nested deeper")):
        text = "<a>" * depth + "</a>" * depth
        if message is None:
            assert len(xml.scan(text, "x")) == 2 * depth
        else:
            with pytest.raises(InputError, match=message):
                xml.scan(text, "x")


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_compression_that_are_damaged(way: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as made:
        made.writestr("word/document.xml", "some text" * 100)
    data = bytearray(buffer.getvalue())
    data[60:70] = bytes(10)
    with pytest.raises(InputError, match="damaged"):
        open_document(bytes(data), "docx")


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
def test_a_damaged_archive_is_refused_or_read(at: int, noise: bytes) -> None:
    data = bytearray(archive(word("some text of a document"), ("styles.xml", b"<x/>")))
    at %= len(data)
    data[at : at + len(noise)] = noise
    try:
        open_document(bytes(data), "docx")
    except InputError as error:
        assert "\n" not in str(error)


@given(name=st.sampled_from(sorted(FORMATS)), data=st.binary(max_size=200))
def test_noise_is_a_document_or_refused(name: str, data: bytes) -> None:
    try:
        document = open_document(data, name)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert document.with_translations({}) == data


SNIPPETS = ["<a>", "</a>", "<b x='1'/>", "t é 👍", "&amp;", "&#65;", "<![CDATA[<&]]>", "<!-- c -->"]
SNIPPETS += ["<?p i?>", "\r\n", "<x:y>", "</x:y>"]
XML = st.lists(st.sampled_from(SNIPPETS), max_size=20).map("".join)


@given(XML)
def test_tokens_are_the_text_again(inner: str) -> None:
    text = f"<?xml version='1.0'?>\n<r xmlns:x='u'>{inner}</r>\n<!-- end -->\n"
    try:
        tokens = xml.scan(text, "x")
    except InputError:
        return
    assert "".join(token.raw for token in tokens) == text
    assert [token.start for token in tokens[1:]] == [token.end for token in tokens[:-1]]


@pytest.mark.parametrize("text", ["<r><a/></r>", "<r><b><a x='/'/></b><a/></r>", "<r>/></r>"])
def test_an_empty_element_is_one_token_wherever_it_stands(text: str) -> None:
    tokens = xml.scan(text, "x")
    assert {token.raw for token in tokens if token.kind is xml.TokenKind.EMPTY} == set(
        re.findall(r"<\w[^>]*/>", text)
    )


def test_a_bomb_does_not_fill_the_memory() -> None:
    bomb = archive(word(), ("x", bytes(200 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            open_document(bomb, "docx")
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()
