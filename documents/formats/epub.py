"""EPUB books: the text of every chapter, the table of contents, and the title."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from posixpath import normpath
from urllib.parse import unquote

from tformer.documents.document import Slot, TextDocument
from tformer.documents.formats import element_texts
from tformer.documents.formats.html import html_slots, language_edits
from tformer.documents.formats.packages import PackageDocument, open_package
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.left_parts import LeftPart, LeftText
from tformer.model.errors import InputError
from tformer.model.text.normalization import same_language

_XHTML = "application/xhtml+xml"
_ENCRYPTED = re.compile(r"<(?:\w+:)?CipherReference\b[^<>]*\sURI=[\"']([^\"']*)")
_DRAWN_TEXT = re.compile(rb"<(?:\w+:)?(?:text|tspan)(?:\s[^<>]*)?>([^<]+)")
_ENDS = (".xhtml", ".html", ".htm", ".xml")
_CHAPTER = re.compile(r".*\.x?html?", re.IGNORECASE)
_ABOUT = {"opf": {"title", "description", "subject"}, "ncx": {"text"}}
_LANGUAGE = re.compile(r"(<dc:language\b[^>]*>)([^<]*)")


def open_epub(data: bytes, name: str) -> PackageDocument:
    """Read a book; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is damaged, hostile, or something else.
    """

    def wanted(parts: Mapping[str, bytes]) -> Sequence[str]:
        if _is_protected(parts):
            raise InputError(f"{name}: its chapters are encrypted; a book without DRM is needed")
        return _wanted(parts)

    document = open_package(data, name, "an EPUB book", wanted, _read)
    books = [part for part in document.parts if part.endswith(".opf")]
    return PackageDocument(
        document.parts,
        document.contents,
        document.comment,
        dict.fromkeys(books, _label),
        _language(document, books),
        list(_drawn_texts(document)),
    )


def _drawn_texts(document: PackageDocument) -> Iterator[LeftText]:
    """Words in pictures."""
    for part, data in document.named_contents:
        chapter = document.parts.get(part)
        read = {segment.plain for segment in chapter.segments} if chapter else set()
        for match in _DRAWN_TEXT.finditer(data) if part.endswith((".svg", *_ENDS)) else ():
            text = " ".join(match[1].decode("utf-8", "replace").split())
            if any(map(str.isalpha, text)) and text not in read:
                yield LeftText(text[:80], f"left as it was, since it is drawn (in {part})")


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

    book = decode(data, "the list of chapters", xml.declared_encoding)
    return book.encode(_LANGUAGE.sub(named, book.text))


def _wanted(parts: Mapping[str, bytes]) -> Sequence[str]:
    if "META-INF/container.xml" not in parts:
        return []
    books = [name for name in parts if name.endswith(".opf")]
    chapters = {path for book in books for path in _chapters(book, parts[book])}
    about = {name for name in parts if name.rpartition(".")[2] in _ABOUT}
    return [n for n in parts if n in chapters | about or _CHAPTER.fullmatch(n)]


def _chapters(book: str, data: bytes) -> Iterator[str]:
    """Chapters that a book lists, whatever their names end in."""
    folder = book.rpartition("/")[0]
    try:
        tokens = xml.scan(decode(data, book, xml.declared_encoding).text, book)
    except InputError:
        return
    for token in tokens:
        if token.attributes.get("media-type") == _XHTML:
            path = unquote(token.attributes.get("href", ""))
            yield normpath(f"{folder}/{path}").lstrip("/")


def _is_protected(parts: Mapping[str, bytes]) -> bool:
    """Return whether chapters are encrypted, and not fonts alone."""
    listed = parts.get("META-INF/encryption.xml", b"").decode("utf-8", "replace")
    return any(_CHAPTER.fullmatch(match[1]) for match in _ENCRYPTED.finditer(listed))


def _read(data: bytes, name: str) -> TextDocument:
    kind = name.rstrip(")").rpartition(".")[2]
    if wanted := _ABOUT.get(kind):
        return element_texts.read_elements(data, name, wanted, without={"docAuthor"})
    source = decode(data, name, xml.declared_encoding)
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
