"""reStructuredText and AsciiDoc: the words change and nothing else; docutils judges one."""

import io
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments

DATA = Path(__file__).parent / "data" / "documents"
FILES = sorted([*DATA.glob("rst/*"), *DATA.glob("asciidoc/*")])


def shout(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts]


def lengthen(texts: Sequence[str]) -> list[str]:
    return [f"{text} and some more" for text in texts]


def disturb(texts: Sequence[str]) -> list[str]:
    """What no text should begin with, or have in it."""
    signs = ["* ", "1. ", ".. ", ":a: ", "= ", "|", "a:: ", "`b", "*c* ", "[d] ", "e_ ", "", "// "]
    return [f"{signs[len(text) % len(signs)]}{text} ::" for text in texts]


def written(data: bytes, format: str, model: object) -> tuple[bytes, set[str]]:
    """A translated file, and the ids of the segments that were left as they were."""
    document = open_document(data, format)
    results = translate_segments(document.segments, model)  # type: ignore[arg-type]
    texts = {result.segment.id: result.text for result in results}
    damages = document.damages(texts)
    kept = {id: text for id, text in texts.items() if id not in damages}
    return document.with_translations(kept), set(damages)


def shape(data: bytes, format: str) -> list[object]:
    """Segments with their markup, whatever the number of blanks in it."""
    return [
        (s.id, s.context, sorted(f"{i.opening} {i.closing}".split() for i in s.inlines.values()))
        for s in open_document(data, format).segments
    ]


_KEPT = (nodes.literal, nodes.literal_block, nodes.doctest_block, nodes.comment, nodes.field,
         nodes.substitution_definition, nodes.math, nodes.footnote_reference)  # fmt: skip


def tree(text: str) -> list[str]:
    """Elements of a file as docutils reads it, with the texts that must stay."""
    settings = {"warning_stream": io.StringIO(), "report_level": 5, "halt_level": 5,
                "file_insertion_enabled": False, "raw_enabled": False}  # fmt: skip
    found: list[str] = []
    document = publish_doctree(text, settings_overrides=settings)
    for message in list(document.findall(nodes.system_message)):
        message.parent.remove(message)
    for node in document.findall():
        if isinstance(node, nodes.Text | nodes.problematic):
            continue
        address = node.get("refuri", "") if isinstance(node, nodes.Element) else ""
        found.append(f"{node.tagname} {address}")
        found.append(node.astext() if isinstance(node, _KEPT) else "")
    return found


def has_errors(text: str) -> bool:
    """Return whether docutils warns of a file, which then is not surely what it seems."""
    settings = {"warning_stream": io.StringIO(), "report_level": 5, "halt_level": 5,
                "file_insertion_enabled": False, "raw_enabled": False}  # fmt: skip
    found = publish_doctree(text, settings_overrides=settings).findall(nodes.system_message)
    return any(message["level"] >= 2 for message in found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.parametrize("model", [shout, lengthen])
def test_files_keep_their_structure(path: Path, model: object) -> None:
    data, format = path.read_bytes(), path.parent.name
    assert open_document(path).with_translations({}) == data
    changed, damages = written(data, format, model)
    assert not damages
    assert changed != data
    assert shape(changed, format) == shape(data, format)
    if format == "rst":
        assert tree(changed.decode()) == tree(data.decode())


REST = st.lists(
    st.sampled_from(
        "word|two words|*em*|**strong** x|``co de``|`a b`_|`c d <e>`_|:ref:`f <g>`|[1]_|h_|\\|i\\|"
        "|- j|* k|1. l|2. m|#. n|.. note::|.. note:: o|.. code-block:: c|.. p|.. [1] q|.. _r: s"
        "|:t: u|====|----|========|t::|::|>>> v|+--+|== ==|\\| w|   x|  y|      z|--a b|a\\\\ b|a\\\\*b"  # noqa: E501
        "|`x|*y|(a) b|.. figure:: c.png|.. topic:: d".replace("\\|", "\0").split("|")
    ).map(lambda line: line.replace("\0", "|"))
    | st.just(""),
    max_size=12,
).map("\n".join)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(REST, st.sampled_from([shout, lengthen, disturb]))
@example("a\n- b\n\n- c\n d\n", shout)
@example("x *y* z\n   a\n", disturb)
def test_rest_is_read_by_docutils_as_it_was(text: str, model: object) -> None:
    data = text.encode()
    assert open_document(data, "rst").with_translations({}) == data
    changed, _ = written(data, "rst", model)
    assert shape(changed, "rst") == shape(data, "rst")
    if not has_errors(text):
        assert tree(changed.decode()) == tree(text), changed.decode()


ADOC = st.lists(
    st.sampled_from(
        ["word", "two words", "*bold* x", "_em_ y", "`co de`", "<<a,b c>>", "link:d[e f]", "{g}", "pass:[h i]", "* j", "** k", ". l", "m:: n", "o::", "+", "----", "====", "****", "....", "--", "[source]", "[NOTE]", "[[p]]", ".Title", "== Section", "= Doc", ":q: r", "// s", "NOTE: t", "|===", "|u |v", " w", "ifdef::x[]", "image::y[]", "x +", "\\*z*", '"`a`"', "```", "((b))", "[.c]#d e#", "'''", "---", "", "", "", "", ""]  # noqa: E501
    )
    | st.just(""),
    max_size=12,
).map("\n".join)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(ADOC, st.sampled_from([shout, lengthen, disturb]))
def test_asciidoc_is_read_as_it_was(text: str, model: object) -> None:
    data = text.encode()
    assert open_document(data, "asciidoc").with_translations({}) == data
    changed, _ = written(data, "asciidoc", model)
    assert shape(changed, "asciidoc") == shape(data, "asciidoc")
    outside = [
        line for line in text.splitlines() if line in ("----", "|===", "====", "+", "[NOTE]")
    ]
    assert [line for line in changed.decode().splitlines() if line in outside] == outside


@pytest.mark.parametrize(
    ("source", "format", "expected"),
    [
        ("Go on\n-----\n", "rst", "GO ON AND\n---------\n"),
        ("=====\nGo on\n=====\n", "rst", "=========\nGO ON AND\n=========\n"),
        ("Go on\n----------------\n", "rst", "GO ON AND\n----------------\n"),
        ("See `Go on`_.\n\nGo on\n-----\n", "rst", "SEE `Go on`_.\n\nGo on\n-----\n"),
        ("`a b <c>`_ or `a b`_\n", "rst", "`a b <c>`_ OR `a b`_\n"),
        (".. raw:: html\n\n   a\n\nb\n", "rst", ".. raw:: html\n\n   a\n\nB\n"),
        ("a `b\n\nc\n", "rst", "a `b\n\nC\n"),
        ("see <<_go_on>>\n\n== Go on\n", "asciidoc", "SEE <<_go_on>>\n\n== Go on\n"),
        ("see <<go>>\n\n[#go]\n== Go\n", "asciidoc", "SEE <<go>>\n\n[#go]\n== GO\n"),
        ("a\nifdef::b[]\nc\n\nd\n", "asciidoc", "a\nifdef::b[]\nc\n\nD\n"),
        ("a +\nb\n", "asciidoc", "A +\nB\n"),
        ("a link:http://b:8/c[d e] f\n", "asciidoc", "A link:http://b:8/c[D E] F\n"),
        ("a xref:b.adoc[c] d:e f\n", "asciidoc", "A xref:b.adoc[C] D:E F\n"),
        ("Go on\n-----\n\na\n", "asciidoc", "Go on\n-----\n\nA\n"),
    ],
)  # fmt: skip
def test_titles_references_and_what_is_in_doubt(source: str, format: str, expected: str) -> None:
    def model(texts: Sequence[str]) -> list[str]:
        return [text.upper().replace("GO ON", "GO ON AND") for text in texts]

    changed, damages = written(source.encode(), format, model)
    assert (changed.decode(), damages) == (expected, set())


def test_what_has_no_spelling_stays_and_is_told() -> None:
    document = open_document(b"one\n\ntwo\n", "asciidoc")
    first, second = (segment.id for segment in document.segments)
    damages = document.damages({first: "* x", second: "deux"})
    assert damages == {first: "the format has no spelling for it"}
    assert open_document(b"one\n", "rst").with_translations({"0": "* x_"}) == b"\\* x_\n".replace(
        b"x_", b"x\\_"
    )


HOSTILE = ["`", "*a ", "**", "``a ", "|x ", "a:", "a_", ":a:`", "[1]_", "- ", "= ", "====\n", "a::", "((",  # noqa: E501
           "<<a", "{a", "_a ", "#a ", "link:a[", "link:", "a\n  ", "[a]#", "\\", "+++", "-- -\n", "a-a."]  # fmt: skip # noqa: E501


def takes_linear_time(unit: str, format: str) -> bool:
    seconds = []
    for size in (2_000, 16_000):
        data = ("a " + unit * (size // len(unit)) + "\n\nb\n").encode()
        began = time.process_time()
        written(data, format, shout)
        seconds.append(time.process_time() - began)
    return seconds[1] < 24 * seconds[0] + 0.2


@pytest.mark.parametrize("format", ["rst", "asciidoc"])
def test_hostile_texts_take_linear_time(format: str) -> None:
    for unit in HOSTILE:
        # Once in three: a search for garbage may fall into one.
        assert any(takes_linear_time(unit, format) for _ in range(3)), unit


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('[docs]: ?q="extends+base"', []),
        ("[docs]: https://example.org/?a='an apple'", []),
        ('[docs]: https://example.org "The whole manual"', ["The whole manual"]),
        ("[docs]: https://example.org\n  'The whole manual'", ["The whole manual"]),
    ],
)
def test_quotation_marks_in_an_address_are_no_title(line: str, words: list[str]) -> None:
    document = open_document(f"See the [docs].\n\n{line}\n".encode(), "markdown")
    assert [segment.text for segment in document.segments][1:] == words
