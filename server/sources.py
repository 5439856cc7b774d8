"""Models, datastores and glossaries to serve, as an administrator names them.

Nothing is loaded here: these are names and paths, and settings for running the models.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tformer.documents.terminology.glossaries import is_file_name
from tformer.model.checkpoint.layout import find_model
from tformer.model.errors import UsageError
from tformer.model.options import MAX_BEAM_SIZE, DecodingOptions
from tformer.server.limits import DAY, check_range

_GLOSSARY_NAME = re.compile(r"[\w-][\w.-]*")


@dataclass(frozen=True)
class ModelSource:
    """A model to serve."""

    name: str
    """Name for clients."""
    directory: Path

    @classmethod
    def parse(cls, text: str) -> ModelSource:
        """Read NAME, DIR or NAME=DIR; a directory alone is named by its last part.

        A folder that is there has precedence: names and folders may have ``=`` too.

        Raises:
            ModelError: there is no such model.
            UsageError: its name is empty, or has control characters.
        """
        name, equals, directory = _split_name(text)
        path = find_model(directory).resolve()
        name = name if equals else path.name
        if not name or not name.isprintable():
            raise UsageError(f"a model cannot be called {name!r}: use printable characters")
        return cls(name, path)


def _split_name(text: str) -> tuple[str, str, str]:
    """Name, "=" and directory: at the first "=" that a folder follows, else at the last."""
    if os.path.isdir(text):
        return "", "", text
    places = (place for place, letter in enumerate(text) if letter == "=")
    found = [place for place in places if os.path.isdir(text[place + 1 :])]
    if found:
        return text[: found[0]], "=", text[found[0] + 1 :]
    return text.rpartition("=")


@dataclass(frozen=True)
class DatastoreSource:
    """A datastore to serve."""

    name: str
    """Name for clients."""
    directory: Path

    @classmethod
    def parse(cls, text: str) -> DatastoreSource:
        """Read NAME=DIR.

        Raises:
            UsageError: it has no name.
        """
        name, equals, directory = text.partition("=")
        if not equals or not name or not directory:
            raise UsageError(f"a datastore is named NAME=DIR, not {text!r}")
        return cls(name, Path(directory))


@dataclass(frozen=True)
class GlossarySource:
    """A file of terms to serve; those of one name are one glossary."""

    name: str
    """Name for clients."""
    file: Path

    @classmethod
    def parse(cls, text: str) -> GlossarySource:
        """Read NAME=FILE.

        Raises:
            UsageError: it has no name, or one that could be mistaken for a file.
        """
        name, equals, file = text.partition("=")
        if not equals or not file:
            raise UsageError(f"a glossary is named NAME=FILE, not {text!r}")
        if not _GLOSSARY_NAME.fullmatch(name) or is_file_name(name):
            raise UsageError(
                f"a glossary cannot be called {name!r}: use letters, digits, '-', '_' and '.', and "
                "no ending of a file"
            )
        return cls(name, Path(file))


@dataclass(frozen=True)
class Settings:
    """Settings for loading and running every model."""

    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    beam_size: int = DecodingOptions.beam_size
    max_wait: float = 30.0
    datastores: tuple[DatastoreSource, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: a number is out of its range.
        """
        check_range("max_wait", self.max_wait, 0.001, DAY)
        check_range("beam_size", self.beam_size, 1, MAX_BEAM_SIZE)
        if self.threads is not None:
            check_range("threads", self.threads, 1, max(64, 2 * (os.cpu_count() or 1)))


@dataclass(frozen=True)
class Reloaded:
    """Result of reloading one model or glossary."""

    name: str
    replaced: bool = False
    error: Exception | None = None
    """Reason why the old one stays although the files have changed."""
