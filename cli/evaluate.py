"""`tformer evaluate`: how good, and how fast, a model translates a test set."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from tformer.cli import loading, options, outputs
from tformer.cli.decoding_options import Literals
from tformer.cli.pairs import read_pair
from tformer.cli.progress import progress_bar
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.vocabulary.language_choice import Direction, LanguageChoice

if TYPE_CHECKING:
    from tformer.model.evaluation.metrics import QualityScores
    from tformer.model.pipeline.translator import Translator


@dataclass(frozen=True)
class Evaluation:
    """Result of one evaluation."""

    scores: QualityScores
    lines: int
    target_tokens: int
    """Vocabulary pieces of all translations, the end of each sentence included."""
    seconds: float
    """Time of translation, without that of loading the model."""

    @property
    def tokens_per_second(self) -> float:
        """Target tokens a second."""
        return self.target_tokens / self.seconds


def evaluate(
    source_file: Annotated[Path, Argument(metavar="SOURCE_FILE", help="One sentence a line.")],
    reference_file: Annotated[
        Path, Argument(metavar="REFERENCE_FILE", help="Reference translation, line by line.")
    ],
    source: options.Source = None,
    target: options.Target = None,
    model: options.Model = options.DEFAULT_MODEL,
    limit: Annotated[
        int | None, Option(metavar="N", min=1, help="Evaluate the first N lines only.")
    ] = None,
    beam_size: options.BeamSize = DecodingOptions.beam_size,
    length_penalty: options.LengthPenalty = DecodingOptions.length_penalty,
    datastore: Annotated[
        str,
        Option(metavar="DIR", help="Datastore to translate with; `tformer memory build` makes it."),
    ] = "",
    literals: Literals = DecodingOptions.literals,
    device: options.DeviceOption = options.Device.AUTO,
    dtype: options.DtypeOption = options.Dtype.AUTO,
    threads: options.ThreadsOption = None,
    as_json: options.Json = False,
) -> None:
    """Translate SOURCE_FILE and compare the result with REFERENCE_FILE.

    Prints BLEU and chrF with their sacreBLEU signatures, and target tokens per second. At least one
    of --source and --target must be given.
    """
    decoding = DecodingOptions(
        beam_size=beam_size,
        length_penalty=length_penalty,
        datastore=datastore,
        literals=literals,
    )
    sources, references = read_pair(source_file, reference_file, limit)
    place = loading.ComputeSettings(device, dtype, threads)
    if datastore:
        translator = loading.load_with_datastore(model, place, datastore)
    else:
        translator = loading.load_translator(model, place)
    direction = _direction(
        LanguageChoice.among(
            translator.source_languages, translator.target_languages, source, target
        )
    )
    evaluation = _evaluate(translator, direction, decoding, sources, references)
    with outputs.open_output(None) as writer:
        writer.write(_as_json(evaluation) if as_json else _as_text(evaluation))


def _direction(choice: LanguageChoice) -> Direction:
    if choice.source is None and choice.target is None:
        raise UsageError("name the languages of the two files with --source and --target")
    if len(choice.possible_sources) != 1:
        raise UsageError(
            f"several source languages are possible ({', '.join(choice.possible_sources)}); "
            "name one with --source"
        )
    return choice.toward(choice.possible_sources[0])


def _evaluate(
    translator: Translator,
    direction: Direction,
    decoding: DecodingOptions,
    sources: Sequence[str],
    references: Sequence[str],
) -> Evaluation:
    from tformer.model.evaluation.metrics import score

    translations = []
    started = time.perf_counter()
    with progress_bar("evaluating", len(sources), data_on_stdout=False) as advance:
        for translation in translator.translate(
            sources, source=direction.source, target=direction.target, options=decoding
        ):
            translations.append(translation.text)
            advance(1)
    seconds = time.perf_counter() - started
    tokens = sum(len(translator.vocabulary.encode_target(text)) for text in translations)
    return Evaluation(score(translations, references), len(sources), tokens, seconds)


def _as_text(evaluation: Evaluation) -> str:
    metrics = (evaluation.scores.bleu, evaluation.scores.chrf)
    figures = [f"{metric.name:<5} {metric.score:5.1f}  {metric.signature}" for metric in metrics]
    speed = (
        f"{evaluation.lines} lines, {evaluation.target_tokens} target tokens in "
        f"{evaluation.seconds:.1f} s: {evaluation.tokens_per_second:.0f} tokens/s"
    )
    return "\n".join([*figures, speed, ""])


def _as_json(evaluation: Evaluation) -> str:
    record = {
        **asdict(evaluation.scores),
        "lines": evaluation.lines,
        "target_tokens": evaluation.target_tokens,
        "seconds": round(evaluation.seconds, 3),
        "target_tokens_per_second": round(evaluation.tokens_per_second, 1),
    }
    return json.dumps(record, ensure_ascii=False) + "\n"
