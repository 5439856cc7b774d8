"""TSV as bitext: on each line a source, a tab, and its translation.

What has a translation is kept; where the second column is empty or missing it is filled. Further
columns, empty lines and line endings stay as they are.
"""

import re
from collections.abc import Iterator

from tformer.documents.document import Edit, Slot, TextDocument
from tformer.documents.io.encoding import decode
from tformer.documents.segments import Builder, State, render

_ROW = re.compile(r"(?P<source>[^\t\r\n]+)(?:\t(?P<target>[^\t\r\n]*))?")


def open_tsv(data: bytes, name: str) -> TextDocument:
    """Read TSV; see `tformer.documents.registry.open_document`."""
    return TextDocument(decode(data, name), _slots)


def _slots(text: str) -> Iterator[Slot]:
    for number, line in enumerate(re.finditer(r"([^\r\n]*)(\r\n|\n|\r|\Z)", text), start=1):
        row = _ROW.match(text, line.start(), line.end(1))
        if row and row["source"].strip():
            yield _slot(str(number), row)


def _slot(id: str, row: re.Match[str]) -> Slot:
    builder = Builder()
    builder.text(row["source"])
    target = row["target"] or ""
    state = State.TRANSLATED if target.strip() else State.NEW
    segment = builder.build(id, target=target, state=state)

    def edits(text: str) -> list[Edit]:
        cell = re.sub(r"[\t\r\n]+", " ", render(segment, text, str))
        if row["target"] is None:
            return [Edit(row.end(), row.end(), f"\t{cell}")]
        return [Edit(*row.span("target"), cell)]

    return Slot(segment, edits)
