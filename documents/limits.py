"""Lengths that a file allows its translations."""

from __future__ import annotations

from dataclasses import dataclass

_CHARACTERS = frozenset({"", "char", "chars", "xliff:codepoints"})
_BYTES = frozenset({"byte", "bytes", "xliff:utf8"})

_DIGITS = 10
"""Digits of a number that no text is as long as."""


@dataclass(frozen=True)
class TextLimit:
    """The length that a translation may have."""

    most: int
    unit: str = ""
    """Unit, as the file calls it; "" for characters."""

    def doubt(self, source: str, target: str) -> str | None:
        """Warning about a translation that is too long; None if it fits.

        Pixels and other units of a font cannot be counted: there the source is what fits.
        """
        if self.unit in _CHARACTERS | _BYTES:
            unit = "bytes" if self.unit in _BYTES else "characters"
            size = len(target.encode()) if self.unit in _BYTES else len(target)
            return f"has {size} {unit}, the file allows {self.most}" if size > self.most else None
        if len(target) <= len(source):
            return None
        return f"is longer than the source, the file allows {self.most} {self.unit}"


def limit_of(number: str | None, unit: str | None) -> TextLimit | None:
    """A limit as XLIFF writes it: a number, or the least and the most (`1,20`, `20`, `*`)."""
    most = (number or "").rpartition(",")[2].strip()
    is_number = most.isdecimal() and len(most) < _DIGITS
    return TextLimit(int(most), unit or "") if is_number and int(most) else None
