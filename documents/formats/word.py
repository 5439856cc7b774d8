"""Word documents (.docx): paragraphs of the text, of headers, footers, notes and comments; numbers
of lists, charts and diagrams, titles, and data that the text shows."""

import re
from collections.abc import Mapping
from dataclasses import replace

from tformer.documents.document import TextDocument
from tformer.documents.formats import element_texts
from tformer.documents.formats.office_paragraphs import read_paragraphs
from tformer.documents.formats.office_parts import OfficeParts, files_within, with_language
from tformer.documents.formats.packages import PackageDocument, open_package, texts_of

_PARTS = OfficeParts(
    main=re.compile(r".*word.*\.main\+xml"),
    others=re.compile(
        r".*(?:wordprocessingml\.(?:header|footer|footnotes|endnotes|comments|numbering)"
        r"|drawingml\.(?:chart|chartshapes|diagramData|diagramDrawing)|office\.chartex)\+xml"
    ),
    names=re.compile(
        r"word/(?:document\d*|(?:header|footer)\d*|footnotes|endnotes|comments|numbering)\.xml"
    ),
)


def open_docx(data: bytes, name: str) -> PackageDocument:
    """Read a Word document; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is damaged, hostile, or something else.
    """
    bound = _bound_names(data, name)

    def wanted(parts: Mapping[str, bytes]) -> list[str]:
        chosen = _PARTS.of(parts)
        return [*chosen, *(n for n in parts if chosen and bound and _DATA.fullmatch(n))]

    def read(content: bytes, part: str) -> TextDocument:
        if _DATA.search(part):
            return element_texts.read_elements(content, part, bound)
        return read_paragraphs(content, part)

    document = open_package(data, name, "a Word document", wanted, read)
    styles = [info.filename for info, _ in document.contents if _STYLES.fullmatch(info.filename)]
    return replace(
        document,
        labels=dict.fromkeys([*document.parts, *styles], _label),
        unread=files_within(document.named_contents),
    )


_DATA = re.compile(r"customXml/item\d+\.xml")
_BINDING = re.compile(r"<(?:\w+:)?dataBinding\b[^<>]*?\s(?:\w+:)?xpath=(?:\"([^\"]*)\"|'([^']*)')")


def _bound_names(data: bytes, name: str) -> set[str]:
    """Elements of a document's data that are shown in its text, and put there anew by Word."""
    texts = texts_of(data, name, "a Word document", re.compile(r"word/[^/]*\.xml"))
    paths = (match[1] or match[2] for _, text in texts for match in _BINDING.finditer(text))
    steps = (path.rstrip("/").rpartition("/")[2] for path in paths)
    return {re.sub(r"\[.*\]|.*:", "", step) for step in steps} - {"", "PublishDate"}


_STYLES = re.compile(r"(?:.*/)?styles\.xml", re.IGNORECASE)
_LANG = re.compile(rb"(<(?:\w+:)?lang\b[^<>]*?\s(?:\w+:)?val=\")([^\"]+)(?=\")")


def _label(data: bytes, language: str) -> bytes:
    """A part whose runs and styles name the language of the translation."""
    return with_language(data, language, _LANG)
