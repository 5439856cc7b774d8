"""Every option of decoding can be given to the command line, and reaches the translator."""

from __future__ import annotations

from dataclasses import fields

import pytest
from fake_translator import Tformer
from typer.testing import CliRunner

from tformer.cli import decoding_options, loading
from tformer.cli.app import app
from tformer.model.options import DecodingOptions
from tformer.model.translation import Translation

ELSEWHERE = {"datastore_pairs", "alignments", "token_scores"}
"""What is told of a translation, and asked for by other options."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[DecodingOptions]:
    """The options with which the translator was called."""
    found: list[DecodingOptions] = []

    class Recorder:
        languages = source_languages = target_languages = ("en", "de")

        def translate(self, texts, *, source, target, options):  # type: ignore[no-untyped-def]
            found.append(options)
            return (Translation(text, source, target, ()) for text in texts)

    monkeypatch.setattr(loading, "open_translator", lambda *_, **__: Recorder())
    return found


def test_every_option_is_there() -> None:
    names = {field.name for field in fields(DecodingOptions)}
    assert names - ELSEWHERE == decoding_options._OPTIONS.keys()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], {}, id="defaults"),
        pytest.param(["--no-guard"], {"guard": False}, id="no-guard"),
        pytest.param(["--no-early-stopping", "--patience", "2"],
                     {"early_stopping": False, "patience": 2.0}, id="stopping"),
        pytest.param(["--length-normalisation", "average"], {"length_normalisation": "average"},
                     id="choice"),
        pytest.param(["--max-length", "9", "--min-length", "2"],
                     {"max_length": 9, "min_length": 2}, id="limits"),
        pytest.param(["--length-ratio", "1.5", "--length-offset", "4"],
                     {"length_ratio": 1.5, "length_offset": 4}, id="ratio"),
        pytest.param(["--sampling", "--temperature", "0.7", "--top-k", "9", "--top-p", "0.9",
                      "--seed", "5"],
                     {"sampling": True, "temperature": 0.7, "top_k": 9, "top_p": 0.9, "seed": 5},
                     id="sampling"),
        pytest.param(["--target-prefix", "Ein Hund", "--prefix-bias", "0.5", "--require", "Strand",
                      "--require", "am Meer"],
                     {"target_prefix": "Ein Hund", "prefix_bias": 0.5,
                      "required_terms": ("Strand", "am Meer")}, id="demands"),
        pytest.param(["--coverage-penalty", "0.2", "--no-repeat-ngram-size", "3",
                      "--repetition-penalty", "1.2"],
                     {"coverage_penalty": 0.2, "no_repeat_ngram_size": 3,
                      "repetition_penalty": 1.2}, id="penalties"),
    ],
)  # fmt: skip
def test_options_reach_the_translator(
    arguments: list[str], expected: dict[str, object], asked: list[DecodingOptions]
) -> None:
    call = ["translate", "-s", "en", "-t", "de", *arguments]
    result = CliRunner().invoke(app, call, input="A dog.\n", catch_exceptions=False)
    assert result.output.endswith("A dog.\n")
    assert asked == [DecodingOptions(**expected)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--patience", "0"], "patience must be a number above 0", id="range"),
        pytest.param(["--require", " "], "required_terms must not be empty", id="blank"),
        pytest.param(
            ["--require", "a", "--memory", "tm.tmx"], "--memory reuses translations", id="memory"
        ),
        pytest.param(
            ["--target-prefix", "a", "--format", "markdown"], "are for lines", id="document"
        ),
        pytest.param(["--require", "a", "-o", "folder/"], "for the lines of one", id="folder"),
        pytest.param(["--top-k", "3"], "top_k does nothing without sampling", id="alone"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_loaded(
    tformer: Tformer, arguments: list[str], message: str
) -> None:
    result = tformer("translate", "-t", "de", *arguments, stdin=b"a\n")
    assert result.status == 2
    assert message in result.err
    assert result.out == ""
