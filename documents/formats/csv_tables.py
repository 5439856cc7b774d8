"""CSV: the cells of columns that hold words. The first row names the columns and stays.

A table with a column for each of two languages is filled as TSV is: what the target column lacks is
translated from the source column. Columns of identifiers, numbers and addresses are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument
from tformer.documents.inline.interface import is_identifier
from tformer.documents.io.cells import TableCell, rows
from tformer.documents.io.encoding import decode
from tformer.documents.io.table_headers import language_of
from tformer.documents.segments import SegmentState, render
from tformer.model.errors import InputError

_KEYS = re.compile(
    r"#|.*\bid|key|code|slug|sku|u(ri|rl)|e-?mail|date|type|lang(uage)?|locale|path|file(name)?|hash",
    re.IGNORECASE,
)
_PAIRS = (("source", "target"), ("src", "tgt"))


def open_csv(data: bytes, name: str) -> TextDocument:
    """Read CSV with commas, semicolons or tabs; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: rows have different numbers of cells, so that it is no table.
    """
    source = decode(data, name)
    said = _SEPARATOR.match(source.text)
    delimiter = said[1] if said else _delimiter(source.text)
    table = [row for row in _table(source.text, delimiter) if len(row) > 1 or row[0].raw]
    widths = {len(row) for row in table}
    if len(widths) > 1:
        odd = next(i for i, row in enumerate(table, start=1) if len(row) != len(table[0]))
        raise InputError(
            f"{name}: not CSV: row {odd} has {len(table[odd - 1])} cells, the first "
            f"{len(table[0])}; --format text translates lines"
        )
    return TextDocument(
        source,
        lambda text: _slots(_table(text, delimiter), delimiter),
        declares=lambda text: _declares(_table(text, delimiter)[0]),
    )


_SEPARATOR = re.compile(r"sep=([,;\t|])\r?\n", re.IGNORECASE)
"""Pattern of the line with which Excel is told the separator."""


def _table(text: str, delimiter: str) -> list[list[TableCell]]:
    """The rows, without the line that names the separator."""
    return list(rows(text, delimiter))[1 if _SEPARATOR.match(text) else 0 :]


def _delimiter(text: str) -> str:
    first = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    return max(",;\t|", key=first.count)


def _declares(header: Sequence[TableCell]) -> DocumentLanguages:
    pair = _pair(header)
    if not pair:
        return DocumentLanguages()
    return DocumentLanguages(language_of(header[pair[0]].text), language_of(header[pair[1]].text))


def _pair(header: Sequence[TableCell]) -> tuple[int, int] | None:
    """The columns of a source and a target, if the first row names such."""
    names = [cell.text.strip() for cell in header]
    for source, target in _PAIRS:
        lower = [name.lower() for name in names]
        if source in lower and target in lower:
            return lower.index(source), lower.index(target)
    codes = [i for i, name in enumerate(names) if language_of(name) and name != "id"]
    return (codes[0], codes[1]) if len(codes) == 2 else None


def _slots(table: list[list[TableCell]], delimiter: str) -> Iterator[Slot]:
    if not table:
        return
    header, body = table[0], list(enumerate(table[1:], start=2))
    if pair := _pair(header):
        source, target = pair
        for number, row in body:
            if len(row) > max(pair) and row[source].text.strip():
                yield _filled(str(number), row[source], row[target], delimiter)
        return
    for column in _of_words([row for _, row in body], header):
        for number, row in body:
            if column < len(row):
                yield from _translated(f"{number}/{column + 1}", row[column], delimiter)


def _of_words(body: list[list[TableCell]], header: Sequence[TableCell]) -> Iterator[int]:
    for column, named in enumerate(header):
        cells = [row[column].text.strip() for row in body if column < len(row)]
        filled = [text for text in cells if text]
        words = [
            text for text in filled if re.search(r"[^\W\d_]", text) and not is_identifier(text)
        ]
        if not _KEYS.fullmatch(named.text.strip()) and 2 * len(words) > len(filled):
            yield column


def _filled(id: str, source: TableCell, target: TableCell, delimiter: str) -> Slot:
    builder = Builder(breaks=True)
    builder.text(source.text)
    state = SegmentState.TRANSLATED if target.text.strip() else SegmentState.NEW
    segment = builder.build(id, target=target.text, state=state)
    return Slot(
        segment,
        lambda text: [
            Edit(target.start, target.end, target.with_text(render(segment, text, str), delimiter))
        ],
    )


def _translated(id: str, cell: TableCell, delimiter: str) -> Iterator[Slot]:
    builder = Builder(breaks=True)
    builder.text(cell.text)
    segment = builder.build(id)
    if segment.has_words and not is_identifier(cell.text):
        yield Slot(
            segment,
            lambda text: [
                Edit(cell.start, cell.end, cell.with_text(render(segment, text, str), delimiter))
            ],
        )
