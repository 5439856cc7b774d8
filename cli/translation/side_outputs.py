"""Side files of `translate`: word alignments and token scores.

Each in a file of its own, a line for every line of output, so that what goes to stdout stays
translations and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tformer.cli import outputs
from tformer.cli.lines import Line
from tformer.cli.outputs import Writer
from tformer.model.errors import UsageError
from tformer.model.text.offsets import pharaoh, word_pairs

if TYPE_CHECKING:
    from tformer.model.translation import Hypothesis, Translation


@dataclass(frozen=True)
class Evidence:
    """Paths of the side files; None for those that were not asked for."""

    alignments: Path | None = None
    scores: Path | None = None

    def __bool__(self) -> bool:
        return self.alignments is not None or self.scores is not None

    def check(self, output: Path | None) -> None:
        """Refuse to write two things to one place.

        Raises:
            UsageError: two of the files are one.
        """
        paths = [path.resolve() for path in (output, self.alignments, self.scores) if path]
        if len(set(paths)) < len(paths):
            raise UsageError("--output, --alignments and --scores must be different files")

    @contextmanager
    def opened(self) -> Iterator[SideFiles]:
        """Files that appear whole or not at all, as the output does.

        Raises:
            OutputError: one cannot be written.
        """
        with ExitStack() as stack:
            columns = [
                (stack.enter_context(outputs.open_output(path)), text_of)
                for path, text_of in (
                    (self.alignments, alignment_line),
                    (self.scores, score_line),
                )
                if path
            ]
            yield SideFiles(columns)


@dataclass(frozen=True)
class SideFiles:
    """Files, and what goes into a line of each."""

    columns: Sequence[tuple[Writer, Callable[[str, Hypothesis], str]]]

    def write(self, line: Line, translation: Translation) -> None:
        """A line for each hypothesis."""
        for writer, text_of in self.columns:
            for hypothesis in translation.hypotheses:
                writer.write(f"{text_of(line.text, hypothesis)}\n")


def alignment_line(source: str, hypothesis: Hypothesis) -> str:
    """In the Pharaoh format: pairs of word numbers, source first, "0-0 1-2".

    Empty where nobody knows: of what a translation memory had, or an older server translated.
    """
    return pharaoh(word_pairs(source, hypothesis.text, hypothesis.alignment or ()))


def score_line(source: str, hypothesis: Hypothesis) -> str:
    """The score of the hypothesis, a tab, and the log-probabilities of its pieces, if known."""
    pieces = " ".join(f"{log_prob:.4f}" for _, log_prob in hypothesis.piece_scores or ())
    return f"{hypothesis.score:.4f}\t{pieces}"


def record_of(source: str, hypothesis: Hypothesis) -> dict[str, Any]:
    """A hypothesis in JSON, with what was asked for."""
    record: dict[str, Any] = {"text": hypothesis.text, "score": hypothesis.score}
    if hypothesis.alignment is not None:
        record["alignment"] = alignment_line(source, hypothesis)
    if hypothesis.piece_scores is not None:
        record["pieces"] = [
            {"text": hypothesis.text[start:end], "start": start, "end": end, "log_prob": log_prob}
            for (start, end), log_prob in hypothesis.piece_scores
        ]
    return record
