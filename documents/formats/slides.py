"""PowerPoint presentations (.pptx): the paragraphs of slides and of their notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tformer.documents.document import TextDocument
from tformer.documents.formats.packages import PackageDocument, open_package
from tformer.documents.formats.word import read_paragraphs

_PARTS = re.compile(r"ppt/(?:slides/slide|notesSlides/notesSlide|diagrams/data)(\d+)\.xml")


def open_pptx(data: bytes, name: str) -> PackageDocument:
    """Read a presentation; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is damaged, hostile, or something else.
    """
    return open_package(data, name, "a PowerPoint presentation", _wanted, _read)


def _wanted(names: Iterable[str]) -> Sequence[str]:
    found = [(name, match) for name in names if (match := _PARTS.fullmatch(name))]
    return [name for name, _ in sorted(found, key=lambda pair: (pair[0][:8], int(pair[1][1])))]


def _read(data: bytes, name: str) -> TextDocument:
    return read_paragraphs(data, name, "a:")
