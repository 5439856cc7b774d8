"""Drawn tables of reStructuredText, with docutils as the referee."""

import pytest
from docutils.core import publish_doctree
from docutils.nodes import entry, row

from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments

GRID = """\
+------------------------+------------+----------+
| Header row, column 1   | Header 2   | Header 3 |
| (header rows optional) |            |          |
+========================+============+==========+
| body row 1, column 1   | column 2   | *three*  |
+------------------------+------------+----------+
| body row 2             | ``code``   |          |
+------------------------+------------+----------+
"""
SIMPLE = """\
=====  =====  =======
  A      B    A and B
=====  =====  =======
False  no     the dog goes to
              the house
True   yes    `a link <http://x.y>`_

Not    now    here
=====  =====  =======
"""


def translated(text: str, make: dict[str, str] | None = None) -> tuple[str, list[str]]:
    """A file whose texts are said longer, and what was left."""
    document = open_document(text.encode(), "rst")

    def answer(texts: object) -> list[str]:
        return [(make or {}).get(each, f"viel {each} mehr") for each in texts]  # type: ignore[attr-defined]

    results = list(translate_segments(document.segments, answer))
    assert not any(result.failed for result in results)
    written = {result.segment.id: result.text for result in results}
    assert not document.damages(written)
    return document.with_translations(written).decode(), [x.text for x in document.left_texts]


def cells(text: str) -> list[list[str]]:
    """The texts of cells, as docutils reads them without a complaint."""
    tree = publish_doctree(text, settings_overrides={"report_level": 5, "halt_level": 5})
    assert "system_message" not in tree.pformat()
    return [
        [" ".join(cell.astext().split()) for cell in each.findall(entry)]
        for each in tree.findall(row)
    ]


@pytest.mark.parametrize("table", [GRID, SIMPLE])
@pytest.mark.parametrize("indent", ["", "   "])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_tables_are_drawn_as_wide_as_their_cells(table: str, indent: str, ending: str) -> None:
    head = ".. table:: Truth\n\n" if indent else ""
    text = head + "".join(indent + line for line in table.splitlines(keepends=True))
    text = text.replace("\n", ending)
    written, left = translated(text)
    assert not left and written.count(ending) >= text.count(ending)
    before, after = cells(text), cells(written)
    for old, new in zip(before, after, strict=True):
        for one, other in zip(old, new, strict=True):
            stays = not any(map(str.isalpha, one)) or one == "code"
            assert other == (one if stays else f"viel {one} mehr")


def test_wide_characters_take_two_columns() -> None:
    written, _ = translated(GRID, {"Header 2": "\u6a19\u984c\u4e8c" * 5})
    assert cells(written)[0][1] == "\u6a19\u984c\u4e8c" * 5
    again, _ = translated(written, {"\u6a19\u984c\u4e8c" * 5: "two"})
    assert cells(again)[0][1] == "two"


SPANS = """\
+------+-----+
| span here  |
+------+-----+
| a dog| b   |
+------+-----+
"""
UNDERLINED = """\
======  =====
   Inputs
-------------
a dog   a cat
======  =====
one     two
======  =====
"""
IN_MARGIN = """\
======  =====
a dog is long
======  =====
one     two
======  =====
"""


@pytest.mark.parametrize("table", [SPANS, UNDERLINED, IN_MARGIN])
def test_tables_with_spans_stay_and_are_told(table: str) -> None:
    written, left = translated(f"{table}\nA dog.\n")
    assert written == f"{table}\nviel A dog. mehr\n" and len(left) == 1


def test_cells_of_several_texts_stay_and_are_told() -> None:
    table = "+-------+-------+\n| a dog | - one |\n|       | - two |\n+-------+-------+\n"
    written, left = translated(table)
    assert left == ["- one - two"] and "| - one |" in written and "viel a dog mehr" in written


def test_a_text_that_a_cell_cannot_hold_is_left_out() -> None:
    document = open_document(GRID.encode(), "rst")
    (segment,) = document.segments
    wrong = segment.text.replace("Header 2", "- one\u2028two")
    assert document.damages({segment.id: wrong})
