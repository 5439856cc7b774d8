"""Journal of a model's answers, with which a killed job goes on where it was.

All that happens to a document besides the model's answers follows from the document. So the journal
holds these answers, in order, each with a digest of the text that was asked; whoever goes on asks
for the same texts again and gets the answers that are there without the model. The first record
says what the answers belong to: digests of the input, the model and every option.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from tformer.documents.jobs.append_log import RecordFile
from tformer.model.errors import TformerError, UsageError

FORMAT = 1
"""Version of the format; a journal of another is not gone on with."""

_LONGEST_NAME = 255
"""Bytes of a file's name."""


class Earlier(Enum):
    """Treatment of the journal of an earlier run."""

    REFUSE = "refuse"
    """Do nothing: somebody may want to go on with it."""
    RESUME = "resume"
    """Go on, if it belongs to what is to be done now."""
    DISCARD = "discard"
    """Begin anew."""


class Journal:
    """The answers for one output."""

    def __init__(self, output: Path, identity: Mapping[str, str], earlier: Earlier) -> None:
        """Open the journal beside an output, or prepare to write one.

        Args:
            output: the file that the answers are for.
            identity: what they belong to, by name.
            earlier: what to do with one that is there.

        Raises:
            UsageError: there is one, and it is not to be gone on with.
            OutputError: it cannot be opened, or another process writes it.
        """
        self.is_stale = False
        """True if there was one of another input, with which nobody can go on."""
        self.num_kept = 0
        """Answers of the earlier run that were used."""
        self.num_asked = 0
        """Answers that were added to them."""
        self._file = RecordFile(journal_path(output), of=output)
        try:
            self._begin(output, {"format": str(FORMAT), **identity}, earlier)
        except TformerError:
            self._file.close()
            raise

    def take(self, text: str) -> Any | None:
        """The earlier answer to the next text, or None from where the model must be asked."""
        record = self._file.peek()
        if record is None or record[0] != _digest(text):
            return None
        self._file.keep()
        self.num_kept += 1
        return record[1]

    def append(self, text: str, answer: Any) -> None:
        """Keep the model's answer to the next text; it must be fit for JSON.

        Raises:
            OutputError: it cannot be written.
        """
        self._file.append((_digest(text), answer))
        self.num_asked += 1

    def close(self) -> int:
        """Leave the journal for another run; how many answers it has."""
        num_answers = self.num_kept + self.num_asked
        if num_answers or self._file.peek() is not None:
            self._file.close()
        else:
            self._file.remove()
        return num_answers

    def remove(self) -> None:
        """The output is there: nobody needs the journal any more."""
        self._file.remove()

    def _begin(self, output: Path, header: dict[str, str], earlier: Earlier) -> None:
        found = self._file.peek()
        if found is not None and earlier is Earlier.RESUME:
            differences = _differences(found, header)
            if not differences:
                self._file.keep()
                return
            self.is_stale = "input" in differences
            if not self.is_stale and _has_answers(self._file):
                raise _another(output, differences)
        elif earlier is Earlier.REFUSE and _has_answers(self._file):
            raise _unfinished(output)
        self._file.rewind()
        self._file.append(header)


def refuse_unfinished(output: Path) -> None:
    """Find a journal that `Earlier.REFUSE` would refuse before other outputs are made.

    Raises:
        UsageError: there is one.
        OutputError: another process writes it.
    """
    file = RecordFile(journal_path(output), of=output)
    try:
        if _has_answers(file):
            raise _unfinished(output)
    finally:
        file.close()


def _has_answers(file: RecordFile) -> bool:
    if file.peek() is None:
        return False
    file.keep()
    return file.peek() is not None


def _unfinished(output: Path) -> UsageError:
    return UsageError(
        f"{output}: an earlier run did not come to its end: go on with --resume, or begin anew "
        "with --force"
    )


def _another(output: Path, differences: Sequence[str]) -> UsageError:
    return UsageError(
        f"{output}: the run that did not come to its end had another {', '.join(differences)}: go "
        "on with --resume and what it was called with, or begin anew with --force"
    )


def journal_path(output: Path) -> Path:
    """Path of an output's journal: beside it, hidden."""
    return _beside(output, "journal")


def part_path(output: Path) -> Path:
    """Path of an output that is not whole yet, for whoever has its journal open."""
    return _beside(output, "part")


def _beside(output: Path, what: str) -> Path:
    name = f".{output.name}.tformer-{what}"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f".{_digest(output.name)}.tformer-{what}"
    return output.with_name(name)


def _digest(text: str) -> str:
    """Enough to tell a text from any other of a document."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _differences(header: Any, wanted: Mapping[str, str]) -> tuple[str, ...]:
    if not isinstance(header, dict):
        return ("format",)
    return tuple(name for name in wanted if header.get(name) != wanted[name])
