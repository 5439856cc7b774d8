"""Signs in code and templates that are no Markdown, and attributes in sentences of Markdown."""

from collections.abc import Sequence

import pytest

from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments


def shout(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts]


def shouted(data: str) -> str:
    document = open_document(data.encode(), "markdown")
    translations = {r.segment.id: r.text for r in translate_segments(document.segments, shout)}
    assert document.damages(translations) == {}
    return document.with_translations(translations).decode()


HEAD = "| a | b |\n|---|---|\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"{HEAD}| `c d|e f` | g |\n", f"{HEAD.upper()}| `c d|e f` | G |\n"),
        (f"{HEAD}| [[c d|e f]] | g |\n", f"{HEAD.upper()}| [[c d|E F]] | G |\n"),
        (f"{HEAD}| `c` | d `e` |\n", f"{HEAD.upper()}| `c` | D `e` |\n"),
        ("> h | i\n> --|--\n> `j|k` | l\n", "> H | I\n> --|--\n> `j|k` | L\n"),
        ("[a]({{ site.url }}/b) c\n", "[A]({{ site.url }}/b) C\n"),
        ('[a]({{< ref "b c.md" >}} "d") e\n', '[A]({{< ref "b c.md" >}} "D") E\n'),
        ("[a]({% link b.md %}) c\n", "[A]({% link b.md %}) C\n"),
        ('a <img alt="b c"> <Tab label="d"/> e\n', 'A <img alt="B C"> <Tab label="D"/> E\n'),
        (f'{HEAD}| c ![d e](f.png) | <b title="g">h</b> |\n',
         f'{HEAD.upper()}| C ![D E](f.png) | <b title="G">H</b> |\n'),
        ('[a]: b "c d"\n[e]: f\n  \'g h\'\n[//]: # "i"\n', 
         '[a]: b "C D"\n[e]: f\n  \'G H\'\n[//]: # "i"\n'),
        (r"a \{x\} and {x.y} \$5 \=\=b", r"A \{x\} AND {x.y} \$5 \=\=B"),
        ("&nbsp;&nbsp;a b&nbsp;c\n", "&nbsp;&nbsp;A B&nbsp;C\n"),
        ("a-b:: c d\n", "a-b:: C D\n"),
        ("a &lt;i&gt; &amp; b", "A &lt;i&gt; &amp; B"),
        (r"a \<i\> b", r"A \<i\> B"),
        ("<A b={<C d=\"e\"/>} title='f g'>\n  h\n</A>\n",
         "<A b={<C d=\"e\"/>} title='F G'>\n  H\n</A>\n"),
        ("<A\n  b={['c', 'd']}\n  title=\"e f\"\n>\n\ng\n\n</A>\n",
         "<A\n  b={['c', 'd']}\n  title=\"E F\"\n>\n\nG\n\n</A>\n"),
        ("(a-b)=\n# c @fig:d\n", "(a-b)=\n# C @fig:d\n"),
        ("{::comment}\na\n{:/comment}\n\nb\n", "{::comment}\na\n{:/comment}\n\nB\n"),
        (":::tabs\n== a b\nc\n== d\ne\n:::\n", ":::tabs\n== A B\nC\n== D\nE\n:::\n"),
    ],
)  # fmt: skip
def test_what_sites_write(source: str, expected: str) -> None:
    assert shouted(source) == expected


def test_code_that_two_readings_cut_differently_is_told() -> None:
    source = f"{HEAD}| `c d|e f` |\n"
    assert shouted(source) == f"{HEAD.upper()}| `c d|e f` |\n"
    left = open_document(source.encode(), "markdown").left_texts
    assert [each.text for each in left] == ["`c d", "e f`"]


def test_front_matter_of_several_lines_and_within_lists() -> None:
    front = "---\nhero:\n  text: a b\nd:\n- title: e\n  icon: f\nsummary: |\n  g\n\n  h\n---\n"
    expected = front.replace("a b", "A B").replace("title: e", "title: E")
    assert shouted(front) == expected.replace("  g\n\n  h", "  G\n\n  H")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            '+++\ntitle = """\na\nb"""\n[c]\n  lead = "d"\n+++\n',
            '"""\nA\nB"""\n[c]\n  lead = "D"\n',
        ),
        ('{"a": [{"title": "b", "slug": "c"}]}\n', '{"a": [{"title": "B", "slug": "c"}]}\n'),
    ],
)
def test_front_matter_in_toml_and_json(source: str, expected: str) -> None:
    assert expected in shouted(source)


def test_words_that_a_shortcode_is_given_are_told() -> None:
    source = b'{{< tab "a b" >}}\n{{% note tip "c d" %}}\n{{< ref "e f" >}}\n'
    assert [each.text for each in open_document(source, "markdown").left_texts] == ["a b", "c d"]


def test_directives_in_fences_and_lines_as_they_stand_are_told() -> None:
    source = b'| m\n| n\n\n```{note} k\nl\n```\n\n::: {.x title="i j"}\n:::\n'
    document = open_document(source, "markdown")
    assert not document.segments
    left = [each.text for each in document.left_texts]
    assert left == ["| m | n", "```{note} k l ```", "i j"]
