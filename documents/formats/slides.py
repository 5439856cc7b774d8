"""PowerPoint presentations (.pptx): the paragraphs of slides, their notes, diagrams and charts."""

from __future__ import annotations

import re

from tformer.documents.formats.office_parts import OfficeParts
from tformer.documents.formats.packages import PackageDocument, open_package
from tformer.documents.formats.word import read_paragraphs

_PARTS = OfficeParts(
    main=re.compile(r".*presentationml\.slide\+xml"),
    others=re.compile(
        r".*(?:presentationml\.notesSlide|drawingml\.(?:chart|diagramData|diagramDrawing))\+xml"
    ),
    names=re.compile(r"ppt/(?:slides/slide|notesSlides/notesSlide|diagrams/data)(\d+)\.xml"),
)


def open_pptx(data: bytes, name: str) -> PackageDocument:
    """Read a presentation; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is damaged, hostile, or something else.
    """
    return open_package(data, name, "a PowerPoint presentation", _PARTS.of, read_paragraphs)
