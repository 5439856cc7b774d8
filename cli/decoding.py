"""How to decode, as options of a command.

    @takes_decoding_options
    def translate(files: ..., decoding: DecodingOptions) -> None: ...

Their names, defaults and checks are those of `tformer.model.options.DecodingOptions`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Annotated, Any

from typer import Option

from tformer.model.options import DecodingOptions, LengthNormalisation


def _option(kind: Any, help: str, metavar: str | None = None, *names: str) -> Any:
    option = Option(*names, metavar=metavar, help=help, rich_help_panel="Decoding")
    return Annotated[kind, option]


_OPTIONS: dict[str, Any] = {
    "beam_size": _option(int, "Hypotheses kept at every step; 1 is greedy search.", "N"),
    "n_best": _option(int, "Hypotheses printed for each line, at most the beam size.", "N"),
    "length_penalty": _option(
        float, "Exponent of the length penalty; higher favours longer text.", "A"
    ),
    "length_normalisation": _option(
        LengthNormalisation, "Length penalty of the paper, or by the average of a token."
    ),
    "coverage_penalty": _option(
        float, "Weight of the penalty for source text that is not attended to; float32 only.", "B"
    ),
    "early_stopping": _option(bool, "Stop as soon as enough hypotheses have finished, or not."),
    "patience": _option(float, "Enough are so many times the beam size.", "P"),
    "max_length": _option(
        int | None, "Most tokens of a sentence; else source tokens x ratio + offset.", "N"
    ),
    "length_ratio": _option(float, "See --max-length.", "R"),
    "length_offset": _option(int, "See --max-length.", "N"),
    "min_length": _option(int, "Fewest tokens of a sentence.", "N"),
    "no_repeat_ngram_size": _option(int, "Say no N tokens in a row twice; 0 allows it.", "N"),
    "repetition_penalty": _option(
        float, "Make tokens less probable that have been said, above 1.", "X"
    ),
    "target_prefix": _option(
        str, "The translation of each line, of its first sentence, begins so.", "TEXT"
    ),
    "prefix_bias": _option(
        float, "Recommend --target-prefix so much, below 1, and do not force it.", "B"
    ),
    "required_terms": _option(
        list[str] | None,
        "The translation of each line says this; may be given again.",
        "TERM",
        "--require",
    ),
    "sampling": _option(bool, "Draw tokens at random instead of searching.", None, "--sampling"),
    "temperature": _option(float, "Of sampling: below 1 the probable become more so.", "T"),
    "top_k": _option(int, "Of sampling: among the N most probable tokens; 0 is all.", "N"),
    "top_p": _option(float, "Of sampling: among the fewest that have probability P.", "P"),
    "seed": _option(int, "Of sampling: the same seed gives the same text.", "N"),
    "guard": _option(
        bool, "Decode again what repeats itself, is far too long or short, or is a copy."
    ),
    "literals": _option(bool, "Keep numbers, addresses, placeholders, emoji and the like."),
}

# Typer has lists where the library has tuples, and None for an empty one.
_DEFAULTS = {field.name: field.default for field in fields(DecodingOptions)}
_DEFAULTS["required_terms"] = None


def takes_decoding_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for every way to decode; it gets all of them as ``decoding``."""
    signature = inspect.signature(command, eval_str=True)
    own = [p for name, p in signature.parameters.items() if name != "decoding"]
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[name], annotation=annotation
        )
        for name, annotation in _OPTIONS.items()
    ]

    @wraps(command)
    def run(**arguments: Any) -> Any:
        chosen = {name: arguments.pop(name) for name in _OPTIONS}
        chosen["required_terms"] = tuple(chosen["required_terms"] or ())
        return command(**arguments, decoding=DecodingOptions(**chosen))

    run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    return run
