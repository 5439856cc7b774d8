"""AsciiDoc, as Asciidoctor reads it.

There is no spelling for every text that looks like markup, so a translation that would become
markup is left out. So is the title of a section that the file refers to by its text or by an id
made of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from tformer.documents.document import Slot, TextDocument
from tformer.documents.formats.asciidoc_blocks import asciidoc_texts
from tformer.documents.formats.asciidoc_inline import asciidoc_segment
from tformer.documents.formats.front_matter import front_matter
from tformer.documents.formats.prose import REFERRED, Notation, ProseText, prose_slots
from tformer.documents.io.encoding import decode
from tformer.documents.left_parts import LeftPart


def open_asciidoc(data: bytes, name: str) -> TextDocument:
    """Read AsciiDoc; see `tformer.documents.registry.open_document`."""
    return TextDocument(decode(data, name), _slots)


def _slots(text: str) -> Iterator[Slot | LeftPart]:
    front = front_matter(text) if text.startswith("---") else None
    if front:
        yield from front.slots
    names = {_name(match[1]) for match in _TARGETS.finditer(text)}

    def told(found: ProseText | LeftPart) -> ProseText | LeftPart:
        if isinstance(found, LeftPart) or found.kind != "title":
            return found
        if not _gives_name(text, found, names):
            return found
        return LeftPart(found.start, found.end, REFERRED)

    texts = list(asciidoc_texts(text, front.end if front else 0))
    yield from prose_slots(text, map(told, texts), Notation(asciidoc_segment, _is_whole))
    places = [(one.start, one.end) for one in texts if isinstance(one, ProseText)]
    yield from _in_macros(text, places)


_WORDS = r"(?P<words>[^\],\n]*[^\W\d_][^\],\n]*)"
_NOTE = re.compile(rf"\b(?:footnote:[\w-]*|image:(?!:)[^\s\[]+)\[{_WORDS}")
_PICTURE = re.compile(rf"(?m)^image::[^\s\[]+\[{_WORDS}")
_FENCE = re.compile(r"(?m)^(?:-{4,}|\.{4,}|`{3,}|/{4,}|\+{4,})[ \t]*\r?$")


def _in_macros(text: str, places: Collection[tuple[int, int]]) -> Iterator[LeftPart]:
    """Words of notes and of pictures, which stay."""
    for start, end in places:
        for match in _NOTE.finditer(text, start, end):
            yield LeftPart(*match.span("words"), "it is the text of a macro")
    for match in _PICTURE.finditer(text):
        if len(_FENCE.findall(text, 0, match.start())) % 2 == 0:
            yield LeftPart(*match.span("words"), "it is the text of a macro")


_TARGETS = re.compile(r"(?:<<|xref:)#?([^<>,\[\]\n]{1,300})")
_OWN_ID = re.compile(r"\[[^\n]*[\[#][^\n]*\][ \t]*\r?\n[=#]+[ \t]+\Z")


def _name(target: str) -> str:
    """The letters of a title or of the id that is made of it."""
    return re.sub(r"[\W_]+", "", target.lower())


def _gives_name(text: str, title: ProseText, names: Collection[str]) -> bool:
    """Return whether a title without an id of its own is referred to by its text."""
    return _name(title.content) in names and not _OWN_ID.search(
        text, max(0, title.start - 400), title.start
    )


_FORMS = {"title": "== {}\n", "block title": ".{}\n", "item": "* {}\n", "term": "{}:: x\n",
          "cell": "|===\n| {}\n|===\n",
          "definition": "x:: {}\n"}  # fmt: skip


def _is_whole(content: str, kind: str) -> bool:
    """Return whether lines are one text of a kind, wherever it may stand."""
    lines = _FORMS.get(kind, "{}\n").format(content)
    texts = (text for text in asciidoc_texts(lines) if isinstance(text, ProseText))
    found = [text for text in texts if text.kind == kind]
    return len(found) == 1 and found[0].content == content
