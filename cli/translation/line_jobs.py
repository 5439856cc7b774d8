"""Lines through a translator: every line comes back, in order, and what is to be printed for it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import chain, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tformer.cli import console, lines, outputs
from tformer.cli.exits import ExitStatus
from tformer.cli.languages import direction_of
from tformer.cli.lines import Line
from tformer.cli.progress import progress_bar
from tformer.cli.translation.journaled import Journaled, journal_for
from tformer.cli.translation.report import FileOutcome, JobSummary, Report
from tformer.cli.translation.settings import Setup, digest_of_files
from tformer.cli.translation.side_outputs import Evidence, SideFiles, record_of
from tformer.cli.translation.stats import Remark, Tally
from tformer.documents.jobs.journal import Earlier, part_path
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.wrapper import AnyTranslator
from tformer.model.translation import WarningKind, kind_of
from tformer.model.vocabulary.language_choice import Direction, LanguageChoice

if TYPE_CHECKING:
    from tformer.model.translation import Translation

Format = Callable[[int, Line, "Translation"], str]

# How much of an input is looked at to tell its language.
SAMPLE_LETTERS = 1000
SAMPLE_LINES = 10_000

NO_EVIDENCE = Evidence()


def translate_lines(
    paths: Sequence[Path],
    setup: Setup,
    *,
    output: Path | None = None,
    evidence: Evidence = NO_EVIDENCE,
    as_json: bool = False,
    earlier: Earlier = Earlier.REFUSE,
    strict: bool = False,
    encoding: str | None = None,
) -> ExitStatus:
    """Translate the lines of all inputs, one after the other, into one output.

    Args:
        paths: files; "-" is stdin.
        setup: how to translate.
        output: where to write; None is stdout.
        evidence: what else to write.
        as_json: whether to print JSON.
        earlier: what to do with what a killed run has left.
        strict: whether warnings make for another status.
        encoding: of the inputs; None is UTF-8.

    Raises:
        TformerError: an input cannot be read, nothing can be translated, or nothing be written.
    """
    if lines.STDIN in paths and console.is_terminal(sys.stdin):
        console.note("reading from the terminal, line by line; Ctrl-D ends")
    tally, summary = Tally(), JobSummary()
    with ExitStack() as stack:
        journal = part = None
        if output is not None and can_go_on(paths, output):
            real = Path(os.path.realpath(output))
            identity = _identity(paths, setup, as_json, encoding)
            journal = stack.enter_context(journal_for(real, identity, earlier))
            part = part_path(real)
        writer = stack.enter_context(outputs.open_output(output, aside=part))
        recorder = stack.enter_context(evidence.opened())
        translator = Journaled(setup.translator, journal) if journal else setup.translator
        marks = setup.min_confidence is not None
        printed = line_format(as_json, setup.decoding.n_best, marks=marks)
        job = LineJob(translator, setup.choice, setup.decoding, printed, recorder, tally, encoding)
        if output is not None and len(paths) == 1 and not as_json and encoding is None:
            writer.write_bytes(lines.mark_of(paths[0]))
        _write_lines(job, paths, writer, data_on_stdout=output is None)
    name, kept = ", ".join(map(lines.name_of, paths)), journal.num_kept if journal else 0
    summary.add(Report(name, FileOutcome.TRANSLATED, output, tally, kept))
    summary.warnings += len(setup.terms.unused)
    status = summary.status(strict=strict, whole=False)
    summary.close(status, quiet=output is None or lines.STDIN in paths)
    return status


def _identity(
    paths: Sequence[Path], setup: Setup, as_json: bool, encoding: str | None
) -> dict[str, str]:
    """Digests of all that the output follows from."""
    return {
        "input": digest_of_files(paths),
        **setup.identity,
        "format": f"lines {as_json} {encoding or ''}".strip(),
    }


def _write_lines(
    job: LineJob, paths: Sequence[Path], writer: outputs.Writer, *, data_on_stdout: bool
) -> None:
    """Write what a job makes of its inputs, and say what there is to say of them."""
    size = lines.size_of(paths)
    with progress_bar("translating", size, data_on_stdout=data_on_stdout) as bar:
        for line, text in job.translate(paths):
            writer.write(text)
            bar(line.size)
    job.tally.warnings.report()
    job.report()


def can_go_on(paths: Sequence[Path], output: Path | None) -> bool:
    """Return whether a job could be gone on with if it were killed: not one from or to a pipe."""
    return (
        output is not None
        and outputs.is_replaceable(output)
        and all(path.is_file() for path in paths)
    )


@dataclass
class LineJob:
    """Inputs that are translated line by line; it counts their lines."""

    translator: AnyTranslator
    choice: LanguageChoice
    options: DecodingOptions
    format: Format
    recorder: SideFiles
    tally: Tally
    encoding: str | None = None
    _index: int = 0
    _damaged: dict[str, list[int]] = field(default_factory=dict)

    def translate(self, paths: Sequence[Path]) -> Iterator[tuple[Line, str]]:
        """Every line of every input with what is to be printed for it."""
        for position, path in enumerate(paths):
            translations = self._translate_input(path, last=position == len(paths) - 1)
            for number, (line, translation) in enumerate(translations, start=1):
                self._look_at(lines.name_of(path), number, line, translation)
                self.recorder.write(line, translation)
                yield line, self.format(self._index, line, translation)
                self._index += 1

    def report(self) -> None:
        """Say of lines what is too much to say for each."""
        for name, numbers in self._damaged.items():
            text = f"not UTF-8; {numbers[1]} such lines, what could not be read was taken as U+FFFD"
            self.tally.remark(Remark(str(numbers[0]), text))
            console.warning(f"{name}:{numbers[0]}: {text}")

    def _translate_input(self, path: Path, *, last: bool) -> Iterator[tuple[Line, Translation]]:
        direction = None
        for run in lines.read_runs(path, last=last, encoding=self.encoding):
            if direction is None:
                sample, run = _peek(run)
                direction = direction_of(self.choice, lines.name_of(path), sample)
            yield from self._translate_run(run, direction or self._any_direction())

    def _translate_run(
        self, run: Iterable[Line], direction: Direction
    ) -> Iterator[tuple[Line, Translation]]:
        originals, copies = tee(run)
        translations = self.translator.translate(
            (line.text for line in copies),
            source=None if self._looks_at_each else direction.source,
            target=direction.target,
            options=self.options,
        )
        return zip(originals, translations, strict=True)

    @property
    def _looks_at_each(self) -> bool:
        """True if the language of each line is looked at: of two, and nobody said which."""
        return self.choice.source is None and len(self.choice.languages) == 2

    def _any_direction(self) -> Direction:
        """For lines without a single letter."""
        return self.choice.toward(self.choice.possible_sources[0])

    def _look_at(self, name: str, number: int, line: Line, translation: Translation) -> None:
        self.tally.count(line.text)
        if line.damaged:
            first_and_count = self._damaged.setdefault(name, [number, 0])
            first_and_count[1] += 1
        for warning in translation.warnings:
            self.tally.warn(f"{name}:{number}", Remark(str(number), warning))


def _peek(run: Iterable[Line]) -> tuple[str, Iterable[Line]]:
    """The beginning of a run, enough to tell its language, and the whole run again."""
    rest = iter(run)
    taken: list[Line] = []
    letters = 0
    for line in rest:
        taken.append(line)
        letters += len(line.text.strip())
        if letters >= SAMPLE_LETTERS or len(taken) >= SAMPLE_LINES:
            break
    sample = "\n".join(line.text for line in taken)[: 10 * SAMPLE_LETTERS]
    return sample, chain(taken, rest)


# --- how a translation is printed ----------------------------------------------------------------


def line_format(as_json: bool, n_best: int, *, marks: bool = False) -> Format:
    """JSON, a list of hypotheses, or the translation alone.

    Args:
        as_json: whether JSON is printed.
        n_best: hypotheses of each line.
        marks: whether a confidence was asked for, so that JSON says if it was reached.
    """
    if as_json:
        return _marked_json_line if marks else _json_line
    return _n_best_lines if n_best > 1 else _text_line


def _text_line(index: int, line: Line, translation: Translation) -> str:
    return _one_line(translation.text) + line.ending


def _n_best_lines(index: int, line: Line, translation: Translation) -> str:
    return "".join(
        f"{index} ||| {_one_line(hypothesis.text)} ||| {hypothesis.score:.4f}\n"
        for hypothesis in translation.hypotheses
    )


def _json_line(index: int, line: Line, translation: Translation) -> str:
    return json.dumps(_json_record(line, translation), ensure_ascii=False) + "\n"


def _marked_json_line(index: int, line: Line, translation: Translation) -> str:
    doubtful = WarningKind.CONFIDENCE in map(kind_of, translation.warnings)
    record = _json_record(line, translation) | {"confident": not doubtful}
    return json.dumps(record, ensure_ascii=False) + "\n"


def _json_record(line: Line, translation: Translation) -> dict[str, Any]:
    record: dict[str, Any] = {
        "source": line.text,
        "target": translation.text,
        "source_language": translation.source_language,
        "target_language": translation.target_language,
        "hypotheses": [record_of(line.text, h) for h in translation.hypotheses],
        "warnings": list(translation.warnings),
        "warning_kinds": list(map(kind_of, translation.warnings)),
        "terms": list(map(asdict, translation.terms)),
        "matches": list(map(asdict, translation.matches)),
        "recalled": list(map(asdict, translation.recalled)),
    }
    if translation.confidence is not None:
        record["confidence"] = translation.confidence
    return record


def _one_line(text: str) -> str:
    """A model may spell any byte; a line break of its own making must not add a line."""
    return text.replace("\n", " ")
