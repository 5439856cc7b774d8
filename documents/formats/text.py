"""Plain text: a line is a segment, and as many lines come out as go in.

A line ends at "\\n" or "\\r\\n" and nowhere else. Indentation and white space at the end of a line
are not part of the segment.
"""

import re
from collections.abc import Iterator

from tformer.documents.building import Builder
from tformer.documents.document import Slot, TextDocument, replacing
from tformer.documents.io.encoding import decode

_LINE = re.compile(r"[^\n]+")


def open_text(data: bytes, name: str) -> TextDocument:
    """Read a text file; see `tformer.documents.registry.open_document`."""
    return TextDocument(decode(data, name), _slots)


def _slots(text: str) -> Iterator[Slot]:
    number, counted = 1, 0
    for line in _LINE.finditer(text):
        number += text.count("\n", counted, line.start())
        counted = line.start()
        body = line[0].strip()
        if body:
            start = line.start() + line[0].index(body)
            slot = _slot(str(number), body, start)
            if slot.segment.has_words:
                yield slot


def _slot(id: str, body: str, start: int) -> Slot:
    builder = Builder()
    builder.text(body)
    return replacing(builder.build(id), start, start + len(body), one_line)


def one_line(text: str) -> str:
    """Text for a place that a line break would end."""
    return re.sub(r"[\r\n]+", " ", text)
