"""The text that a model sees, and where in it the placeholders of a segment are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tformer.documents.segments import Part, Segment, parts

Ranges = Mapping[int, tuple[int, int]]
"""Where something is, (start, end), by the number of its placeholder."""


@dataclass
class Pair:
    """Markup around words: its place in the source, or in the target."""

    number: int
    start: int = 0
    end: int = 0
    children: list["Pair"] = field(default_factory=list)
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
    """What was translated."""

    plain: str
    """What the model saw of it."""
    roots: list[Pair]
    """Markup that is in no other."""
    alone: list[Spot]
    """What stands alone, in order."""


def lay_out(segment: Segment) -> Source:
    """The plain text, and where in it the placeholders are."""
    pieces: list[str] = []
    position = 0
    opened = [Pair(0)]
    alone: list[Spot] = []
    for part in parts(segment.text):
        if isinstance(part, str):
            pieces.append(part)
            position += len(part)
        elif part.part is Part.OPEN:
            opened.append(Pair(part.number, position))
            opened[-2].children.append(opened[-1])
        elif part.part is Part.CLOSE:
            opened.pop().end = position
        else:
            shown = segment.inlines[part.number].shown
            parents = tuple(pair.number for pair in opened[1:])
            alone.append(Spot(part.number, position, shown, parents))
            pieces.append(shown)
            position += len(shown)
    return Source("".join(pieces), opened[0].children, alone)


def all_of(pairs: Iterable[Pair]) -> Iterable[Pair]:
    """Pairs and all that are in them."""
    for pair in pairs:
        yield pair
        yield from all_of(pair.children)
