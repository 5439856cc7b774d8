"""EPUB books: the text of every chapter, the table of contents, and the title."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tformer.documents.building import Builder
from tformer.documents.document import Slot, TextDocument, checked, replacing
from tformer.documents.formats.html import html_slots, language_edits
from tformer.documents.formats.packages import PackageDocument, open_package
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import TokenKind
from tformer.documents.left_parts import LeftPart
from tformer.model.errors import InputError
from tformer.model.text.normalization import same_language

_CHAPTER = re.compile(r".*\.x?html?", re.IGNORECASE)
_ABOUT = {"opf": {"title", "description", "subject"}, "ncx": {"text"}}
_LANGUAGE = re.compile(r"(<dc:language\b[^>]*>)([^<]*)")


def open_epub(data: bytes, name: str) -> PackageDocument:
    """Read a book; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is damaged, hostile, or something else.
    """
    document = open_package(data, name, "an EPUB book", _wanted, _read)
    books = [part for part in document.parts if part.endswith(".opf")]
    return PackageDocument(
        document.parts,
        document.contents,
        document.comment,
        dict.fromkeys(books, _label),
        _language(document, books),
    )


def _language(document: PackageDocument, books: Sequence[str]) -> str | None:
    """The language that a book says first."""
    for book in books:
        match = _LANGUAGE.search(document.parts[book].source.text)
        if match and match[2].strip():
            return match[2].strip()
    return None


def _label(data: bytes, language: str) -> bytes:
    def named(match: re.Match[str]) -> str:
        return match[0] if same_language(match[2].strip() or "x", language) else match[1] + language

    return _LANGUAGE.sub(named, data.decode("utf-8")).encode()


def _wanted(names: Iterable[str]) -> Sequence[str]:
    listed = list(names)
    if "META-INF/container.xml" not in listed:
        return []
    return [n for n in listed if _CHAPTER.fullmatch(n) or n.rpartition(".")[2] in _ABOUT]


def _read(data: bytes, name: str) -> TextDocument:
    source = decode(data, name, xml.declared_encoding)
    kind = name.rstrip(")").rpartition(".")[2]
    if wanted := _ABOUT.get(kind):
        return checked(TextDocument(source, lambda text: _texts(text, name, wanted), xml.reference))
    is_xml = _is_well_formed(source.text, name)

    def read(text: str) -> Iterator[Slot | LeftPart]:
        if is_xml:
            xml.scan(text, name)
        return html_slots(text)

    return TextDocument(source, read, xml.reference, labels=language_edits)


def _is_well_formed(text: str, name: str) -> bool:
    try:
        xml.scan(text, name)
    except InputError:
        return False
    return True


def _texts(text: str, name: str, wanted: set[str]) -> Iterator[Slot]:
    tokens = xml.scan(text, name)
    for position, token in enumerate(tokens):
        following = tokens[position + 1] if position + 1 < len(tokens) else token
        if (
            token.name in wanted
            and token.kind is TokenKind.OPEN
            and following.kind is TokenKind.TEXT
        ):
            builder = Builder(xml.escape)
            builder.text(following.text.strip())
            segment = builder.build(str(position))
            raw = following.raw
            start = following.start + len(raw) - len(raw.lstrip())
            if segment.has_words:
                yield replacing(segment, start, start + len(raw.strip()), xml.escape)
