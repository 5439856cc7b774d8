"""Dialects of tables of text: separators, quotation marks, escapes."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace
from typing import Any

from tformer.model.errors import UsageError

_SIGNS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "none": ""}


@dataclass(frozen=True)
class TableDialect:
    """Spelling of a table."""

    delimiter: str = ","
    quote: str = '"'
    """Quotation mark around cells; "" if there is none."""
    escape: str = ""
    """Sign before a quotation mark in a cell; "" doubles the mark."""
    header: bool = True
    """True if the first row names the columns; else they are 1, 2, ..."""
    encoding: str = "utf-8"

    def settings(self) -> dict[str, Any]:
        """Settings of Python's `csv`."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote or None,
            "escapechar": self.escape or None,
            "doublequote": not self.escape,
            "quoting": csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            "strict": True,
        }

    def written(self, cells: list[str]) -> str:
        """A row without its ending."""
        if not self.quote and not self.escape:
            return self.delimiter.join(re.sub(rf"[{re.escape(self.delimiter)}\r\n]+", " ", c)
                                       for c in cells)  # fmt: skip
        sink = io.StringIO()
        csv.writer(sink, lineterminator="", **self.settings()).writerow(cells)
        return sink.getvalue()


NAMED = {
    "excel": TableDialect(),
    "excel-tab": TableDialect("\t"),
    "tsv": TableDialect("\t", quote=""),
    "unix": TableDialect(),
}
"""Dialects by name."""


def dialect_of(text: str) -> TableDialect:
    """Read a dialect as a user says it: a name, or ``delimiter=; quote=' escape=\\ header=no``.

    Raises:
        UsageError: it is neither.
    """
    name, *settings = text.split(" ") if "=" not in text.split(" ")[0] else ["", *text.split(" ")]
    if name and name not in NAMED:
        raise _unknown(text)
    dialect = NAMED.get(name, TableDialect())
    for setting in filter(None, settings):
        key, _, value = setting.partition("=")
        dialect = _with(dialect, key, _SIGNS.get(value, value), text)
    return dialect


def _with(dialect: TableDialect, key: str, value: str, text: str) -> TableDialect:
    if key == "header" and value in ("yes", "no"):
        return replace(dialect, header=value == "yes")
    if key == "encoding" and value:
        import codecs

        try:
            codecs.lookup(value)
        except LookupError as error:
            raise UsageError(f"--dialect: no encoding is called {value!r}") from error
        return replace(dialect, encoding=value)
    if key == "delimiter" and len(value) == 1:
        return replace(dialect, delimiter=value)
    if key == "quote" and len(value) <= 1:
        return replace(dialect, quote=value)
    if key == "escape" and len(value) <= 1:
        return replace(dialect, escape=value)
    raise _unknown(text)


def _unknown(text: str) -> UsageError:
    return UsageError(
        f"--dialect {text!r}: give one of {', '.join(NAMED)}, or settings with spaces between "
        "them: delimiter=; quote=' escape=\\ header=no encoding=cp1252"
    )


def guessed(suffix: str, first: str) -> TableDialect:
    """The dialect of a file, by its ending and its first line."""
    if suffix in (".tsv", ".tab"):
        return NAMED["tsv"]
    bare = re.sub(r'"(?:[^"]|"")*"', "", first)
    return TableDialect(max(",;\t|", key=bare.count))
