"""A datastore that is being written, lot by lot; a run that was cut off goes on.

Files of numbers only grow. ``progress.json`` says how far they are sound, and is replaced after
every lot; what lies behind is cut off when a run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tformer.model.datastore.layout import ARRAYS, DESCRIPTION
from tformer.model.datastore.retrieval import index_sources
from tformer.model.datastore.states import QuantisedStates
from tformer.model.errors import OutputError
from tformer.model.files import replacing

PROGRESS = "progress.json"

GROWING = ("keys.bin", "scales.bin", "tokens.bin", "starts.bin", "lines.bin", "texts.tsv")
"""Files that grow with every pair; the sources' tokens besides, until the index is made of them."""

SOURCES = ("sources.part", "source-ends.part")


class StoredPair(NamedTuple):
    """A pair as it is stored."""

    source: Sequence[int]
    """Input of the encoder."""
    target: Sequence[int]
    """Tokens of the translation and its end, T of them."""
    states: QuantisedStates
    """Representations of the T tokens."""
    texts: tuple[str, str]


@dataclass(frozen=True)
class BuildProgress:
    """State of a build."""

    inputs: str
    """Fingerprint of the model and of the pairs."""
    pairs: int = 0
    sizes: tuple[tuple[str, int], ...] = ()
    """Bytes of every file that are sound."""


class DatastoreWriter:
    """Writes a datastore into a directory."""

    def __init__(self, directory: Path, inputs: str) -> None:
        """Begin, or go on if the same inputs were begun with.

        Raises:
            OutputError: the directory has other files, or cannot be written to.
        """
        self._directory = directory
        self.progress = BuildProgress(inputs)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._take_up(inputs)
        except OSError as error:
            raise OutputError(f"{directory}: cannot be written ({error})") from error

    def _take_up(self, inputs: str) -> None:
        """Read how far a build is, and cut off what lies behind."""
        files = {path.name for path in self._directory.iterdir()}
        ours = {*GROWING, *SOURCES, PROGRESS, DESCRIPTION, *(f"{name}.bin" for name in ARRAYS)}
        if files - ours:
            raise OutputError(f"{self._directory}: has other files: name an empty folder")
        try:
            record = json.loads((self._directory / PROGRESS).read_text("utf-8"))
            found = BuildProgress(
                record["inputs"], record["pairs"], tuple((n, s) for n, s in record["sizes"])
            )
        except (OSError, ValueError, KeyError, TypeError):
            found = None
        if found is None or found.inputs != inputs:
            for name in files:
                (self._directory / name).unlink()
            return
        for name, size in () if self.finished else found.sizes:
            with (self._directory / name).open("r+b") as stream:
                stream.truncate(size)
        self.progress = found

    @property
    def finished(self) -> bool:
        """True if these inputs have been built to the end."""
        return (self._directory / DESCRIPTION).exists()

    def append(self, pairs: Sequence[StoredPair]) -> None:
        """Add a lot of pairs.

        Raises:
            OutputError: the disk is full, or so.
        """
        names = (*GROWING, *SOURCES)
        try:
            streams = [(self._directory / name).open("ab") for name in names]
            try:
                _write(dict(zip(names, streams, strict=True)), pairs)
                sizes = tuple((name, s.tell()) for name, s in zip(names, streams, strict=True))
            finally:
                for stream in streams:
                    stream.close()
            done = self.progress.pairs + len(pairs)
            self.progress = BuildProgress(self.progress.inputs, done, sizes)
            with replacing(self._directory / PROGRESS) as file:
                file.write(json.dumps(asdict(self.progress)).encode())
        except OSError as error:
            raise OutputError(f"{self._directory}: cannot be written ({error})") from error

    def sources(self) -> Iterator[NDArray[np.int64]]:
        """Tokens of the sources."""
        ends = np.fromfile(self._directory / SOURCES[1], np.int64)
        tokens = np.fromfile(self._directory / SOURCES[0], np.int32).astype(np.int64)
        return iter(np.split(tokens, ends[:-1])) if len(ends) else iter(())

    def index(self) -> int:
        """Write the index of the sources; the token with which all begin, or -1."""
        sources = list(self.sources())
        postings = index_sources(sources)
        for name, array in postings._asdict().items():
            array.tofile(self._directory / f"index.{name}.bin")
        firsts = {int(source[0]) for source in sources}
        return firsts.pop() if len(firsts) == 1 else -1

    def close(self) -> None:
        """Remove what only a build needs."""
        for name in SOURCES:
            (self._directory / name).unlink(missing_ok=True)


def _write(streams: dict[str, BinaryIO], pairs: Sequence[StoredPair]) -> None:
    starts, lines = streams["starts.bin"], streams["lines.bin"]
    num_entries = streams["tokens.bin"].tell() // 4
    if not starts.tell():
        np.zeros(1, np.int64).tofile(starts)
        np.zeros(1, np.int64).tofile(lines)
    for pair in pairs:
        num_entries += len(pair.target)
        streams["keys.bin"].write(pair.states.keys.tobytes())
        streams["scales.bin"].write(pair.states.scales.astype(np.float32).tobytes())
        streams["tokens.bin"].write(np.array(pair.target, np.int32).tobytes())
        starts.write(np.array([num_entries], np.int64).tobytes())
        streams["texts.tsv"].write("\t".join(map(_one_line, pair.texts)).encode() + b"\n")
        lines.write(np.array([streams["texts.tsv"].tell()], np.int64).tobytes())
        streams["sources.part"].write(np.array(pair.source, np.int32).tobytes())
        ends = streams["source-ends.part"]
        ends.write(np.array([streams["sources.part"].tell() // 4], np.int64).tobytes())


def _one_line(text: str) -> str:
    return " ".join(text.split())
