"""Decoding options as command-line options.

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

SEARCH, CONSTRAINTS, SAMPLING = "Search", "Constraints", "Sampling"
DATASTORE = "Datastore"
LENGTH, REPETITION = "Length limits", "Degenerate output"


def _option(panel: str, kind: Any, help: str, metavar: str | None = None, *names: str) -> Any:
    return Annotated[kind, Option(*names, metavar=metavar, help=help, rich_help_panel=panel)]


Literals = _option(CONSTRAINTS, bool, "Keep numbers, addresses, placeholders, emoji and the like.")

_OPTIONS: dict[str, Any] = {
    "beam_size": _option(SEARCH, int, "Beam size; 1 is greedy search.", "N"),
    "n_best": _option(
        SEARCH,
        int,
        "Hypotheses printed for each line, at most the beam size: its number, counted from 0, the "
        'hypothesis and its score, separated by " ||| ".',
        "N",
    ),
    "length_penalty": _option(
        SEARCH,
        float | None,
        "Exponent of the length penalty; higher favours longer text; else the model's own, or 0.6.",
        "A",
    ),
    "length_normalisation": _option(
        SEARCH, LengthNormalisation, "Length penalty of the paper, or by the average of a token."
    ),
    "coverage_penalty": _option(
        SEARCH, float, "Coverage penalty for source text without attention; float32 only.", "B"
    ),
    "early_stopping": _option(SEARCH, bool, "Stop as soon as enough hypotheses have finished."),
    "patience": _option(
        SEARCH,
        float,
        "Patience factor of beam search (Kasai et al., 2022): enough is so many "
        "times the beam size.",
        "P",
    ),
    "max_length": _option(
        LENGTH, int | None, "Most tokens of a sentence; else source tokens x ratio + offset.", "N"
    ),
    "length_ratio": _option(LENGTH, float, "Ratio, see --max-length.", "R"),
    "length_offset": _option(LENGTH, int, "Offset, see --max-length.", "N"),
    "min_length": _option(LENGTH, int, "Fewest tokens of a sentence.", "N"),
    "no_repeat_ngram_size": _option(
        REPETITION, int, "Never repeat an n-gram of N tokens; 0 allows it.", "N"
    ),
    "repetition_penalty": _option(
        REPETITION, float, "Repetition penalty; above 1 repeated tokens are less probable.", "X"
    ),
    "target_prefix": _option(
        CONSTRAINTS, str, "Target prefix: beginning of every line's translation.", "TEXT"
    ),
    "prefix_bias": _option(
        CONSTRAINTS, float, "Strength, below 1, of --target-prefix as a recommendation.", "B"
    ),
    "required_terms": _option(
        CONSTRAINTS,
        list[str] | None,
        "Term that every line's translation must contain; may be given again.",
        "TERM",
        "--require",
    ),
    "datastore": _option(
        DATASTORE,
        str,
        "Datastore that `tformer memory build` has made, whose tokens are mixed in at every step; "
        "with --server, its name there.",
        "DIR|NAME",
    ),
    "datastore_weight": _option(
        DATASTORE,
        float | None,
        "Weight of the datastore, below 1; without it, by the distance of the nearest entry.",
        "W",
    ),
    "sampling": _option(SAMPLING, bool, "Sample instead of searching.", None, "--sampling"),
    "temperature": _option(
        SAMPLING, float, "Sampling temperature; below 1 sharpens the distribution.", "T"
    ),
    "top_k": _option(SAMPLING, int, "Sample among the N most probable tokens; 0 is all.", "N"),
    "top_p": _option(
        SAMPLING, float, "Nucleus sampling: among the fewest tokens with probability P.", "P"
    ),
    "seed": _option(SAMPLING, int, "Random seed; the same seed gives the same text.", "N"),
    "literals": Literals,
    "guard": _option(
        REPETITION, bool, "Decode degenerate output again: loops, far too long or short, copies."
    ),
}

# Typer has lists where the library has tuples, and None for an empty one.
_DEFAULTS = {field.name: field.default for field in fields(DecodingOptions)}
_DEFAULTS["required_terms"] = None


def takes_decoding_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add all decoding options to a command; it gets them as ``decoding``."""
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
