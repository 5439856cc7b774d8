"""PowerPoint presentations (.pptx): the paragraphs of slides, their notes, diagrams and charts."""

from __future__ import annotations

import re
from dataclasses import replace

from tformer.documents.formats.office_paragraphs import read_paragraphs
from tformer.documents.formats.office_parts import OfficeParts, files_within, with_language
from tformer.documents.formats.packages import PackageDocument, open_package

_PARTS = OfficeParts(
    main=re.compile(r".*presentationml\.slide\+xml"),
    others=re.compile(
        r".*(?:(?:presentationml|powerpoint)\.comments"
        r"|presentationml\.(?:notesSlide|slideLayout|slideMaster)"
        r"|drawingml\.(?:chart|chartshapes|diagramData|diagramDrawing)|office\.chartex)\+xml"
    ),
    names=re.compile(r"ppt/(?:slides/slide|notesSlides/notesSlide|diagrams/data)(\d+)\.xml"),
)


def open_pptx(data: bytes, name: str) -> PackageDocument:
    """Read a presentation; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is damaged, hostile, or something else.
    """
    document = open_package(data, name, "a PowerPoint presentation", _PARTS.of, read_paragraphs)
    return replace(
        document,
        labels=dict.fromkeys(document.parts, _label),
        unread=files_within(document.named_contents),
    )


_LANG = re.compile(rb"(<a:(?:rPr|endParaRPr|defRPr)\b[^<>]*?\slang=\")([^\"]+)(?=\")")


def _label(data: bytes, language: str) -> bytes:
    """A part whose runs name the language of the translation."""
    return with_language(data, language, _LANG)
