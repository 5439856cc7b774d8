"""reStructuredText, with the directives and roles of Sphinx that hold text.

Titles keep the lines above and below them, as long as they must be. A title or link that the file
refers to by its text stays, since its text is its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tformer.documents.document import Slot, TextDocument
from tformer.documents.formats.prose import Notation, prose_slots, width
from tformer.documents.formats.rest_blocks import rest_texts
from tformer.documents.formats.rest_inline import (
    escape_backslashes,
    escape_rest,
    may_follow,
    may_precede,
    rest_name,
    rest_names,
    rest_segment,
)
from tformer.documents.io.encoding import decode


def open_rst(data: bytes, name: str) -> TextDocument:
    """Read reStructuredText; see `tformer.documents.registry.open_document`."""
    return TextDocument(decode(data, name), _slots)


def _slots(text: str) -> Iterator[Slot]:
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
    texts = rest_texts(text)
    named = (t for t in texts if t.kind != "title" or rest_name(t.content) not in names)
    return prose_slots(text, named, notation)


def _is_whole(content: str, kind: str) -> bool:
    """Return whether lines are one text of a kind."""
    lines = content
    if kind == "literal":
        lines += "::"
    elif kind == "title":
        lines += "\n" + "=" * max(width(content), 4)
    found = rest_texts(lines)
    own = kind if kind in ("literal", "title") else "paragraph"
    is_one = len(found) == 1 and found[0].start == 0 and found[0].content == content
    return is_one and found[0].kind == own and not (kind == "term" and " : " in content)
