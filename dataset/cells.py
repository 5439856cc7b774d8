"""Cells through a translator: a stream of texts without gaps between blocks.

A cell of several lines is translated line by line, as a text file is, and each line sentence by
sentence; so a cell of any length is. A line that was translated before, or is being translated, is
taken from a dictionary. Blank lines and nulls stay as they are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tformer.dataset.duplicates import PendingText, TextDictionary
from tformer.dataset.files.blocks import BlockTexts, CellTranslation
from tformer.dataset.spool import BlockCounts, BlockResults

if TYPE_CHECKING:
    from tformer.model.translation import Translation

MOST_PENDING = 1 << 14
"""Cells that wait for translations; where so many are read without a new text among as many as a
translator reads ahead, it is told that there will be no more, so that it answers."""

Translate = Callable[[Iterable[str]], "Iterator[Translation]"]
"""Texts to as many translations, in the same order; it may read ahead."""

_LINE = re.compile(r"\r\n|\n|\r")

Part = PendingText | str
"""A line, or what stands between lines."""


@dataclass
class _OpenBlock:
    """A block whose texts are in work."""

    texts: BlockTexts
    dictionary: TextDictionary
    cells: dict[str, list[Sequence[Part] | None]] = field(default_factory=dict)
    last: int = 0
    """Number of the last text that the translator was given for it."""
    num_filled: int = 0
    num_empty: int = 0
    num_repeated: int = 0
    num_words: int = 0

    @property
    def counts(self) -> BlockCounts:
        """Sums over the cells."""
        return BlockCounts(
            self.texts.num_rows,
            self.texts.skipped,
            self.num_filled,
            self.num_empty,
            self.num_repeated,
            self.num_words,
        )

    @property
    def num_cells(self) -> int:
        """Cells of all columns."""
        return self.num_filled + self.num_empty

    def entries(self) -> Iterator[PendingText]:
        """Yield the texts that are new, and put all cells together."""
        for path, texts in self.texts.cells.items():
            own = self.cells[path] = []
            for text in texts:
                if text is None or not text.strip():
                    self.num_empty += 1
                    own.append(None if text is None else [text])
                else:
                    own.append((yield from self._cell(text)))

    def _cell(self, text: str) -> Generator[PendingText, None, list[Part]]:
        parts: list[Part] = []
        is_new = False
        for part in _parts(text):
            if not part.strip():
                parts.append(part)
                continue
            entry = self.dictionary.find(part)
            if entry is None:
                entry = self.dictionary.add(part)
                is_new = True
                yield entry
            parts.append(entry)
        self.num_filled += 1
        self.num_repeated += not is_new
        self.num_words += len(text.split())
        return parts


@dataclass
class CellTranslator:
    """Translates blocks of plain text."""

    translate: Translate
    dictionary: TextDictionary = field(default_factory=TextDictionary)
    _asked: int = 0
    _answered: int = 0
    _is_over: bool = False

    def run(self, blocks: Iterable[BlockTexts]) -> Iterator[tuple[BlockTexts, BlockResults]]:
        """Yield the results of blocks, in their order; blocks are read ahead."""
        remaining = iter(blocks)
        opened: deque[_OpenBlock] = deque()
        self._is_over = False
        while not self._is_over:
            asked: deque[PendingText] = deque()
            for translation in self.translate(self._feed(remaining, opened, asked)):
                self.dictionary.finish(asked.popleft(), _result_of(translation))
                self._answered += 1
                yield from self._finished(opened)
            yield from self._finished(opened)

    def _feed(
        self, blocks: Iterator[BlockTexts], opened: deque[_OpenBlock], asked: deque[PendingText]
    ) -> Iterator[str]:
        """Yield texts that are new."""
        for texts in blocks:
            block = _OpenBlock(texts, self.dictionary)
            for entry in block.entries():
                asked.append(entry)
                self._asked += 1
                yield entry.text
            block.last = self._asked
            opened.append(block)
            if sum(each.num_cells for each in opened) > MOST_PENDING:
                return
        self._is_over = True

    def _finished(self, opened: deque[_OpenBlock]) -> Iterator[tuple[BlockTexts, BlockResults]]:
        while opened and opened[0].last <= self._answered:
            block = opened.popleft()
            cells = {path: list(map(_joined, own)) for path, own in block.cells.items()}
            yield block.texts, results_of(cells, block.counts)


def results_of(
    cells: Mapping[str, Sequence[CellTranslation | None]], counts: BlockCounts
) -> BlockResults:
    """Results with the number of warnings in them."""
    warnings = sum(len(one.warnings) for own in cells.values() for one in own if one)
    return BlockResults(cells, counts + BlockCounts(warnings=warnings))


def _parts(text: str) -> Iterator[str]:
    """Lines and their endings, nothing of which is empty."""
    position = 0
    for ending in _LINE.finditer(text):
        if ending.start() > position:
            yield text[position : ending.start()]
        yield ending[0]
        position = ending.end()
    if position < len(text):
        yield text[position:]


def _joined(parts: Sequence[Part] | None) -> CellTranslation | None:
    if parts is None:
        return None
    if len(parts) == 1 and isinstance(parts[0], PendingText):
        return parts[0].result
    lines = [part.result for part in parts if isinstance(part, PendingText) and part.result]
    text = "".join(
        part if isinstance(part, str) else (part.result.text if part.result else "")
        for part in parts
    )
    longest = max(lines, key=lambda line: len(line.text), default=None)
    return CellTranslation(
        text,
        sum(line.score for line in lines),
        longest.language if longest else "",
        tuple(dict.fromkeys(warning for line in lines for warning in line.warnings)),
    )


def _result_of(translation: Translation) -> CellTranslation:
    return CellTranslation(
        translation.text.replace("\n", " "),
        translation.hypotheses[0].score,
        translation.source_language,
        tuple(map(str, translation.warnings)),
    )
