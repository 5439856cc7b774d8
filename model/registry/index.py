"""Index of downloadable models: a file of JSON, here or on a server (``TFORMER_INDEX``).

    {"format": 1, "models": [{"name": "en-pt", "source": ["en"], "target": ["pt"],
      "licence": "MPL-2.0", "description": "...",
      "files": [{"path": "vocab.spm", "url": "en-pt/vocab.spm", "size": 1, "sha256": "..."}]}]}

URLs may be relative to that of the index. An index of Argos Translate (a list of packages with
``links``) is read, too; it has no checksums.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from tformer.model.errors import ModelError
from tformer.model.registry.download import RemoteFile, read_url

VARIABLE = "TFORMER_INDEX"
_LARGEST = 16 << 20
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")


@dataclass(frozen=True)
class IndexEntry:
    """A model that can be had."""

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    files: Mapping[str, RemoteFile]
    """By the name that each must have."""
    licence: str | None = None
    description: str = ""

    @property
    def size(self) -> int | None:
        """Bytes of all files."""
        sizes = [file.size for file in self.files.values()]
        return None if None in sizes else sum(size or 0 for size in sizes)


def index_place() -> str | None:
    """The URL or path that the environment names."""
    return os.environ.get(VARIABLE) or None


def read_index(place: str) -> tuple[IndexEntry, ...]:
    """The models of an index.

    Raises:
        ModelError: when it cannot be had or is none.
    """
    try:
        remote = place.startswith(("http://", "https://"))
        data = read_url(place, _LARGEST) if remote else Path(place).read_bytes()
        table = json.loads(data)
        if isinstance(table, list):
            return tuple(_argos(entry) for entry in table if entry.get("type") == "translate")
        if table["format"] != 1:
            raise ModelError(f"{place}: format {table['format']!r} is unknown")
        base = place if remote else Path(place).resolve().as_uri()
        return tuple(_entry(entry, base) for entry in table["models"])
    except OSError as error:
        raise ModelError(f"{place}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{place}: not an index of models ({error!r})") from error


def find_entry(wanted: str, entries: Sequence[IndexEntry]) -> IndexEntry:
    """The model of a name, or the first of a pair of languages such as en-fr.

    Raises:
        ModelError: when there is none.
    """
    source, _, target = wanted.partition("-")
    for entry in entries:
        if entry.name == wanted:
            return entry
    for entry in entries:
        if source in entry.sources and target in entry.targets:
            return entry
    raise ModelError(f"{wanted}: no such model in the index; `tformer models list` shows them")


def _entry(table: Mapping[str, Any], base: str) -> IndexEntry:
    files = {
        _safe(file["path"]): RemoteFile(
            urljoin(base, str(file["url"])), int(file["size"]), str(file["sha256"])
        )
        for file in table["files"]
    }
    return IndexEntry(
        _safe(table["name"]),
        tuple(map(str, table["source"])),
        tuple(map(str, table["target"])),
        files,
        table.get("licence"),
        str(table.get("description", "")),
    )


def _argos(table: Mapping[str, Any]) -> IndexEntry:
    source, target = str(table["from_code"]), str(table["to_code"])
    name = _safe(f"{source}-{target}")
    file = RemoteFile(next(link for link in table["links"] if str(link).startswith("http")))
    description = f"Argos Translate {table.get('package_version', '')}".strip()
    return IndexEntry(name, (source,), (target,), {f"{name}.argosmodel": file}, None, description)


def _safe(name: Any) -> str:
    """A name without ways to other folders."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a file")
    return name
