"""Words in attributes between braces, in sections of CDATA and in forms."""

import pytest

from tformer.documents.registry import open_document

PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><body>{}</body></html>'


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("<p>One <![CDATA[<b> & two]]> three.</p>", ["<b> & two"]),
        ("<p><![CDATA[Only this.]]></p>", ["Only this."]),
        ("<p><![CDATA[123]]></p>", []),
        ("<script>//<![CDATA[\nlet a;\n//]]></script>", []),
        ("<textarea>Write here</textarea>", ["Write here"]),
        ("<textarea>{{ message }}</textarea><textarea></textarea>", []),
        ("<p>So <math><mi>xy</mi><mtext>if even</mtext></math></p>", ["if even"]),
        ("<p>So <math><mi>x</mi></math></p>", []),
    ],
)
def test_words_of_elements_that_stay_are_told(source: str, told: list[str]) -> None:
    document = open_document(PAGE.format(source).encode(), "html")
    assert [left.text for left in document.left_texts] == told
    written = document.with_translations(
        {s.id: s.text.replace("three", "drei") for s in document.segments}
    ).decode()
    for text in told:
        assert text in written


def test_a_section_is_a_part_of_its_sentence_in_xhtml_alone() -> None:
    source = "<p>One <![CDATA[<b> & two]]> three.</p>"
    (segment,) = open_document(PAGE.format(source).encode(), "html").segments
    assert segment.plain == "One <b> & two three."
    assert len(open_document(source.encode(), "html").segments) == 2


@pytest.mark.parametrize(
    "template",
    [
        'Text.\n{{: title="{}" .class}}\n',
        '# Heading {{: #id title="{}"}}\n',
        "![](a.png){{ width=\"5\" title='{}' }}\n",
        '[link](x.md){{: title="{}"}} text\n',
        '- item\n{{: title="{}"}}\n',
    ],
)
def test_titles_in_attributes_between_braces(template: str) -> None:
    document = open_document(template.format("A tip here").encode(), "markdown")
    own = next(s for s in document.segments if s.plain == "A tip here")
    written = {s.id: s.text for s in document.segments} | {own.id: "Ein Rat"}
    assert not document.damages(written)
    assert document.with_translations(written).decode() == template.format("Ein Rat")
    assert own.id in document.damages({own.id: "\"'}"})


def test_what_looks_so_in_code_stays() -> None:
    document = open_document(b'Text `{: title="in code"}` here.\n', "markdown")
    assert [segment.plain for segment in document.segments] == ['Text {: title="in code"} here.']


def test_the_text_of_an_image_with_attributes_is_one_segment() -> None:
    document = open_document(b"![A dog](a.png){: width=5}\n", "markdown")
    assert [segment.plain for segment in document.segments] == ["A dog"]


@pytest.mark.parametrize("text", ["5 > 3 --> here we go", "10 --> 20 is an arrow", "2 --> x"])
def test_arrows_in_the_text_of_subtitles(text: str) -> None:
    times = "00:00:01,000 --> 00:00:02,000"
    document = open_document(f"1\n{times}\n{text}\nand more\n".encode(), "srt")
    (segment,) = document.segments
    assert segment.plain == f"{text} and more"
    assert not document.damages({segment.id: f"{text} und mehr"})


def test_labels_of_addresses_in_asciidoc() -> None:
    source = "See mailto:a@b.c[Mail us] or mailto:a@b.c[Mail us,The subject] now.\n"
    document = open_document(source.encode(), "asciidoc")
    (segment,) = document.segments
    assert segment.text == "See <1>Mail us</1> or <2/> now."
    translations = {segment.id: "Da <1>schreiben</1> oder <2/> jetzt."}
    assert b"mailto:a@b.c[schreiben] oder mailto:a@b.c[Mail us,The subject]" in (
        document.with_translations(translations)
    )
    assert document.damages({segment.id: "Da <1>eins, zwei</1> oder <2/> jetzt."})


def test_times_that_nobody_can_read_stay_in_subtitles() -> None:
    source = "1\n00:00:01,000 --> 00:00:02,000\nOne.\n\n2\n00:0x:01,000 --> soon\nTwo.\n"
    document = open_document(source.encode(), "srt")
    assert [segment.plain for segment in document.segments] == ["One.", "Two."]
