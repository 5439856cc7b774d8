"""Tables of two languages, a pair on each row: CSV and TSV, with a header or without.

A first row that names its columns is a header: by languages, as codes or names (`en,de-AT`,
`English;German`, `id,en,fr,de`), or as `source` and `target` and words for them. Without one the
first column is the source and the second the target, of whatever languages. Columns behind them,
or one that is called `notes`, are for people. Excel's `sep=;` is understood.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tformer.documents.io.encoding import decode
from tformer.model.errors import InputError
from tformer.model.text.languages import code_of

_LANGUAGE = re.compile(r"[a-z]{2}(?:[-_][A-Za-z0-9]{2,8})*|[A-Z]{2}(?:[-_][A-Za-z0-9]{2,8})+")
_COMMON = frozenset({"EN", "DE", "FR", "ES", "IT", "NL", "PL", "PT", "RU", "ZH", "JA"})
"""Codes that may be in capitals; others are more often abbreviations, such as AI or IT."""
_NOTES = ("notes", "note", "comment", "comments", "description", "definition", "bemerkung")
_KEYS = ("id", "key", "no", "no.", "nr", "nr.", "#", "number")
_SOURCES = ("source", "source term", "src", "term", "original", "from", "quelle", "ausgangstext")
_TARGETS = ("target", "target term", "trg", "tgt", "translation", "to", "ziel", "\u00fcbersetzung")
_SEPARATOR = re.compile(r"\s*\"?sep=(.)\"?\s*(?:\r\n|\n|\r|\Z)", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """Columns and languages of a table."""

    source: int = 0
    target: int = 1
    notes: int = 2
    source_language: str | None = None
    target_language: str | None = None
    languages: tuple[tuple[int, str], ...] = ()
    """Every column that is named by a language, where there are more than two."""


@dataclass(frozen=True)
class Row:
    """A pair, without the white space around it; "" for what is missing."""

    line: int
    source: str
    target: str
    notes: str
    cells: tuple[str, ...] = ()
    """All of them."""


def read_csv(data: bytes, name: str) -> tuple[Columns, Iterator[Row]]:
    """Read CSV, with commas, semicolons or tabs between columns and quotes as RFC 4180 has them.

    Raises:
        InputError: it is not CSV, or not text; rows raise it as they are read.
    """
    text = _text(data, name)
    named = _SEPARATOR.match(text)
    if named:
        text = text[named.end() :]
    first = text[: text.find("\n")] if "\n" in text else text
    delimiter = named[1] if named else _delimiter(first)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return _rows(_cells_of_csv(lines, name, int(bool(named))))


def read_tsv(data: bytes, name: str) -> tuple[Columns, Iterator[Row]]:
    """Read TSV, in which quotes are characters like any other.

    Raises:
        InputError: it is not text.
    """
    text = _text(data, name)
    lines = re.split(r"\r\n|\n|\r", text)
    return _rows(((at, line.split("\t")) for at, line in enumerate(lines, start=1)))


def _text(data: bytes, name: str) -> str:
    text = decode(data, name).text
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise InputError(f"{name}:{line}: has a NUL, so it is not text; convert it to UTF-8")
    return text


def _delimiter(line: str) -> str:
    """Separator of the columns of a row, looked for outside of quotes."""
    bare = re.sub(r'"(?:[^"]|"")*"', "", line)
    return max(",;\t", key=bare.count)


def _cells_of_csv(
    lines: Iterator[list[str]], name: str, before: int
) -> Iterator[tuple[int, list[str]]]:
    begins = 1 + before
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            raise InputError(f"{name}:{begins}: not CSV: {error}") from error
        if cells is None:
            return
        yield begins, cells
        begins = lines.line_num + 1 + before  # type: ignore[attr-defined]


def _rows(numbered: Iterator[tuple[int, list[str]]]) -> tuple[Columns, Iterator[Row]]:
    filled = ((line, cells) for line, cells in numbered if any(map(str.strip, cells)))
    first = next(filled, None)
    if first is None:
        return Columns(), iter(())
    columns = _header(first[1])
    body = filled if columns else _with_first(first, filled)
    columns = columns or Columns()
    return columns, (_row(columns, line, cells) for line, cells in body)


def _with_first(
    first: tuple[int, list[str]], others: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from others


def _header(cells: Sequence[str]) -> Columns | None:
    """Columns of a header row, if there is one."""
    names = [cell.strip().lower().strip("\ufeff") for cell in cells]
    notes = next((names.index(name) for name in _NOTES if name in names), 2)
    source = next((names.index(name) for name in _SOURCES if name in names), None)
    target = next((names.index(name) for name in _TARGETS if name in names), None)
    if source is not None and target is not None:
        return Columns(source, target, notes)
    return _header_of_languages(cells, names, notes)


def _header_of_languages(cells: Sequence[str], names: Sequence[str], notes: int) -> Columns | None:
    """Columns of a row of languages; None if a cell is something else."""
    found = [(at, code) for at, cell in enumerate(cells) if (code := _language(cell.strip()))]
    if len(found) > 2 and names[found[0][0]] in _KEYS:
        found = found[1:]
    others = set(names) - {names[at] for at, _ in found} - {*_KEYS, *_NOTES, ""}
    if len(found) < 2 or len({code for _, code in found}) < len(found):
        return None
    if others and found[1][0] != 1:
        return None
    first, second = found[:2]
    if notes == 2:
        taken = {at for at, _ in found}
        notes = next((at for at in range(len(cells)) if at > second[0] and at not in taken), 99)
    several = tuple(found) if len(found) > 2 else ()
    return Columns(first[0], second[0], notes, first[1], second[1], several)


def _language(cell: str) -> str | None:
    if _LANGUAGE.fullmatch(cell):
        return cell if code_of(cell) else None
    if cell.isupper() and len(cell) == 2:
        return cell.lower() if cell in _COMMON else None
    return code_of(cell) if len(cell) > 3 else None


def _row(columns: Columns, line: int, cells: Sequence[str]) -> Row:
    def cell(index: int) -> str:
        return cells[index].strip() if index < len(cells) else ""

    stripped = tuple(map(str.strip, cells))
    return Row(line, cell(columns.source), cell(columns.target), cell(columns.notes), stripped)
