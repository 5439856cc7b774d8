"""Words that readers of markup and of bitext leave: each is told of, and no code is."""

import pytest

from tformer.documents.inline.restoring import restore
from tformer.documents.registry import open_document

RST = """\
.. versionadded:: 2.5
   The door *opens*.

.. deprecated:: 3.1 Use a key.

.. code-block:: python
   :caption: An example
     of it

   x = 1

.. |name| replace:: the long name

A door.
"""

ADOC = """\
image::door.png[A red door,200]

A door.footnote:[It is red.] See image:a.png[the key].

----
image::door.png[code]
----
"""

UNIT = (
    '<xliff version="1.2"><file source-language="en" target-language="de"><body>'
    '<trans-unit id="1"><source>One door. Two doors.</source><seg-source>'
    '<mrk mtype="seg" mid="1">One door.</mrk> <mrk mtype="seg" mid="2">Two doors.</mrk>'
    '</seg-source><target><mrk mtype="seg" mid="1">{}</mrk> '
    '<mrk mtype="seg" mid="2">Zwei Türen.</mrk></target></trans-unit></body></file></xliff>'
)


@pytest.mark.parametrize(
    ("format", "text", "expected"),
    [
        ("rst", RST, ["An example", "the long name"]),
        ("asciidoc", ADOC, ["A red door", "It is red.", "the key"]),
        ("xliff", UNIT.format("").replace('<mrk mtype="seg" mid="1"></mrk> ', ""), ["One door."]),
        ("xliff", UNIT.format(""), []),
        ("xliff", UNIT.format("Eine Tür."), []),
    ],
)
def test_words_that_stay_are_told_of(format: str, text: str, expected: list[str]) -> None:
    document = open_document(text.encode(), format)
    assert [left.text for left in document.left_texts] == expected
    assert document.with_translations({}).decode() == text


@pytest.mark.parametrize("empty", ['<mrk mtype="seg" mid="1"></mrk>', '<mrk mtype="seg" mid="1"/>'])
def test_segments_that_lack_a_translation_are_filled(empty: str) -> None:
    unit = UNIT.format("").replace('<mrk mtype="seg" mid="1"></mrk>', empty)
    unit = unit.replace('<trans-unit id="1">', '<trans-unit id="1" approved="yes">')
    document = open_document(unit.encode(), "xliff")
    assert [(s.id, s.text, str(s.state)) for s in document.segments[1:]] == [
        ("1/1", "One door.", "new")
    ]
    texts = {"1/1": "Eine Tür."}
    assert document.damages(texts) == {}
    written = document.with_translations(texts).decode()
    assert '<target state="needs-review-translation"><mrk mtype="seg" mid="1">Eine Tür.</mrk> ' in (
        written
    )
    assert 'mid="2">Zwei Türen.</mrk></target>' in written
    assert 'approved="no"' in written


def test_texts_of_changes_are_translated() -> None:
    document = open_document(RST.encode(), "rst")
    assert [s.plain for s in document.segments] == ["The door opens.", "Use a key.", "A door."]
    translations = {s.id: s.text.replace("door", "gate") for s in document.segments}
    written = document.with_translations(translations).decode()
    assert written == RST.replace("The door", "The gate").replace("A door", "A gate")


TABLES = """\
.. csv-table:: A title
   :header: "First name", "Second, third"

   "One dog", 5, Two cats
   "A *bold* word", x1

.. csv-table:: Other
   :delim: ;

   a b; c d

.. image:: a.png
   :alt: A nice dog
   :width: 5

:param int x: The value
   that goes on
:raises OSError: If it fails.
:author: Jane Doe
"""


def test_cells_options_and_fields_of_rest_are_texts() -> None:
    document = open_document(TABLES.encode(), "rst")
    texts = {s.id: s.text.upper() for s in document.segments}
    assert document.damages(texts) == {}
    written = document.with_translations(texts).decode()
    for old, new in (
        ('"First name", "Second, third"', '"FIRST NAME", "SECOND, THIRD"'),
        ('"One dog", 5, Two cats', '"ONE DOG", 5, TWO CATS'),
        ('"A *bold* word", x1', '"A *BOLD* WORD", X1'),
        (":alt: A nice dog", ":alt: A NICE DOG"),
        ("x: The value\n   that goes on", "x: THE VALUE\n   THAT GOES ON"),
        (":raises OSError: If it fails.", ":raises OSError: IF IT FAILS."),
        (":: A title", ":: A TITLE"),
        (":: Other", ":: OTHER"),
    ):
        assert new in written
        written = written.replace(new, old)
    assert written == TABLES
    assert [left.text for left in document.left_texts] == ["a b; c d"]


def test_a_translation_that_would_end_a_cell_is_left_out() -> None:
    document = open_document(TABLES.encode(), "rst")
    cells = {s.text: s.id for s in document.segments}
    bad = {cells["One dog"]: 'Ein "Hund"', cells["Two cats"]: "Zwei, Katzen"}
    assert document.damages(bad).keys() == bad.keys()
    assert document.damages({cells["One dog"]: "Ein Hund, ja"}) == {}


def test_numbers_of_notes_hang_on_their_words() -> None:
    document = open_document(b"The door [1]_ opens\n[2]_ now\n", "rst")
    (segment,) = document.segments
    restored = restore(segment, "Nun geht auf die T\u00fcr", [(0, 3), (1, 4), (2, 1), (3, 0)])
    assert document.damages({segment.id: restored.text}) == {}
    written = document.with_translations({segment.id: restored.text}).decode()
    assert " ".join(written.split()) == "Nun geht [2]_ auf die T\u00fcr [1]_"
