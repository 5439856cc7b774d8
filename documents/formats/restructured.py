"""reStructuredText, with the directives and roles of Sphinx that hold text.

Titles keep the lines above and below them, as long as they must be. A title or link that the file
refers to by its text stays, since its text is its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tformer.documents.document import Slot, TextDocument
from tformer.documents.formats.prose import REFERRED, Notation, ProseText, prose_slots, width
from tformer.documents.formats.rest_blocks import rest_texts
from tformer.documents.formats.rest_cells import fits_cell
from tformer.documents.formats.rest_inline import (
    escape_backslashes,
    escape_rest,
    may_follow,
    may_precede,
    rest_name,
    rest_names,
    rest_segment,
)
from tformer.documents.formats.rest_table_slots import table_slots
from tformer.documents.formats.rest_tables import TableText
from tformer.documents.io.encoding import decode
from tformer.documents.left_parts import LeftPart


def open_rst(data: bytes, name: str) -> TextDocument:
    """Read reStructuredText; see `tformer.documents.registry.open_document`."""
    return TextDocument(decode(data, name), _slots)


def _slots(text: str) -> Iterator[Slot | LeftPart]:
    names = rest_names(text)
    notation = Notation(
        partial(rest_segment, names=names),
        _is_whole,
        escapes=(escape_backslashes, escape_rest),
        guard="\\",
        joint="\\ ",
        may_precede=may_precede,
        may_follow=may_follow,
    )

    def told(found: ProseText | LeftPart) -> ProseText | LeftPart:
        if isinstance(found, LeftPart) or found.kind != "title":
            return found
        if rest_name(found.content) not in names:
            return found
        return LeftPart(found.start, found.end, REFERRED)

    def texts() -> Iterator[ProseText | LeftPart | Slot]:
        tables = 0
        for found in rest_texts(text):
            if isinstance(found, TableText):
                tables += 1
                yield from table_slots(found, f"table {tables}", notation)
            else:
                yield told(found)

    return prose_slots(text, texts(), notation)


def _is_whole(content: str, kind: str) -> bool:
    """Return whether lines are one text of a kind."""
    if not fits_cell(content, kind):
        return False
    lines = content
    if kind == "literal":
        lines += "::"
    elif kind == "title":
        lines += "\n" + "=" * max(width(content), 4)
    found = rest_texts(lines)
    own = kind if kind in ("literal", "title") else "paragraph"
    if len(found) != 1 or not isinstance(one := found[0], ProseText):
        return False
    is_one = one.start == 0 and one.content == content and one.kind == own
    return is_one and not (kind == "term" and " : " in content)
