"""Texts with places replaced, and where their characters went. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tformer.model.literals.repairing import LiteralEdit
from tformer.model.translation import Span


@dataclass(frozen=True)
class Rewritten:
    """A text, and from where in another one each part of it is."""

    text: str
    blocks: tuple[tuple[Span, Span], ...] = ()
    """Spans before and after; none where nothing was changed."""

    def after(self, span: Span) -> Span:
        """Position now of a span of the text before."""
        return _moved(span, self.blocks)

    def before(self, span: Span) -> Span:
        """Position before of a span of the text."""
        return _moved(span, [(new, old) for old, new in self.blocks])


def rewrite(
    text: str, edits: Sequence[LiteralEdit], change: Callable[[str], str] = str
) -> Rewritten:
    """Make edits that do not overlap; ``change`` is made to what is between them."""
    parts: list[str] = []
    blocks: list[tuple[Span, Span]] = []
    length = 0

    def add(start: int, end: int, part: str) -> None:
        nonlocal length
        parts.append(part)
        blocks.append(((start, end), (length, length + len(part))))
        length += len(part)

    at = 0
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):
        if edit.start < at:
            continue
        if edit.start > at:
            add(at, edit.start, change(text[at : edit.start]))
        add(edit.start, edit.end, edit.text)
        at = edit.end
    if at < len(text):
        add(at, len(text), change(text[at:]))
    return Rewritten("".join(parts), tuple(blocks))


def _moved(span: Span, blocks: Sequence[tuple[Span, Span]]) -> Span:
    if not blocks:
        return span
    touched = [
        (old, new)
        for old, new in blocks
        if (span[0] < old[1] and old[0] < span[1])
        or (span[0] == span[1] and old[0] <= span[0] <= old[1])
    ]
    if not touched:
        end = blocks[-1][1][1]
        return end, end
    return _place(span[0], *touched[0], first=True), _place(span[1], *touched[-1], first=False)


def _place(at: int, old: Span, new: Span, *, first: bool) -> int:
    if old[1] - old[0] == new[1] - new[0]:
        return new[0] + min(max(at - old[0], 0), old[1] - old[0])
    return new[0] if first else new[1]
