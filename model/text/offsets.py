"""Character offsets of tokens, words and the pieces of a vocabulary. No torch here.

A span is (start, end) in characters of a text, the end not included.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import accumulate
from unicodedata import is_normalized

from tformer.model.text.scripts import UNSPACED
from tformer.model.translation import Link, Span

_WORD = re.compile(r"\S+")

# In scripts without spaces every character is a token. CJK punctuation and space are in UNSPACED.
_TOKEN = re.compile(rf"(?=\w)[{UNSPACED}]|[^\W{UNSPACED}]+(?:['\u2019][^\W{UNSPACED}]+)*|[^\w\s]")

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE_MARK = "\u2581"


def words(text: str) -> list[Span]:
    """Spans between white space, as the Pharaoh format counts words."""
    return [match.span() for match in _WORD.finditer(text)]


def tokens(text: str) -> list[Span]:
    """Spans of alignable tokens: words without attached punctuation, and each such mark.

    Every character is a token in scripts that put no space between words.
    """
    return [match.span() for match in _TOKEN.finditer(text)]


def word_pairs(source: str, target: str, links: Iterable[Link]) -> list[tuple[int, int]]:
    """Pairs of word numbers (source, target), from 0, of links between tokens.

    A word is what white space separates, with its punctuation. A link between punctuation counts
    for words that are nothing else: the comma in "Haus," says nothing of the house.
    """
    source_words, target_words = words(source), words(target)
    pairs = set()
    for link in links:
        i, j = _holder(source_words, link.source), _holder(target_words, link.target)
        if i is None or j is None:
            continue
        if all(
            _has_letter(text, span) or not _has_letter(text, word)
            for text, span, word in (
                (source, link.source, source_words[i]),
                (target, link.target, target_words[j]),
            )
        ):
            pairs.add((i, j))
    return sorted(pairs)


def pharaoh(pairs: Iterable[tuple[int, int]]) -> str:
    """Pairs as a line: "0-0 1-2"."""
    return " ".join(f"{i}-{j}" for i, j in pairs)


def _holder(spans: Sequence[Span], inner: Span) -> int | None:
    """The number of the span that another begins in."""
    index = bisect_right(spans, inner[0], key=lambda span: span[0]) - 1
    return index if index >= 0 and inner[0] < spans[index][1] else None


def _has_letter(text: str, span: Span) -> bool:
    return any(character.isalnum() for character in text[slice(*span)])


# --- pieces --------------------------------------------------------------------------------------


def piece_spans(pieces: Sequence[str], text: str) -> list[Span]:
    """Spans of the pieces of a text.

    Text and pieces are compared letter by letter without white space, both in compatibility form:
    what a vocabulary normalises is found again, where it cannot be followed its neighbourhood.

    Args:
        pieces: as SentencePiece writes them; a byte is `<0xC3>`, a control symbol has no letters.
        text: what they are of, before it was normalised, or what they were decoded to.

    Returns:
        A span a piece, empty for one that is a space or no text. The bytes of a character have all
        its span.
    """
    return list(_piece_spans(tuple(pieces), text))


@lru_cache(64)
def _piece_spans(pieces: tuple[str, ...], text: str) -> Sequence[Span]:
    plain = [letters for letters in map(_plain_letters, pieces) if letters is not None]
    is_plain = len(plain) == len(pieces) and _is_simple(text)
    if is_plain and "".join(plain) == text.replace(" ", ""):
        return _simple_spans(list(map(len, plain)), text)
    letters, owners = _letters_of_pieces(pieces)
    places = _matched(letters, list(_letters_of_text(text)), len(text))
    spans: dict[int, Span] = {}
    for owner, (start, end) in zip(owners, places, strict=True):
        for piece in owner:
            before = spans.get(piece, (start, end))
            spans[piece] = (min(before[0], start), max(before[1], end))
    found: list[Span] = []
    for number in range(len(pieces)):
        at = found[-1][1] if found else 0
        found.append(spans.get(number, (at, at)))
    return found


def _letters_of_pieces(pieces: Sequence[str]) -> tuple[str, list[range]]:
    """Every letter, and of each the pieces that it is spelt by: several where these are bytes."""
    letters: list[str] = []
    owners: list[range] = []
    number = 0
    while number < len(pieces):
        following = number + 1
        if _BYTE.fullmatch(pieces[number]):
            while following < len(pieces) and _BYTE.fullmatch(pieces[following]):
                following += 1
            spelt = _spelt(pieces[number:following])
        else:
            plain = "" if _is_control(pieces[number]) else pieces[number].replace(_SPACE_MARK, " ")
            spelt = [(plain, range(1))]
        for text, places in spelt:
            owner = range(number + places.start, number + places.stop)
            found = _letters(text)
            letters += found
            owners += [owner] * len(found)
        number = following
    return "".join(letters), owners


def _spelt(pieces: Sequence[str]) -> list[tuple[str, range]]:
    """The characters that a run of bytes spells, each with the bytes it has."""
    text = bytes(int(piece[3:5], 16) for piece in pieces).decode("utf-8", "surrogateescape")
    lengths = [len(character.encode("utf-8", "surrogateescape")) for character in text]
    ends = accumulate(lengths)
    return [
        (
            "\ufffd" if 0xDC80 <= ord(character) <= 0xDCFF else character,
            range(end - length, end),
        )
        for character, length, end in zip(text, lengths, ends, strict=True)
    ]


def _is_control(piece: str) -> bool:
    return piece.startswith(("<", ">>")) and piece.endswith((">", "<<")) and len(piece) > 2


def _is_simple(text: str) -> bool:
    """Return whether every letter of a text is one character, as is true of most."""
    return text.isprintable() and max(text, default="") < "\u0300" and is_normalized("NFKC", text)


@lru_cache(16384)
def _plain_letters(piece: str) -> str | None:
    """The letters of a piece; None for a byte, which is none by itself."""
    if _BYTE.fullmatch(piece):
        return None
    return "" if _is_control(piece) else "".join(_letters(piece.replace(_SPACE_MARK, " ")))


def _simple_spans(lengths: Sequence[int], text: str) -> list[Span]:
    """Spans of pieces of so many letters each, in a text of one character a letter."""
    places = [at for at, character in enumerate(text) if character != " "]
    found: list[Span] = []
    first, end = 0, 0
    for length in lengths:
        start = places[first] if length else end
        first += length
        end = places[first - 1] + 1 if length else end
        found.append((start, end))
    return found


def _letters_of_text(text: str) -> Iterator[tuple[str, Span]]:
    start = 0
    while start < len(text):
        end = start + 1
        while end < len(text) and _continues(text[end]):
            end += 1
        for letter in _letters(text[start:end]):
            yield letter, (start, end)
        start = end


def _continues(character: str) -> bool:
    """Return whether it may be composed with the character before it: combining marks, Hangul
    vowels."""
    return bool(unicodedata.combining(character)) or "\u1160" <= character <= "\u11ff"


def _letters(text: str) -> tuple[str, ...]:
    """A text in compatibility form, without white space and control characters."""
    whole = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return tuple(
        character
        for character in unicodedata.normalize("NFKC", whole)
        if not character.isspace()
        and character != _SPACE_MARK
        and unicodedata.category(character) != "Cc"
    )


def _matched(letters: str, of_text: Sequence[tuple[str, Span]], length: int) -> list[Span]:
    """The place in a text of each letter of its pieces."""
    plain = "".join(letter for letter, _ in of_text)
    if letters == plain:
        return [span for _, span in of_text]
    places: list[Span] = []
    matcher = SequenceMatcher(None, letters, plain, autojunk=False)
    for kind, first, last, low, high in matcher.get_opcodes():
        if kind == "equal":
            places += [span for _, span in of_text[low:high]]
        elif last > first:
            start = of_text[low][1][0] if low < len(of_text) else length
            end = of_text[high - 1][1][1] if high > low else start
            places += [(start, end)] * (last - first)
    return places
