"""TSV as bitext: on each line a source, a tab, and its translation.

What has a translation is kept; where the second column is empty or missing it is filled. Further
columns, empty lines and line endings stay as they are, and so does a first row that names the
columns. Quotation marks around a cell are read as spreadsheets write them.
"""

from collections.abc import Iterator

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument
from tformer.documents.io.cells import TableCell, rows
from tformer.documents.io.encoding import decode
from tformer.documents.io.table_headers import language_of
from tformer.documents.segments import SegmentState, render

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


def open_tsv(data: bytes, name: str) -> TextDocument:
    """Read TSV; see `tformer.documents.registry.open_document`."""
    return TextDocument(decode(data, name), _slots, declares=_declares)


def _header(text: str) -> list[str] | None:
    """The names of the columns, if the first row has such."""
    names = [cell.text.strip() for cell in next(rows(text, "\t"))]
    both = len(names) > 1 and names[0] != names[1] and all(map(language_of, names[:2]))
    known = len(names) > 1 and all(name.lower() in _HEADERS for name in names[:2])
    return names if both or known else None


def _declares(text: str) -> DocumentLanguages:
    names = _header(text)
    if not names:
        return DocumentLanguages()
    return DocumentLanguages(language_of(names[0]), language_of(names[1]))


def _slots(text: str) -> Iterator[Slot]:
    header = _header(text)
    for number, row in enumerate(rows(text, "\t"), start=1):
        if row[0].text.strip() and not (header and number == 1):
            yield _slot(str(number), row)


def _slot(id: str, row: list[TableCell]) -> Slot:
    builder = Builder(breaks=True)
    builder.text(row[0].text)
    target = row[1].text if len(row) > 1 else ""
    state = SegmentState.TRANSLATED if target.strip() else SegmentState.NEW
    segment = builder.build(id, target=target, state=state)

    def edits(text: str) -> list[Edit]:
        cell = row[0].with_text(render(segment, text, str), "\t")
        if len(row) == 1:
            return [Edit(row[0].end, row[0].end, f"\t{cell}")]
        return [Edit(row[1].start, row[1].end, cell)]

    return Slot(segment, edits)
