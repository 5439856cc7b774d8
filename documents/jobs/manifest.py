"""Build manifest: inputs and settings of the outputs in a folder, to skip those up to date."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from tformer.documents.jobs.append_log import RecordFile
from tformer.model.errors import OutputError
from tformer.model.files import sha256_of

NAME = ".tformer-manifest"
"""File name of the manifest."""


class Standing(Enum):
    """State of an existing output."""

    MISSING = "missing"
    UP_TO_DATE = "up to date"
    """Made of the same input in the same way, and perhaps improved by a person since."""
    OUTDATED = "outdated"
    """Made here, of another input or in another way."""
    FOREIGN = "foreign"
    """Not made here, or changed since: it is not to be lost."""


@dataclass(frozen=True)
class Making:
    """Digests of the inputs and settings of an output."""

    input: str
    settings: str


@dataclass(frozen=True)
class _Made:
    """A record: what was put in the place of an output, and what was there before."""

    name: str
    input: str
    settings: str
    output: str
    before: str | None


class Manifest:
    """The file that keeps book of the outputs in a folder."""

    def __init__(self, folder: Path) -> None:
        """Read it, if it is there, and keep others from writing it.

        Raises:
            OutputError: another process writes it, or it cannot be opened.
        """
        self._folder = Path(os.path.realpath(folder))
        self._file = RecordFile(folder / NAME, of=folder)
        self._made: dict[str, _Made] = {}
        while (record := self._file.peek()) is not None:
            made = _Made(**record)
            self._made[made.name] = made
            self._file.keep()
        self._file.claim()

    def standing(self, output: Path, making: Making) -> Standing:
        """State of an output that is to be made.

        Raises:
            OutputError: what is there cannot be read.
        """
        if not output.exists():
            return Standing.MISSING
        made = self._made.get(self._name(output))
        if made is None:
            return Standing.FOREIGN
        now = digest_of_file(output)
        if (made.input, made.settings) == (making.input, making.settings) and now != made.before:
            return Standing.UP_TO_DATE
        return Standing.OUTDATED if now in (made.output, made.before) else Standing.FOREIGN

    def announce(self, output: Path, making: Making, digest: str) -> None:
        """Note what is about to be put in the place of an output.

        Before, not after: whoever is killed between the two finds it to be its own.

        Raises:
            OutputError: the manifest cannot be written.
        """
        before = digest_of_file(output) if output.exists() else None
        before = None if before == digest else before
        made = _Made(self._name(output), making.input, making.settings, digest, before)
        self._file.append(asdict(made))
        self._made[made.name] = made

    def close(self) -> None:
        """Close the file; one that says nothing is removed."""
        if self._made:
            self._file.close()
        else:
            self._file.remove()

    def _name(self, output: Path) -> str:
        return Path(os.path.realpath(output)).relative_to(self._folder).as_posix()


def digest_of_file(path: Path) -> str:
    """Hash the content of an output.

    Raises:
        OutputError: it cannot be read.
    """
    try:
        return sha256_of(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from error
