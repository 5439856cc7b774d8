"""Segments cut where a placeholder divides them: at line breaks, tabs, and between variants.

What is around such a cut in the source is around it in the translation, by construction. Markup
that goes on behind a cut ends at it for the translator, and goes on in what is put together again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tformer.documents.segments import Mark, PlaceholderKind, Segment, parts


@dataclass(frozen=True)
class DividedUnit:
    """Unit of translation."""

    segment: Segment
    """With the markup that begins or ends in it, closed and opened as far as it must be."""
    added: frozenset[str] = frozenset()
    """The marks that were added for that."""
    behind: str = ""
    """Mark that separates it from the next."""

    def within(self, text: str) -> str:
        """A translation of this unit as it stands in that of the whole."""
        if self.added:
            text = "".join(
                str(p) for p in parts(text) if isinstance(p, str) or str(p) not in self.added
            )
        return text + self.behind


def units(segment: Segment) -> list[DividedUnit]:
    """The units of a segment, in order; joined by `DividedUnit.within` they are the segment."""
    if not any(inline.divides for inline in segment.inlines.values()):
        return [DividedUnit(segment)]
    return list(_units(segment))


def _units(segment: Segment) -> Iterator[DividedUnit]:
    opened: list[int] = []
    pieces: list[str | Mark] = []
    before: list[int] = []
    number = 0
    for part in [*parts(segment.text), None]:
        ends = part is None or (
            isinstance(part, Mark)
            and part.part is PlaceholderKind.ALONE
            and segment.inlines[part.number].divides
        )
        if not ends:
            assert part is not None
            pieces.append(part)
            if isinstance(part, Mark) and part.part is PlaceholderKind.OPEN:
                opened.append(part.number)
            elif isinstance(part, Mark) and part.part is PlaceholderKind.CLOSE:
                opened.pop()
            continue
        number += 1
        yield _unit(segment, number, pieces, before, opened, str(part or ""))
        pieces, before = [], list(opened)


def _unit(
    segment: Segment,
    number: int,
    pieces: Sequence[str | Mark],
    before: Sequence[int],
    behind: Sequence[int],
    divider: str,
) -> DividedUnit:
    """A unit between two cuts, from the markup that is open at each."""
    first = [Mark(n, PlaceholderKind.OPEN) for n in before if n not in behind]
    last = [Mark(n, PlaceholderKind.CLOSE) for n in reversed(behind) if n not in before]
    text = "".join(map(str, [*first, *pieces, *last]))
    marks = {p.number for p in parts(text) if isinstance(p, Mark)}
    inlines = {n: inline for n, inline in segment.inlines.items() if n in marks}
    own = replace(segment, id=f"{segment.id}/{number}", text=text, inlines=inlines, target=None)
    return DividedUnit(own, frozenset(map(str, [*first, *last])), divider)
