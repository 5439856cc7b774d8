"""Elements of large XML files, one after the other, with nothing from outside let in."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.model.errors import InputError

_CHUNK = 1 << 16

DEEPEST = 100
"""Elements within each other, at most, counted from a wanted one."""


@dataclass(frozen=True)
class LocatedElement:
    """An element and the line on which it begins."""

    line: int
    element: Element
    """Names without the prefixes of namespaces; those of attributes as they are written."""


def elements(
    data: bytes, name: str, *, roots: Set[str], wanted: Set[str]
) -> Iterator[LocatedElement]:
    """The elements of some names, with all that is in them; none within another.

    Args:
        data: the file.
        name: what to call it in a message.
        roots: what the first element may be called.
        wanted: the names of those to find.

    Raises:
        InputError: it is not well-formed, declares entities, or begins with another element.
    """
    encoded = decode(data, name, xml.declared_encoding).text.encode("utf-8", "surrogatepass")
    finder = _ElementBuilder(name, roots, wanted)
    for start in range(0, max(1, len(encoded)), _CHUNK):
        chunk = encoded[start : start + _CHUNK]
        yield from finder.feed(chunk, last=start + _CHUNK >= len(encoded))


class _ElementBuilder:
    """Listens to Expat and builds what is wanted."""

    def __init__(self, name: str, roots: Set[str], wanted: Set[str]) -> None:
        self._name = name
        self._roots = roots
        self._wanted = wanted
        self._found: list[LocatedElement] = []
        self._builder: TreeBuilder | None = None
        self._depth = 0
        self._line = 0
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._first
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._refuse

    def feed(self, chunk: bytes, *, last: bool) -> list[LocatedElement]:
        """The elements that end in a chunk."""
        self._found = []
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            raise InputError(f"{self._name}:{error.lineno}: not well-formed XML: {what}") from error
        return self._found

    def _first(self, tag: str, attributes: dict[str, str]) -> None:
        if (local := tag.rpartition(":")[2]) not in self._roots:
            expected = " or ".join(f"<{root}>" for root in sorted(self._roots))
            raise InputError(f"{self._name}: begins with <{local[:40]}>, not with {expected}")
        self._parser.StartElementHandler = self._start

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        local = tag.rpartition(":")[2]
        if self._builder is None:
            if local not in self._wanted:
                return
            self._builder = TreeBuilder()
            self._line = self._parser.CurrentLineNumber
        self._builder.start(local, attributes)
        self._depth += 1
        if self._depth > DEEPEST:
            raise InputError(f"{self._name}:{self._line}: a <{local}> is nested too deep")

    def _end(self, tag: str) -> None:
        if self._builder is None:
            return
        self._builder.end(tag.rpartition(":")[2])
        self._depth -= 1
        if self._depth == 0:
            self._found.append(LocatedElement(self._line, self._builder.close()))
            self._builder = None

    def _text(self, text: str) -> None:
        if self._builder is not None:
            self._builder.data(text)

    def _refuse(self, entity: str, *_: object) -> None:
        raise xml.declares_entity(self._name, self._parser.CurrentLineNumber, entity)
