"""Translated files that wait to be fetched: in memory, for a while, within a bound."""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from aiohttp import web

MOST_BYTES = 128 << 20
"""Bytes of all files; the oldest make room."""

KEPT = 1800.0
"""Seconds for which a file is kept."""

LONGEST_NAME = 100
"""Characters."""

_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class KeptFile:
    """A translated file."""

    name: str
    """Name fit for a header and a path; never a path itself."""
    data: bytes
    kept_since: float = field(default_factory=time.monotonic)


class KeptFiles:
    """Files by an id that nobody can guess."""

    def __init__(self, most_bytes: int = MOST_BYTES, seconds: float = KEPT) -> None:
        """None yet."""
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._files: OrderedDict[str, KeptFile] = OrderedDict()
        self._bytes = 0

    def keep(self, name: str, data: bytes) -> str:
        """Keep a file; its id."""
        id = secrets.token_urlsafe(24)
        self._files[id] = KeptFile(safe_name(name), data)
        self._bytes += len(data)
        self._expire()
        return id

    def find(self, id: str) -> KeptFile | None:
        """The file of an id, if it is still kept."""
        self._expire()
        return self._files.get(id)

    def take(self, id: str) -> KeptFile | None:
        """The file of an id, which is then forgotten."""
        self._expire()
        return self._drop(id) if id in self._files else None

    def _expire(self) -> None:
        now = time.monotonic()
        while self._files:
            oldest = next(iter(self._files))
            is_old = now - self._files[oldest].kept_since > self._seconds
            if not is_old and self._bytes <= self._most_bytes:
                return
            self._drop(oldest)

    def _drop(self, id: str) -> KeptFile:
        file = self._files.pop(id)
        self._bytes -= len(file.data)
        return file


def safe_name(name: str) -> str:
    """The last part of a name, of letters, digits, dots, hyphens and underscores."""
    last = re.split(r"[/\\]", name)[-1]
    return _UNSAFE.sub("_", last).strip("._")[-LONGEST_NAME:] or "file"


def file_answer(file: KeptFile) -> web.Response:
    """A file to be saved; browsers show none of it."""
    ascii_name = file.name.encode("ascii", "replace").decode().replace("?", "_")
    return web.Response(
        body=file.data,
        content_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{ascii_name}"'},
    )
