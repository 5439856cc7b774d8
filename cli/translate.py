"""`tformer translate`: lines of text in, as many lines of translation out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from tformer.cli import lines, loading, options, talk
from tformer.cli.decoding import takes_decoding_options
from tformer.cli.documents import Reading, document_format
from tformer.cli.evidence import Evidence, Recorder, record_of
from tformer.cli.languages import Choice, Direction, direction_of
from tformer.cli.lines import Line
from tformer.cli.progress import progress_bar
from tformer.cli.terms import GlossaryFiles, MemoryFiles, Terms
from tformer.documents.formats import FORMATS
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions

if TYPE_CHECKING:
    from tformer.model.translation import Translation

Format = Callable[[int, Line, "Translation"], str]

# How much of an input is looked at to tell its language.
SAMPLE_LETTERS = 1000
SAMPLE_LINES = 10_000

MOST_WARNINGS = 20


@takes_decoding_options
def translate(
    files: Annotated[
        list[Path] | None, Argument(metavar="FILES", help="Text; none or - is stdin.")
    ] = None,
    source: options.Source = None,
    target: options.Target = None,
    model: options.Model = options.DEFAULT_MODEL,
    output: Annotated[
        Path | None, Option("--output", "-o", metavar="PATH", help="Write here, not to stdout.")
    ] = None,
    device: options.DeviceOption = options.Device.AUTO,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    threads: options.ThreadsOption = None,
    glossary: GlossaryFiles = None,
    memory: MemoryFiles = None,
    alignments: Annotated[
        Path | None,
        Option(metavar="PATH", help="Write here, line by line, which word became which: 0-0 1-2."),
    ] = None,
    scores: Annotated[
        Path | None,
        Option(metavar="PATH", help="Write here, line by line, the score and that of each piece."),
    ] = None,
    server: options.Server = None,
    server_ca: options.ServerCa = None,
    as_json: options.Json = False,
    format: Annotated[
        str | None,
        Option(
            "--format",
            metavar="FORMAT",
            help=f"What FILE is, whatever its name says: {', '.join(FORMATS)}.",
        ),
    ] = None,
    *,
    decoding: DecodingOptions,
) -> None:
    """Translate text line by line: as many lines come out as go in, in the same order.

    A FILE that by its name is Markdown, HTML, subtitles, PO or the like is a document: it comes out
    with all of its markup, code, placeholders and white space, byte for byte but for the text.

    With no language given, that of each file is detected; with one, the model's other language
    completes it. What was detected is said on stderr.

    --n-best prints up to N lines for each line of input: its number, counted from 0, the
    hypothesis and its score, separated by " ||| ". --json prints one object for each line of input.

    --glossary has terms translated as you say and warns where that fails. --memory reuses the
    translation of a text that is in it; --json also shows near matches.

    --alignments and --scores write a line for each line that is printed: the pairs of word numbers
    of the Pharaoh format, source first, words being what white space separates; and the score, a
    tab, and log P of every piece and of the end of each sentence.
    """
    evidence = Evidence(alignments, scores)
    evidence.check(output)
    decoding = replace(decoding, alignments=alignments is not None, token_scores=scores is not None)
    paths = files or [lines.STDIN]
    lines.check_inputs(paths)
    remote = loading.Remote(server, server_ca) if server else None
    place = loading.Place(device, dtype, threads)
    terms = Terms.read(glossary, memory, remote=remote is not None)

    def open_translator() -> loading.AnyTranslator:
        warm = terms.glossary is None  # the daemon takes none
        opened = loading.open_translator(model, place, remote, decoding, warm=warm)
        return terms.equip(opened, near=as_json)

    if kind := document_format(paths, format):
        if decoding.n_best > 1 or as_json or evidence:
            raise UsageError(
                "--n-best, --json, --alignments and --scores are for lines: add --format text"
            )
        reading = Reading.of(paths[0], kind, output, target)
        with lines.open_output(output) as writer:
            translator = open_translator()
            choice = Choice.among(translator, source, target)
            writer.write_bytes(reading.translate(translator, choice, decoding))
        return
    if lines.STDIN in paths and talk.is_terminal(sys.stdin):
        talk.note("reading from the terminal, line by line; Ctrl-D ends")
    with lines.open_output(output) as writer, evidence.opened() as recorder:
        translator = open_translator()
        choice = Choice.among(translator, source, target)
        job = Job(translator, choice, decoding, _format(as_json, decoding.n_best), recorder)
        size = lines.size_of(paths)
        with progress_bar("translating", size, data_on_stdout=output is None) as advance:
            for line, text in job.translate(paths):
                writer.write(text)
                advance(line.size)
        job.report()


@dataclass
class Job:
    """One call of the command: it knows the inputs and counts their lines."""

    translator: loading.AnyTranslator
    choice: Choice
    options: DecodingOptions
    format: Format
    recorder: Recorder
    _index: int = 0
    _warnings: int = 0
    _damaged: dict[str, list[int]] = field(default_factory=dict)

    def translate(self, paths: list[Path]) -> Iterator[tuple[Line, str]]:
        """Every line of every input with what is to be printed for it."""
        for position, path in enumerate(paths):
            translations = self._translate_input(path, last=position == len(paths) - 1)
            for number, (line, translation) in enumerate(translations, start=1):
                self._look_at(lines.name_of(path), number, line, translation)
                self.recorder.write(line, translation)
                yield line, self.format(self._index, line, translation)
                self._index += 1

    def report(self) -> None:
        """Say what was too much to say line by line."""
        if self._warnings > MOST_WARNINGS:
            talk.warning(f"{self._warnings - MOST_WARNINGS} more warnings were not shown")
        for name, numbers in self._damaged.items():
            talk.warning(
                f"{name}:{numbers[0]}: not UTF-8; {numbers[1]} such lines, what could not be read "
                "was taken as U+FFFD"
            )

    def _translate_input(self, path: Path, *, last: bool) -> Iterator[tuple[Line, Translation]]:
        direction = None
        for run in lines.read_runs(path, last=last):
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
            source=direction.source,
            target=direction.target,
            options=self.options,
        )
        return zip(originals, translations, strict=True)

    def _any_direction(self) -> Direction:
        """For lines without a single letter."""
        return self.choice.toward(self.choice.possible_sources[0])

    def _look_at(self, name: str, number: int, line: Line, translation: Translation) -> None:
        if line.damaged:
            first_and_count = self._damaged.setdefault(name, [number, 0])
            first_and_count[1] += 1
        for warning in translation.warnings:
            self._warnings += 1
            if self._warnings <= MOST_WARNINGS:
                talk.warning(f"{name}:{number}: {warning}")


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


def _format(as_json: bool, n_best: int) -> Format:
    if as_json:
        return _json_line
    return _n_best_lines if n_best > 1 else _text_line


def _text_line(index: int, line: Line, translation: Translation) -> str:
    return _one_line(translation.text) + line.ending


def _n_best_lines(index: int, line: Line, translation: Translation) -> str:
    return "".join(
        f"{index} ||| {_one_line(hypothesis.text)} ||| {hypothesis.score:.4f}\n"
        for hypothesis in translation.hypotheses
    )


def _json_line(index: int, line: Line, translation: Translation) -> str:
    record = {
        "source": line.text,
        "target": translation.text,
        "source_language": translation.source_language,
        "target_language": translation.target_language,
        "hypotheses": [record_of(line.text, h) for h in translation.hypotheses],
        "warnings": list(translation.warnings),
        "terms": list(map(asdict, translation.terms)),
        "matches": list(map(asdict, translation.matches)),
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def _one_line(text: str) -> str:
    """A model may spell any byte; a line break of its own making must not add a line."""
    return text.replace("\n", " ")
