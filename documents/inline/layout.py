"""The text that a model sees, and where in it the placeholders of a segment are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tformer.documents.segments import PlaceholderKind, Segment, parts

Ranges = Mapping[int, tuple[int, int]]
"""Ranges (start, end) by the number of the placeholder."""


@dataclass
class MarkupPair:
    """Markup around words: its place in the source, or in the target."""

    number: int
    start: int = 0
    end: int = 0
    children: list["MarkupPair"] = field(default_factory=list)
    squeezed: bool = False
    """No word of the target was left for it."""


@dataclass(frozen=True)
class Spot:
    """Something that stands alone in the source."""

    number: int
    start: int
    shown: str
    parents: tuple[int, ...]

    @property
    def end(self) -> int:
        """Behind its last character in the source."""
        return self.start + len(self.shown)


@dataclass(frozen=True)
class Source:
    """Source segment with its layout."""

    plain: str
    """Plain text that the model saw."""
    roots: list[MarkupPair]
    """Markup that is in no other."""
    alone: list[Spot]
    """Standalone placeholders, in order."""


def lay_out(segment: Segment) -> Source:
    """The plain text, and where in it the placeholders are."""
    pieces: list[str] = []
    position = 0
    opened = [MarkupPair(0)]
    alone: list[Spot] = []
    for part in parts(segment.text):
        if isinstance(part, str):
            pieces.append(part)
            position += len(part)
        elif part.part is PlaceholderKind.OPEN:
            opened.append(MarkupPair(part.number, position))
            opened[-2].children.append(opened[-1])
        elif part.part is PlaceholderKind.CLOSE:
            opened.pop().end = position
        else:
            shown = segment.inlines[part.number].shown
            parents = tuple(pair.number for pair in opened[1:])
            alone.append(Spot(part.number, position, shown, parents))
            pieces.append(shown)
            position += len(shown)
    return Source("".join(pieces), opened[0].children, alone)


def all_of(pairs: Iterable[MarkupPair]) -> Iterable[MarkupPair]:
    """Pairs and all that are in them."""
    for pair in pairs:
        yield pair
        yield from all_of(pair.children)
