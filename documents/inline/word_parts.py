"""Markup on a part of a word: a first letter, an ending, the letter of a key.

In a translation it goes to a part of the word again, where that can be told: to its beginning or
its end if the part is no more than half of its word, or to the same letters. The whole word is
marked up otherwise.
"""

from __future__ import annotations


def part_of_word(source: str, start: int, end: int, target: str) -> tuple[int, int] | None:
    """The part of a translated word that markup is around.

    Args:
        source: the text that was translated.
        start: of the markup in it.
        end: of the markup in it.
        target: what the word became.

    Returns:
        Its beginning and end in the target; None for all of it.
    """
    content = source[start:end]
    before, after = _letters_before(source, start), _letters_after(source, end)
    if not content.isalnum() or not target or not (before or after):
        return None
    size, rest = len(content), before + after
    if before and after:
        at = target.casefold().find(content.casefold())
        if at >= 0 and size <= rest:
            return at, at + size
        return (0, 1) if size == 1 and target[0].isalnum() else None
    if size > rest or len(target) <= size:
        return None
    found = (len(target) - size, len(target)) if before else (0, size)
    return found if target[slice(*found)].isalnum() else None


def _letters_before(text: str, position: int) -> int:
    start = position
    while start and text[start - 1].isalnum():
        start -= 1
    return position - start


def _letters_after(text: str, position: int) -> int:
    end = position
    while end < len(text) and text[end].isalnum():
        end += 1
    return end - position
