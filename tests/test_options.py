"""Options are checked where they are made, and say which of them is wrong."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.search.hypotheses import exponent_and_offset


def test_defaults_are_those_of_the_paper() -> None:
    options = DecodingOptions()
    assert (options.beam_size, exponent_and_offset(options), options.n_best) == (4, (0.6, 5), 1)
    assert options.target_limit(20) == 70


@pytest.mark.parametrize("name", ["length_penalty", "datastore_weight", "patience"])
def test_a_whole_number_is_as_good_as_another(name: str) -> None:
    value = 0 if name == "datastore_weight" else 2
    assert getattr(DecodingOptions(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"beam_size": 0}, "beam_size must be between 1 and 64, not 0", id="no-beam"),
        pytest.param({"beam_size": 65}, "beam_size must be between", id="beam-too-wide"),
        pytest.param({"beam_size": True}, "beam_size must be of type int", id="bool-is-no-number"),
        pytest.param({"beam_size": 2.0}, "beam_size must be of type int", id="float-is-no-count"),
        pytest.param(
            {"length_penalty": -1}, "length_penalty must be between 0 and 10", id="negative"
        ),
        pytest.param({"length_penalty": float("nan")}, "length_penalty must be", id="nan"),
        pytest.param({"length_penalty": float("inf")}, "length_penalty must be", id="infinite"),
        pytest.param({"length_penalty": "1"}, "length_penalty must be of type", id="text"),
        pytest.param(
            {"length_normalisation": "none"},
            "length_normalisation must be paper or average, not 'none'",
            id="unknown-choice",
        ),
        pytest.param({"early_stopping": 1}, "early_stopping must be of type bool", id="no-bool"),
        pytest.param({"n_best": 5}, r"n_best must be .* beam_size \(4\), not 5", id="n-best>beam"),
        pytest.param({"min_length": -1}, "min_length must be between 0", id="negative-length"),
        pytest.param({"max_length": 0}, "max_length must be between 1", id="nothing-allowed"),
        pytest.param(
            {"min_length": 9, "max_length": 8}, "max_length must be between 9", id="min>max"
        ),
        pytest.param({"patience": 0}, "patience must be a number above 0", id="no-patience"),
        pytest.param({"length_ratio": -1}, "length_ratio must be between 0", id="ratio"),
        pytest.param({"length_offset": -1}, "length_offset must be between 0", id="offset"),
        pytest.param({"coverage_penalty": -1}, "coverage_penalty must be between", id="coverage"),
        pytest.param({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size must be", id="n-gram"),
        pytest.param({"repetition_penalty": 0}, "repetition_penalty must be between", id="theta"),
        pytest.param({"prefix_bias": 1.5}, "prefix_bias must be between 0 and 1", id="bias"),
        pytest.param({"prefix_bias": 1}, "prefix_bias must be less than 1", id="all-bias"),
        pytest.param({"temperature": 2}, "temperature does nothing without sampling", id="search"),
        pytest.param({"top_k": 2}, "top_k does nothing without sampling", id="search-top-k"),
        pytest.param({"top_p": 0.5}, "top_p does nothing without sampling", id="search-top-p"),
        pytest.param(
            {"sampling": True, "temperature": 0}, "temperature must be between", id="frozen"
        ),
        pytest.param({"sampling": True, "top_k": -1}, "top_k must be between 0", id="top-k"),
        pytest.param({"sampling": True, "top_p": 0}, "top_p must be a number above 0", id="empty"),
        pytest.param({"sampling": True, "top_p": 1.1}, "top_p must be between", id="too-much"),
        pytest.param({"target_prefix": 1}, "target_prefix must be of type str", id="no-prefix"),
        pytest.param(
            {"required_terms": "Hund"}, r"required_terms must be of type tuple\[str", id="one-term"
        ),
        pytest.param({"required_terms": (1,)}, "required_terms must be of type", id="no-term"),
        pytest.param({"required_terms": (" ",)}, "required_terms must not be empty", id="blank"),
        pytest.param(
            {"sampling": True, "required_terms": ("a",)}, "sampling cannot promise", id="samples"
        ),
        pytest.param({"seed": -1}, "seed must be between 0 and", id="seed"),
        pytest.param({"patience": 1e308}, "patience must be between 0 and 100", id="for-ever"),
        pytest.param({"length_ratio": 1e308}, "length_ratio must be between", id="no-limit"),
        pytest.param({"min_length": 2**31 - 1}, "min_length must be between 0 and 4096", id="bomb"),
        pytest.param({"required_terms": ("a",) * 101}, "must be at most 100, not 101", id="terms"),
        pytest.param({"required_terms": ("a" * 1001,)}, "1,000 characters each", id="long-term"),
        pytest.param({"target_prefix": "a" * 10_001}, "at most 10,000 char", id="long-prefix"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DecodingOptions(**values)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(DecodingOptions(max_length=7), 7, id="given"),
        pytest.param(DecodingOptions(), 60, id="source-plus-50"),
        pytest.param(DecodingOptions(length_ratio=2.55, length_offset=3), 28, id="ratio"),
        pytest.param(DecodingOptions(length_ratio=0, length_offset=0), 1, id="at-least-one"),
        pytest.param(DecodingOptions(min_length=99), 99, id="minimum-above-the-formula"),
        pytest.param(DecodingOptions(length_ratio=100, length_offset=4096), 4096, id="never-more"),
    ],
)
def test_target_limit_depends_on_the_sentence_alone(
    options: DecodingOptions, expected: int
) -> None:
    assert options.target_limit(10) == expected


def test_options_need_no_torch() -> None:
    program = "import sys, tformer.model.options; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
