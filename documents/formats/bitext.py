"""TSV as bitext: on each line a source, a tab, and its translation.

What has a translation is kept; where the second column is empty or missing it is filled. Further
columns, empty lines and line endings stay as they are, and so does a first row that names the
columns. Quotation marks around a cell are read as spreadsheets write them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tformer.documents.building import Builder
from tformer.documents.document import Edit, Languages, Slot, TextDocument
from tformer.documents.io.encoding import decode
from tformer.documents.segments import State, render

_CELL = re.compile(r'"(?:[^"]|"")*"(?=[\t\r\n]|\Z)|[^\t\r\n]*')
_ENDING = re.compile(r"\t|\r\n|\n|\r|\Z")
_CODE = re.compile(r"[a-z]{2}([-_][A-Za-z]{2,4})?")
_HEADERS = {
    "source",
    "target",
    "src",
    "tgt",
    "english",
    "german",
    "notes",
    "translation",
    "context",
}


@dataclass(frozen=True)
class _Cell:
    """A cell, with the quotation marks that a spreadsheet put around it."""

    raw: str
    start: int

    @property
    def is_quoted(self) -> bool:
        return len(self.raw) > 1 and self.raw.startswith('"') and self.raw.endswith('"')

    @property
    def text(self) -> str:
        return self.raw[1:-1].replace('""', '"') if self.is_quoted else self.raw


def open_tsv(data: bytes, name: str) -> TextDocument:
    """Read TSV; see `tformer.documents.registry.open_document`."""
    return TextDocument(decode(data, name), _slots, declares=_declares)


def _rows(text: str) -> Iterator[list[_Cell]]:
    """The rows; a quoted cell may take several lines, as spreadsheets write it."""
    position = 0
    row: list[_Cell] = []
    while True:
        cell = _CELL.match(text, position)
        assert cell
        row.append(_Cell(cell[0], position))
        ending = _ENDING.match(text, cell.end())
        assert ending, "a cell ends at a tab or a line break"
        position = ending.end()
        if ending[0] != "\t":
            yield row
            row = []
            if not ending[0] or position == len(text):
                return


def _header(text: str) -> list[str] | None:
    """The names of the columns, if the first row has such."""
    names = [cell.text.strip() for cell in next(_rows(text))]
    both = (
        len(names) > 1
        and names[0] != names[1]
        and all(map(_CODE.fullmatch, names[:2]))
        and all(names[:2])
    )
    known = len(names) > 1 and all(name.lower() in _HEADERS for name in names[:2])
    return names if both or known else None


def _declares(text: str) -> Languages:
    names = _header(text)
    if not names or not all(map(_CODE.fullmatch, names[:2])):
        return Languages()
    return Languages(names[0], names[1])


def _slots(text: str) -> Iterator[Slot]:
    header = _header(text)
    for number, row in enumerate(_rows(text), start=1):
        if row[0].text.strip() and not (header and number == 1):
            yield _slot(str(number), row)


def _slot(id: str, row: list[_Cell]) -> Slot:
    builder = Builder(breaks=True)
    builder.text(row[0].text)
    target = row[1].text if len(row) > 1 else ""
    state = State.TRANSLATED if target.strip() else State.NEW
    segment = builder.build(id, target=target, state=state)

    def edits(text: str) -> list[Edit]:
        cell = render(segment, text, str)
        if row[0].is_quoted:
            cell = '"' + cell.replace('"', '""') + '"'
        else:
            cell = re.sub(r"[\t\r\n]+", " ", cell)
        if len(row) == 1:
            end = row[0].start + len(row[0].raw)
            return [Edit(end, end, f"\t{cell}")]
        return [Edit(row[1].start, row[1].start + len(row[1].raw), cell)]

    return Slot(segment, edits)
