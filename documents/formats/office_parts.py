"""Parts of Office packages, which have a type; their names are only a habit of programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tformer.documents.io import xml
from tformer.documents.left_parts import LeftText
from tformer.model.errors import InputError
from tformer.model.text.normalization import same_language

_TYPES = "[Content_Types].xml"
_ABOUT = re.compile(r".*package\.core-properties\+xml")
_ABOUT_ROOT = re.compile(rb"<(?:\w+:)?coreProperties[\s>]")

_FILES = re.compile(r".*\.(?:docx?|html?|mht|od[pst]|pptx?|rtf|txt|xlsx?)", re.IGNORECASE)
_CHART_LINKS = re.compile(r".*/charts/_rels/[^/]*\.rels")


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
        others = [name for name in parts if self._is_other(types.get(name.lower(), ""))]
        return sorted({*mains, *others}) if mains else []

    def _is_other(self, type: str) -> bool:
        return bool(self.others.fullmatch(type) or _ABOUT.fullmatch(type))


def _types(parts: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Names of parts in lower case, as they are compared, and their types; the last one counts."""
    try:
        tokens = xml.scan(parts.get(_TYPES, b"").decode("utf-8-sig"), _TYPES)
    except (InputError, UnicodeDecodeError):
        return
    for token in tokens:
        kind = token.attributes.get("ContentType", "")
        if token.name == "Default" and "Extension" in token.attributes:
            end = f".{token.attributes['Extension']}".lower()
            yield from ((name.lower(), kind) for name in parts if name.lower().endswith(end))
    for token in tokens:
        if token.name == "Override" and "PartName" in token.attributes:
            name = token.attributes["PartName"].removeprefix("/").lower()
            yield name, token.attributes.get("ContentType", "")


def is_about(data: bytes) -> bool:
    """Return whether a part is what a document says of itself: its title, its subject."""
    return bool(_ABOUT_ROOT.search(data[:2000]))


def files_within(parts: Iterable[tuple[str, bytes]]) -> list[LeftText]:
    """Documents within a document, which stay; the table behind a chart is none."""
    listed = list(parts)
    of_charts = b"".join(data for name, data in listed if _CHART_LINKS.fullmatch(name)).decode(
        "utf-8", "replace"
    )
    return [
        LeftText(name, "left as it was, since it is a file within the document")
        for name, _ in listed
        if _FILES.fullmatch(name) and name.rpartition("/")[2] not in of_charts
    ]


_REGIONS = {"de": "DE", "en": "US", "fr": "FR", "es": "ES", "it": "IT", "pt": "PT", "nl": "NL"}


def with_language(data: bytes, language: str, pattern: re.Pattern[bytes]) -> bytes:
    """A part with another language where it names one.

    Args:
        data: the part.
        language: of the translation.
        pattern: of what stands before the name of a language, and the name.
    """
    whole = f"{language}-{_REGIONS[language]}" if language in _REGIONS else language

    def named(match: re.Match[bytes]) -> bytes:
        same = same_language(match[2].decode("utf-8", "replace"), language)
        return match[0] if same else match[1] + whole.encode()

    return pattern.sub(named, data)
