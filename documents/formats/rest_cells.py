"""Cells of `csv-table` in reStructuredText."""

from __future__ import annotations

import re

from tformer.documents.formats.prose import ProseText

QUOTED, PLAIN = "quoted cell", "plain cell"
"""Kinds of the texts of cells."""

_CELL = re.compile(r"""\s*(?:"(?P<quoted>[^"\\]*)"|(?P<plain>[^",\n]*?))\s*(?:,|\Z)""")


def csv_cells(text: str, start: int, end: int) -> list[ProseText] | None:
    """The cells with words of a row of CSV; None if it is no usual row of one line."""
    row, position, found = text[start:end], 0, []
    while position < len(row):
        match = _CELL.match(row, position)
        if not match:
            return None
        kind = QUOTED if match["quoted"] is not None else PLAIN
        first, behind = match.span("quoted" if kind is QUOTED else "plain")
        content = row[first:behind]
        if any(map(str.isalpha, content)) and content == content.strip():
            found.append(ProseText(kind, start + first, start + behind, content, "", "\n", (), 0))
        position = match.end()
    return found


def fits_cell(content: str, kind: str) -> bool:
    """Return whether a text can stand in a cell, or is in none."""
    forbidden = {QUOTED: '"\\\n', PLAIN: '",\\\n'}.get(kind, "")
    return not set(forbidden) & set(content)
