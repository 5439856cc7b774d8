"""A written file, read again: its structure must be that of the source, whatever its format.

What a file is without its segments must be the same, byte for byte, and every segment must have the
placeholders it had. Where that fails and the file does not tell which translations are to blame,
halves of them are tried until those are found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tformer.documents.segments import Segment


class _FilePart(Protocol):
    """A part of a file."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


class VerifiedSlot(Protocol):
    """A segment and the parts of a file in which its translation is written."""

    @property
    def segment(self) -> Segment:
        """Segment to translate."""
        ...

    @property
    def edits(self) -> Callable[[str], Iterable[_FilePart]]:
        """From a translation to what changes in the file."""
        ...


@dataclass(frozen=True)
class Fault:
    """Fault of a file with some translations."""

    reason: str
    blamed: frozenset[str] = frozenset()
    """Ids of the segments that are known to be the cause; none if the file does not tell."""


MOST_TRIALS = 120
"""Trials to find those to blame; what has not been found innocent by then is left as it was."""

UNSPELLABLE = "the encoding of the file lacks a character of it"


def find_damages(
    changed: Mapping[str, str],
    problem: Callable[[Mapping[str, str]], Fault | None],
    can_encode: Callable[[str], bool] | None,
) -> dict[str, str]:
    """Translations that must be left out, with the reasons.

    Args:
        changed: translations by segment id.
        problem: what is wrong with a file with some of them; None if nothing is.
        can_encode: whether a text can be written; None if every text can.
    """
    damages = {}
    if can_encode:
        damages = {id: UNSPELLABLE for id, text in changed.items() if not can_encode(text)}
    rest = {id: text for id, text in changed.items() if id not in damages}
    trials = iter(range(MOST_TRIALS))
    _sift(list(rest.items()), {}, problem, trials, damages)
    return damages


def _sift(
    items: Sequence[tuple[str, str]],
    good: dict[str, str],
    problem: Callable[[Mapping[str, str]], Fault | None],
    trials: Iterator[int],
    damages: dict[str, str],
) -> None:
    """Add to `good` what can be written together with it, to `damages` the rest."""
    if not items:
        return
    if next(trials, None) is None:
        damages.update((id, "too much of the file would change its structure") for id, _ in items)
        return
    found = problem({**good, **dict(items)})
    if found is None:
        good.update(items)
    elif len(items) == 1:
        damages[items[0][0]] = found.reason
    elif found.blamed & dict(items).keys():
        damages.update((id, found.reason) for id, _ in items if id in found.blamed)
        _sift([i for i in items if i[0] not in found.blamed], good, problem, trials, damages)
    else:
        middle = len(items) // 2
        _sift(items[:middle], good, problem, trials, damages)
        _sift(items[middle:], good, problem, trials, damages)


def difference(
    before: str, old: Sequence[VerifiedSlot], after: str, new: Sequence[VerifiedSlot]
) -> Fault | None:
    """Difference in structure between a file and its source; None if there is none."""
    if len(old) != len(new):
        return Fault(f"the file would have {len(new)} segments in the place of {len(old)}")
    pairs = [(a.segment, b.segment) for a, b in zip(old, new, strict=True)]
    if other := frozenset(a.id for a, b in pairs if _marks(a) != _marks(b)):
        return Fault("its markup would be read as other markup", other)
    if other := frozenset(a.id for a, b in pairs if a.target is not None and a.text != b.text):
        return Fault("the source text would change", other)
    if any(a.target is not None for a, _ in pairs):
        return None
    if other := frozenset(a.id for a, b in pairs if a.context != b.context):
        return Fault("it would be read as a part of another kind", other)
    if _around(before, old) != _around(after, new):
        return Fault("the structure of the file would change")
    return None


def _marks(segment: Segment) -> Counter[tuple[str, str | None]]:
    """Content of a segment's placeholders, without attributes that are translated."""
    inlines = segment.inlines.values()
    return Counter((_bare(i.opening), i.closing and _bare(i.closing)) for i in inlines)


def _bare(raw: str) -> str:
    """The tag names of markup, or else itself: attributes and paragraphs in it are segments, and so
    are texts of images and titles of links in Markdown."""
    if raw.lstrip().startswith("<"):
        return " ".join(re.findall(r"<([^\s<>]*)", raw))
    raw = _BRACED_TEXT.sub(r"\1=", _IMAGE_TEXT.sub("![]", _LINK_TITLE.sub(r"](\1)", raw)))
    return " ".join(raw.split())


_IMAGE_TEXT = re.compile(r"!\[(?:\\.|[^\]\\])*\]")
_BRACED_TEXT = re.compile(
    r"(?<=[\s{:])(alt|aria-label|caption|data-title|title)=(?:\"[^\"\n]+\"|'[^'\n]+')"
)
_LINK_TITLE = re.compile(
    r"\]\(\s*(<[^<>\n]*>|[^\s()]*)\s+([\"'])(?:\\.|(?!\2).)*\2\s*\)", re.DOTALL
)


def _around(text: str, slots: Sequence[VerifiedSlot]) -> list[str]:
    """A file without its segments."""
    spans = sorted(
        {(edit.start, edit.end) for slot in slots for edit in slot.edits(slot.segment.text)},
        key=lambda span: (span[0], -span[1]),
    )
    pieces = []
    position = 0
    for start, end in spans:
        if start >= position:
            pieces.append(text[position:start])
            position = end
    return [*pieces, text[position:]]
