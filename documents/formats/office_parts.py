"""Parts of Office packages, which have a type; their names are only a habit of programs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tformer.documents.io import xml
from tformer.model.errors import InputError

_TYPES = "[Content_Types].xml"


@dataclass(frozen=True)
class OfficeParts:
    """Parts of a kind of package that hold text."""

    main: re.Pattern[str]
    """Types of the parts of which one must be there."""
    others: re.Pattern[str]
    """Types of further parts with text."""
    names: re.Pattern[str]
    """Usual names of all of them, for a package without types."""

    def of(self, parts: Mapping[str, bytes]) -> list[str]:
        """The parts with text, by name; none if the main one is missing."""
        types = dict(_types(parts))
        if not types:
            return sorted(name for name in parts if self.names.fullmatch(name))
        mains = [name for name in parts if self.main.fullmatch(types.get(name.lower(), ""))]
        others = [name for name in parts if self.others.fullmatch(types.get(name.lower(), ""))]
        return sorted({*mains, *others}) if mains else []


def _types(parts: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Names of parts in lower case, as they are compared, and their types."""
    try:
        tokens = xml.scan(parts.get(_TYPES, b"").decode("utf-8-sig"), _TYPES)
    except (InputError, UnicodeDecodeError):
        return
    for token in tokens:
        if token.name == "Override" and "PartName" in token.attributes:
            name = token.attributes["PartName"].removeprefix("/").lower()
            yield name, token.attributes.get("ContentType", "")
