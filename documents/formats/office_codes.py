"""Codes of Office for characters that XML or an attribute cannot say: `_x000B_`."""

from __future__ import annotations

import re

from tformer.documents.building import Builder
from tformer.documents.io import xml

_CHARACTER = re.compile(r"_x([0-9A-Fa-f]{4})_")
_CODE = re.compile(rf"{_CHARACTER.pattern}\n?")


def has_codes(text: str) -> bool:
    """Return whether a text has codes such as `_x000a_`."""
    return bool(_CHARACTER.search(text))


def plain_text(text: str) -> str:
    """A text with the characters for which codes such as `_x000a_` stand."""
    return _CHARACTER.sub(lambda match: chr(int(match[1], 16)), text)


def add_coded_text(builder: Builder, text: str) -> None:
    """Add a text in which control characters have codes; a break divides it."""
    position = 0
    for match in _CODE.finditer(text):
        builder.text(text[position : match.start()])
        shown = chr(int(match[1], 16))
        divides = shown < " "
        end = match.end() if divides else match.end(1) + 1
        builder.alone(
            xml.escape(text[match.start() : end]), "\n" if divides else shown, divides=divides
        )
        position = end
    builder.text(text[position:])
