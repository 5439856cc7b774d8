"""Slots of drawn tables of reStructuredText: a table is one segment, divided between its cells.

Its lines depend on all of its cells, so it is written as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tformer.documents.document import Edit, Slot
from tformer.documents.formats.prose import Notation, spelling
from tformer.documents.formats.rest_tables import TableText, read_table
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Inline, Mark, PlaceholderKind, Segment, meaning, parts

_BETWEEN = "\ufdd0between cells"
"""Source of the placeholder between two cells, which is in no file."""

_PARAGRAPH = "paragraph"


@dataclass(frozen=True)
class _CellText:
    """A cell that is translated."""

    row: int
    column: int
    content: str
    segment: Segment


def table_slots(found: TableText, id: str, notation: Notation) -> Iterator[Slot | LeftPart]:
    """The slot of a table, and its cells that are not understood."""
    cells = []
    for row, column, cell in found.table.cells:
        content = "\n".join(cell.lines).strip("\n")
        if not any(map(str.isalpha, content)):
            continue
        segment = notation.read(content)
        if segment is None or not notation.is_whole(content, _PARAGRAPH):
            yield LeftPart(found.start, found.end, "a cell holds more than one text", content)
        elif segment.has_words:
            cells.append(_CellText(row, column, content, segment))
    if cells:
        writer = _TableWriter(found, cells, notation, _together(cells, id))
        yield Slot(writer.segment, writer.edits, can_say=writer.can_say)


def _together(cells: Sequence[_CellText], id: str) -> Segment:
    """One segment of the texts of cells."""
    inlines: dict[int, Inline] = {}
    text = ""
    for cell in cells:
        if text:
            inlines[len(inlines) + 1] = Inline(_BETWEEN, shown="\n", divides=True)
            text += str(Mark(len(inlines), PlaceholderKind.ALONE))
        shift = len(inlines)
        numbers = {n: shift + i for i, n in enumerate(sorted(cell.segment.inlines), start=1)}
        inlines |= {numbers[n]: cell.segment.inlines[n] for n in numbers}
        text += _renumbered(cell.segment.text, numbers)
    return Segment(id, text, inlines, context="table")


def _renumbered(text: str, numbers: dict[int, int]) -> str:
    return "".join(
        part if isinstance(part, str) else str(Mark(numbers[part.number], part.part))
        for part in parts(text)
    )


@dataclass(frozen=True)
class _TableWriter:
    """Writer of the translations of a table."""

    found: TableText
    cells: Sequence[_CellText]
    notation: Notation
    segment: Segment

    def can_say(self, text: str) -> bool:
        """Return whether every cell has a spelling, and the table that is drawn is read again."""
        lines = self._lines(text)
        again = read_table(lines) if lines else None
        if again is None or len(again.rows) != len(self.found.table.rows):
            return False
        contents = {(r, c): "\n".join(cell.lines).strip("\n") for r, c, cell in again.cells}
        for cell, own in zip(self.cells, self._pieces(text), strict=True):
            read = self.notation.read(contents.get((cell.row, cell.column), ""))
            if read is None or meaning(read, read.text) != meaning(cell.segment, own):
                return False
        return True

    def edits(self, text: str) -> list[Edit]:
        """The table drawn anew; as it was where nothing can say the translation."""
        found = self.found
        lines = None if text == self.segment.text else self._lines(text)
        if lines is None:
            return [Edit(found.start, found.end, found.raw)]
        between = found.ending + found.prefix
        drawn = between.join(line or "\0" for line in lines)
        return [Edit(found.start, found.end, drawn.replace(f"{found.prefix}\0", ""))]

    def _lines(self, text: str) -> list[str] | None:
        written = {}
        for cell, own in zip(self.cells, self._pieces(text), strict=True):
            spelt = cell.content
            if own != cell.segment.text:
                found = spelling(cell.content, _PARAGRAPH, cell.segment, self.notation, own)
                if found is None:
                    return None
                spelt = found
            written[cell.row, cell.column] = tuple(spelt.split("\n"))
        return self.found.table.with_cells(written).drawn()

    def _pieces(self, text: str) -> list[str]:
        """The texts of the cells, with their own placeholders."""
        pieces: list[list[str | Mark]] = [[]]
        for part in parts(text):
            if isinstance(part, Mark) and self.segment.inlines[part.number].opening == _BETWEEN:
                pieces.append([])
            else:
                pieces[-1].append(part)
        return [self._own(cell, piece) for cell, piece in zip(self.cells, pieces, strict=True)]

    def _own(self, cell: _CellText, piece: Sequence[str | Mark]) -> str:
        used = sorted({part.number for part in piece if isinstance(part, Mark)})
        numbers = dict(zip(used, sorted(cell.segment.inlines), strict=True))
        return "".join(
            part if isinstance(part, str) else str(replace(part, number=numbers[part.number]))
            for part in piece
        )
