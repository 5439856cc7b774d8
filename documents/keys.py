"""Choice of the segments of string tables by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tformer.documents.segments import Segment


@dataclass(frozen=True)
class KeyChoice:
    """Patterns of keys, joined by dots: `menu.*`, `*.title`; `!menu.id` leaves out."""

    patterns: Sequence[str] = ()

    def takes(self, segment: Segment) -> bool:
        """Return whether a segment is to be translated: the last pattern that fits decides."""
        names = [_dotted(p.removeprefix("!")) for p in self.patterns]
        excludes = [p.startswith("!") for p in self.patterns]
        key = _dotted(segment.context or segment.id)
        # Where nothing is chosen, all is but what is left out.
        taken = all(excludes)
        for name, excluded in zip(names, excludes, strict=True):
            if fnmatchcase(key, name) or fnmatchcase(key, f"{name}.*"):
                taken = not excluded
        return taken


def _dotted(key: str) -> str:
    return key.strip("/").replace("~1", "\0").replace("/", ".").replace("\0", "/")
