"""Lengths that XLIFF allows targets: `maxwidth` of XLIFF 1, `slr:sizeRestriction` of XLIFF 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.limits import TextLimit, limit_of


def limits_of(tokens: Sequence[Token]) -> dict[int, TextLimit]:
    """The limits of elements, their own or that of one around them, by their positions."""
    found: dict[int, TextLimit] = {}
    opened: list[TextLimit | None] = [None]
    profile = next((said for t in tokens if (said := _local(t, "generalProfile"))), None)
    for position, token in enumerate(tokens):
        if token.kind is TokenKind.OPEN:
            opened.append(_own(token, profile) or opened[-1])
            if limit := opened[-1]:
                found[position] = limit
        elif token.kind is TokenKind.CLOSE:
            opened.pop()
    return found


def _own(token: Token, profile: str | None) -> TextLimit | None:
    attributes: Mapping[str, str] = token.attributes
    restriction = _local(token, "sizeRestriction")
    if restriction is not None:
        return limit_of(restriction, profile)
    # Many tools count characters and leave the unit out, which says pixels.
    return limit_of(attributes.get("maxwidth"), attributes.get("size-unit"))


def _local(token: Token, name: str) -> str | None:
    """An attribute, whatever its prefix."""
    for key, value in token.attributes.items():
        if key.rpartition(":")[2] == name:
            return value
    return None
