"""Placeholders back into a translation that was made without them.

A model sees `Segment.plain`: literals as they are, no markup. In what it answers

1. literals are looked for and become placeholders again; a surplus copy of one is cut out;
2. markup goes around the words that translate the words it was around, as word alignments say;
   where there are none, words that are the same in both texts and the distances between them;
3. a literal that is missing is put where the words beside it went, and reported as lost: the
   caller can then translate the segment in fragments (`fragments`, `joined`), which loses nothing
   by construction, but lets the model see less at a time.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tformer.documents.inline.correspondence import Alignment, Correspondence
from tformer.documents.inline.layout import all_of, lay_out
from tformer.documents.inline.literals import cut_surplus, find_literals
from tformer.documents.inline.placing import place_pairs
from tformer.documents.inline.spacing import with_space_at_ends, with_space_of
from tformer.documents.inline.writing import TargetWriter
from tformer.documents.segments import Segment, parts, without_marks

# What stands before the first word, words, what stands behind the last; without a letter, no match.
_FRAGMENT = re.compile(r"(?=[\W\d_]*[^\W\d_])(\W*)(.*\w)(\W*)\Z", re.DOTALL)


@dataclass(frozen=True)
class RestoredSegment:
    """A translation with the placeholders of its segment, each of them once."""

    text: str
    lost: tuple[str, ...] = ()
    """Items that the translation lacked and that were put where they probably belong: literals, and
    marks of markup for which no word was left."""


def restore(
    segment: Segment, translation: str, alignment: Alignment | None = None
) -> RestoredSegment:
    """Put the placeholders of a segment into a translation of its `plain` text.

    White space at both ends becomes that of the source.

    Args:
        segment: what was translated.
        translation: of `segment.plain`.
        alignment: which word became which; None to guess.
    """
    if translation == segment.plain or not segment.plain.strip():
        return RestoredSegment(segment.text)
    source = lay_out(segment)
    unmarked = without_marks(translation)
    target, cut = cut_surplus(source, unmarked.strip())
    if not source.alone and not source.roots:
        return RestoredSegment(_with_outer_space(source.plain, target))
    found = find_literals(source, target)
    # What was taken out of the translation leaves its words with other numbers.
    renumbered = cut or unmarked != translation
    words = Correspondence(source, target, found, None if renumbered else alignment)
    placed = place_pairs(source.roots, words, 0, len(words.target))
    lost = [f"<{pair.number}>" for pair in all_of(placed) if pair.squeezed]
    lost += [spot.shown for spot in source.alone if spot.number not in found and spot.shown.strip()]
    text = with_space_of(segment, TargetWriter(target, source, words, found).write(placed))
    text = with_space_at_ends(segment, text)
    return RestoredSegment(_with_outer_space(segment.text, text), tuple(lost))


def fragments(segment: Segment) -> list[str]:
    """The words between the placeholders, to be translated piece by piece."""
    return [core for _, core, _ in _pieces(segment) if core]


def joined(segment: Segment, translations: Iterable[str]) -> str:
    """The translations of `fragments`, with all that stood between these."""
    remaining = iter(translations)
    return "".join(
        # Once more: a mark may begin in the one and end in the other.
        without_marks(f"{before}{without_marks(next(remaining)).strip()}{after}")
        if core
        else before
        for before, core, after in _pieces(segment)
    )


def _pieces(segment: Segment) -> Iterator[tuple[str, str, str]]:
    """A segment in pieces: what stands before a fragment, the fragment, what stands behind it.

    A fragment begins with a word. It ends with one too, but for the last, whose full stop tells a
    model that it is a sentence.
    """
    pieces = list(parts(segment.text))
    for number, part in enumerate(pieces, start=1):
        words = _FRAGMENT.match(part) if isinstance(part, str) else None
        if not words:
            yield str(part), "", ""
            continue
        before, core, after = words.groups()
        if number == len(pieces):
            core, after = core + after.rstrip(), after[len(after.rstrip()) :]
        yield before, core, after


def _with_outer_space(like: str, text: str) -> str:
    if not (body := like.strip()):
        return like
    start = like.index(body)
    return like[:start] + text.strip() + like[start + len(body) :]
