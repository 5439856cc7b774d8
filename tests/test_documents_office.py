"""Parts of Office documents that real files have and few tests do."""

import io
import zipfile
from collections.abc import Sequence

import pytest

from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def shout(texts: Sequence[str]) -> list[str]:
    return [text.upper() + " AND MORE OF IT" for text in texts]


def package(parts: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def shouted(parts: dict[str, str], format: str) -> dict[str, str]:
    document = open_document(package(parts), format)
    translations = {r.segment.id: r.text for r in translate_segments(document.segments, shout)}
    assert document.damages(translations) == {}
    with zipfile.ZipFile(io.BytesIO(document.with_translations(translations))) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def body(paragraphs: str) -> str:
    return f"<w:document {W}><w:body>{paragraphs}</w:body></w:document>"


def test_parts_without_anything_in_them() -> None:
    parts = {"word/document.xml": body("<w:p><w:r><w:t>door</w:t></w:r></w:p>")}
    parts["word/footnotes.xml"] = f"<w:footnotes {W}/>"
    written = shouted(parts, "docx")
    assert "DOOR" in written["word/document.xml"]
    assert written["word/footnotes.xml"] == parts["word/footnotes.xml"]


@pytest.mark.parametrize("bold", ["<w:rPr><w:b/></w:rPr>", "<w:rPr>\n <w:b/>\n</w:rPr>"])
def test_formats_are_of_any_length_in_a_translation(bold: str) -> None:
    """The usual format of a translation may be another one than that of its source."""
    runs = f"<w:r>{bold}<w:t>door</w:t></w:r>\n<w:r><w:t xml:space='preserve'> opens</w:t></w:r>"
    written = shouted({"word/document.xml": body(f"<w:p>\n {runs}\n</w:p>")}, "docx")
    assert "DOOR" in written["word/document.xml"]
    assert "OPENS" in written["word/document.xml"]


def test_alternative_texts_of_drawings() -> None:
    picture = "<w:r><w:drawing><x:docPr id='1' name='Picture 1' descr='A \"red\" house&#10;here'"
    picture += ' title="a.png"/></w:drawing></w:r>'
    paragraph = f"<w:p>{picture}<w:r><w:t>door</w:t></w:r></w:p><w:p>{picture}</w:p>"
    root = body(paragraph).replace(W, f'{W} xmlns:x="y"')
    written = shouted({"word/document.xml": root}, "docx")["word/document.xml"]
    said = ["descr='A &quot;RED&quot; HOUSE", "&#10;HERE", "name='Picture 1'", 'title="a.png"']
    assert all(written.count(text) == 2 for text in said)
    assert "DOOR AND MORE OF IT" in written


def test_alternative_texts_of_frames() -> None:
    frame = "<draw:frame><svg:title>the tree</svg:title><svg:desc>it's 5 &lt; 6 here</svg:desc>"
    names = 'xmlns:t="t" xmlns:draw="d" xmlns:svg="s"'
    content = f"<o {names}><t:p>a door {frame}</draw:frame> opens</t:p></o>"
    written = shouted({"content.xml": content}, "odt")["content.xml"]
    assert "<svg:title>THE TREE" in written and "&lt; 6 HERE" in written
    assert "A DOOR" in written and "OPENS" in written


def test_an_indented_document_keeps_its_order() -> None:
    """White space between elements is no text, and the properties come first."""
    style = '<w:pPr>\n <w:pStyle w:val="A"/>\n </w:pPr>'
    runs = "<w:r>\n <w:t>\n  do</w:t>\n </w:r>\n <w:r>\n <w:t>or opens\n  now\n </w:t>\n </w:r>"
    written = shouted({"word/document.xml": body(f"<w:p>\n {style}\n {runs}\n</w:p>")}, "docx")
    text = written["word/document.xml"]
    assert f"<w:p>\n {style}<w:r><w:t" in text and ">DOOR OPENS NOW AND MORE OF IT</w:t>" in text


def test_marks_within_the_code_of_a_template() -> None:
    marks = '<w:bookmarkStart w:id="1" w:name="x"/>', '<w:bookmarkEnd w:id="1"/>'
    bold = "<w:r><w:rPr><w:b/></w:rPr><w:t>me</w:t></w:r>"
    runs = f"<w:r><w:t>dear {{{{ na</w:t></w:r>{marks[0]}{bold}{marks[1]}"
    end = "<w:r><w:t> }} and {</w:t></w:r><w:r><w:rPr><w:i/></w:rPr><w:t>b}</w:t></w:r>"
    text = body(f"<w:p>{runs}{end}</w:p>")
    written = shouted({"word/document.xml": text}, "docx")["word/document.xml"]
    assert "DEAR " in written and ">{{ name }}<" in written and ">{b}<" in written
    assert all(mark in written for mark in marks)


def test_spans_of_sessions_and_columns_of_opendocument() -> None:
    """LibreOffice numbers its sessions by styles that show nothing, and begins them in words."""
    names = 'xmlns:text="t" xmlns:style="s" xmlns:r="r"'
    style = '<style:style style:name="{}" style:family="text"><style:text-properties {}/>'
    styles = style.format("T1", 'r:rsid="1"') + "</style:style>"
    styles += style.format("T2", 'r:rsid="1" r:bold="b"') + "</style:style>"
    span = '<text:span text:style-name="T{}">'
    first = f"<text:p>wo{span.format(1)}od</text:span>en {span.format(2)}door</text:span></text:p>"
    second = '<text:p>name<text:s text:c="9"/>value</text:p>'
    content = f"<o {names}>{styles}{first}{second}</o>"
    written = shouted({"content.xml": content}, "odt")["content.xml"]
    assert ">WOODEN " in written and span.format(2) in written and span.format(1) not in written
    assert 'NAME AND MORE OF IT<text:s text:c="9"/>VALUE' in written


def test_a_book_in_utf_16() -> None:
    book = (
        '<?xml version="1.0" encoding="utf-16"?><package xmlns:dc="d"><dc:title>a book</dc:title>'
    )
    book += "<dc:language>en</dc:language></package>"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("META-INF/container.xml", "<c/>")
        archive.writestr("a.opf", book.encode("utf-16"))
    document = open_document(buffer.getvalue(), "epub")
    (segment,) = document.segments
    with zipfile.ZipFile(io.BytesIO(document.with_translations({segment.id: "B"}, "de"))) as made:
        assert made.read("a.opf").decode("utf-16").count(">B</dc:title><dc:language>de<") == 1


def backwards(texts: Sequence[str]) -> list[str]:
    return [" ".join(reversed(text.split(" "))) for text in texts]


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ("<w:sdt><w:sdtPr><w:text/></w:sdtPr><w:sdtContent>", "</w:sdtContent></w:sdt>"),
        ("<w:sdt>\n<w:sdtPr/><w:sdtEndPr/>\n<w:sdtContent>", "</w:sdtContent>\n</w:sdt>"),
        ('<w:smartTag w:element="a"><w:smartTagPr/>', "</w:smartTag>"),
        ('<w:customXml w:element="a"><w:customXmlPr/>', "</w:customXml>"),
        ('<w:fldSimple w:instr="REF a"><w:fldData>x</w:fldData>', "</w:fldSimple>"),
    ],
)
def test_properties_come_before_the_words_of_an_element(before: str, behind: str) -> None:
    """Whatever the order of words becomes: Word refuses the document otherwise."""
    run = "<w:r><w:t>{}</w:t></w:r>"
    inside = f"{before}{run.format('enter your name')}{behind}"
    data = package({"word/document.xml": body(f"<w:p>{run.format('please ')}{inside}</w:p>")})
    document = open_document(data, "docx")
    texts = {r.segment.id: r.text for r in translate_segments(document.segments, backwards)}
    assert document.damages(texts) == {}
    with zipfile.ZipFile(io.BytesIO(document.with_translations(texts))) as archive:
        written = archive.read("word/document.xml").decode()
    assert f"{before}<w:r><w:t" in written and f"</w:r>{behind}" in written
    assert "name your enter" in written


def test_prefixes_that_are_declared_within() -> None:
    text = body("<w:p><w:r><w:t>door</w:t></w:r></w:p>").replace("<w:p>", f"<w:p {W}>")
    text = text.replace(f"w:document {W}", f"x:document {W.replace(':w', ':x')}").replace(
        "</w:document", "</x:document"
    )
    text = text.replace("w:body", "x:body")
    assert "DOOR" in shouted({"word/document.xml": text}, "docx")["word/document.xml"]


def test_no_word_comes_into_a_field_that_ends_in_another_paragraph() -> None:
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    run = '<w:r><w:t xml:space="preserve">{}</w:t></w:r>'
    first = (
        f"{run.format('see ')}{mark.format('begin')}{mark.format('separate')}{run.format('b c')}"
    )
    second = f"{run.format('d e')}{mark.format('end')}{run.format('f g')}"
    data = package({"word/document.xml": body(f"<w:p>{first}</w:p><w:p>{second}</w:p>")})
    document = open_document(data, "docx")
    texts = {r.segment.id: r.text for r in translate_segments(document.segments, backwards)}
    with zipfile.ZipFile(io.BytesIO(document.with_translations(texts))) as archive:
        written = archive.read("word/document.xml").decode()
    assert f"{mark.format('separate')}{run.format('c b')}</w:p>" in written
    assert f"{run.format('e d')}{mark.format('end')}{run.format('g f')}</w:p>" in written


def test_comments_within_a_text_of_word_stay_unseen() -> None:
    text = "<w:p><w:r><w:t>a<!-- hidden --> door</w:t></w:r></w:p>"
    written = shouted({"word/document.xml": body(text)}, "docx")["word/document.xml"]
    assert ">A DOOR AND MORE OF IT</w:t>" in written
