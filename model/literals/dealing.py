"""Ways of the literals of a text through decoding, by their kinds and by where they stand. No torch
here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tformer.model.literals.finding import ACCENTED, Literal
from tformer.model.literals.kind import Role

_QUOTES = "\"'\u2018-\u201f\u00ab\u00bb\u2039\u203a"
_OPENING, _CLOSING = re.compile(rf"[{_QUOTES}]$"), re.compile(rf"[{_QUOTES}]")
_ANGLE_NAME = re.compile(r"<([A-Za-z][A-Za-z0-9_-]*)>")
_ELEMENTS = frozenset(
    """
    a abbr b bdi bdo big br button cite code data dd del details dfn div dl dt em font h1 h2 h3 h4
    h5 h6 hr i img input ins kbd label li link mark ol option p pre q rp rt ruby s samp script
    section select small span strike strong style sub summary sup svg table tbody td textarea tfoot
    th thead time tr tt u ul var video wbr x g bx ex bpt ept ph it mrk pc sc ec cp sm
    """.split()  # noqa: SIM905
)
"""Elements of HTML and XLIFF, which are markup."""
_FACES = frozenset({"emoji", "emoticon", "kaomoji"})


@dataclass
class Dealt:
    """Literals of a text by their ways; see `Role`."""

    carried: list[Literal] = field(default_factory=list)
    floating: list[Literal] = field(default_factory=list)
    checked: list[Literal] = field(default_factory=list)
    accented: list[Literal] = field(default_factory=list)
    """Names that are shown without accents."""


def deal(text: str, literals: Sequence[Literal], carry: Sequence[Literal], names: int) -> Dealt:
    """Choose the way of each literal.

    Args:
        text: that they are in.
        literals: in the order of the text.
        carry: to be carried, whatever their kind says.
        names: most that can be carried.
    """
    carry = (*carry, *_standing_as_words(text, literals))
    dealt = Dealt()
    for one in _attached(literals, carry):
        is_carried = one.role is Role.CARRIED or _is_among(one, carry)
        if is_carried and len(dealt.carried) < names:
            dealt.carried.append(one)
        elif one.role is Role.FLOATING:
            dealt.floating.append(one)
        elif one.kind is ACCENTED:
            dealt.accented.append(one)
        else:
            dealt.checked.append(one)
    return dealt


def _attached(literals: Sequence[Literal], carry: Sequence[Literal]) -> list[Literal]:
    """Literals of which those that touch a carried one have become part of it: `**{name}**`."""
    joined: list[Literal] = []
    for one in literals:
        last = joined[-1] if joined else None
        if last and last.end == one.start and _is_part(last, one, carry):
            kind = one.kind if last.role is Role.FLOATING else last.kind
            joined[-1] = replace(last, kind=kind, text=last.text + one.text)
        else:
            joined.append(one)
    return joined


def _is_part(one: Literal, other: Literal, carry: Sequence[Literal]) -> bool:
    """Return whether one of two is taken out, and the other one carried."""
    floats = [each.role is Role.FLOATING and not _is_among(each, carry) for each in (one, other)]
    carried = [each.role is Role.CARRIED or _is_among(each, carry) for each in (one, other)]
    return (floats[0] and carried[1]) or (carried[0] and floats[1])


def _is_among(one: Literal, carry: Sequence[Literal]) -> bool:
    if one.role is Role.FLOATING:
        return one in carry
    return any(each.start < one.end and one.start < each.end for each in carry)


def _standing_as_words(text: str, literals: Sequence[Literal]) -> list[Literal]:
    """Literals that take the place of words, though their kind does not: alone in quotation marks,
    or one of several emoji among words."""
    quoted = [
        one
        for one in literals
        if _OPENING.search(text, 0, one.start) and _CLOSING.match(text, one.end)
    ]
    quoted += [one for one in literals if _is_name(text, one)]
    faces = [one for one in literals if one.kind.name in _FACES]
    apart = any(text[one.end : other.start].strip() for one, other in pairwise(faces))
    return quoted + [one for one in faces if apart and _is_among_words(text, one)]


def _is_name(text: str, one: Literal) -> bool:
    """Return whether a tag is no markup but the name of something that is to be put in: <file>."""
    name = _ANGLE_NAME.fullmatch(one.text)
    if one.kind.name != "tag" or not name or name[1].lower() in _ELEMENTS:
        return False
    return f"</{name[1]}" not in text and _is_among_words(text, one)


def _is_among_words(text: str, one: Literal) -> bool:
    """Return whether a literal stands where a noun may: words before it and behind it."""
    before, behind = text[: one.start].rstrip(), text[one.end :].lstrip()
    if before[-1:] == ",":
        return behind[:1].isalnum()
    return before[-1:].isalnum() and behind[:1] not in ("", *".!?\u2026")
