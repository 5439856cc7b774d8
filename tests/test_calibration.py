"""Confidence: fitted to what it is later computed from, and the same by every door."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from fake_translator import Tformer
from hypothesis import given
from hypothesis import strategies as st
from serving import SENTENCES, RunningServer, make_model, serving
from test_drafts import sentence

from tformer.cli import loading
from tformer.cli.exits import ExitStatus
from tformer.model.checkpoint.layout import read_config, store_calibrations
from tformer.model.config import Calibration
from tformer.model.errors import InputError, ModelError
from tformer.model.evaluation.calibration import (
    ScoredSentence,
    calibration_error,
    discrimination,
    fit,
    reliability,
)
from tformer.model.passes.draft import Draft, Route
from tformer.model.passes.guard import Sign
from tformer.model.pipeline.pivot import Pivot
from tformer.model.pipeline.serialization import record_of, translation_of
from tformer.model.pipeline.translator import Translator
from tformer.model.translation import Hypothesis, PieceScore, Translation
from tformer.server.client import Client
from tformer.server.sources import Settings

BACK = Calibration("de", "en", 2.5, 0.3, 0.1, 50)
THERE = Calibration("en", "de", 3.0, 0.5, -0.1, 50, 2797)

TEXTS = ["", *SENTENCES[:3], " ".join(SENTENCES[:3]), "…"]


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose translations have a confidence."""
    model = make_model(tmp_path_factory.mktemp("models") / "en-de")
    store_calibrations(model, [THERE, BACK])
    return model


@pytest.fixture(scope="module")
def server(calibrated: Path) -> Iterator[RunningServer]:
    with serving(calibrated, settings=Settings(device="cpu")) as running:
        yield running


def drawn(calibration: Calibration, number: int, seed: int) -> list[ScoredSentence]:
    """Sentences that are good exactly as often as a calibration says."""
    numbers = np.random.default_rng(seed)
    found = []
    for _ in range(number):
        log_probs = tuple(-numbers.exponential(0.7, numbers.integers(1, 40)))
        good = numbers.random() < calibration.probability(log_probs)
        found.append(ScoredSentence(log_probs, 80.0 if good else 20.0))
    return found


# --- fitting -------------------------------------------------------------------------------------


def test_fit_finds_the_calibration_that_outcomes_follow() -> None:
    true = Calibration("en", "de", 3.6, 5.8, 0.3, 50)
    fitted = fit(drawn(true, 6000, 1), ("en", "de"))
    held_out = drawn(true, 3000, 2)
    assert fitted.segments == 6000
    found, wanted = (
        [each.probability(sample.log_probs) for sample in held_out] for each in (fitted, true)
    )
    assert np.abs(np.subtract(found, wanted)).max() < 0.08
    table = reliability(fitted, held_out)
    assert [each.sentences for each in table] == [600] * 5
    for column in ("confidence", "good", "chrf", "lowest"):
        values = [getattr(each, column) for each in table]
        assert values == sorted(values), column
    assert calibration_error(table) < 0.04
    assert discrimination(fitted, held_out) > 0.7


def test_what_cannot_be_fitted_is_an_error() -> None:
    for samples, reason in (
        (drawn(THERE, 20, 1), "too few"),
        ([ScoredSentence((-0.5,), 70.0)] * 200, "every translation"),
        ([ScoredSentence((-0.5,), 30.0)] * 200, "no translation"),
    ):
        with pytest.raises(InputError, match=reason):
            fit(samples, ("en", "de"))


@given(st.lists(st.floats(-1e300, 0), min_size=1), st.floats(-9, 9), st.floats(0, 1e300))
def test_confidence_is_a_probability(log_probs: list[float], offset: float, factor: float) -> None:
    assert 0 <= Calibration("en", "de", offset, factor, -factor, 50).probability(log_probs) <= 1


# --- storing -------------------------------------------------------------------------------------


def test_calibrations_are_stored_by_direction(tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")
    before = read_config(model)[1]
    assert before.confidence == ()
    store_calibrations(model, [THERE])
    store_calibrations(model, [BACK])
    newer = Calibration("en", "de", 1.0, 1.0, 1.0, 40)
    store_calibrations(model, [newer])
    assert read_config(model)[1].confidence == (BACK, newer)
    table = json.loads((model / "config.json").read_text())
    table["confidence"][0]["temperature"] = 2
    (model / "config.json").write_text(json.dumps(table))
    with pytest.raises(ModelError, match="newer version"):
        read_config(model)


# --- doors ---------------------------------------------------------------------------------------


def test_a_text_is_as_certain_as_its_least_certain_sentence() -> None:
    sentences = [sentence(), sentence(0), sentence(4)]
    for each, log_prob in zip(sentences, (-0.1, -9, -2.0), strict=True):
        each.log_probs = (log_prob,) * 5 if each.tokens else ()
    draft = Draft("en", "de", sentences, [], calibration=THERE)
    certain, doubtful = (THERE.probability((log_prob,) * 5) for log_prob in (-0.1, -2.0))
    assert draft.translation(1).confidence == doubtful < certain
    sentences[0].signs = (Sign.NEGATION,)
    assert draft.translation(1).confidence == doubtful
    sentences[0].signs = (Sign.LOOP,)
    assert draft.translation(1).confidence == 0
    assert Draft("en", "de", sentences, []).translation(1).confidence is None


def test_library_server_and_command_line_tell_the_same(
    calibrated: Path, server: RunningServer, tformer: Tformer
) -> None:
    translator = Translator.load(calibrated)
    told = [one.confidence for one in translator.translate(TEXTS, source="en", target="de")]
    assert told[0] is told[-1] is None
    assert told[4] == pytest.approx(min(told[1:4]), abs=1e-3)
    with Client(server.address) as client:
        answers = list(client.translate(TEXTS, source="en", target="de"))
    assert [one.confidence for one in answers] == told
    assert [translation_of(record_of(one)) for one in answers] == answers
    for where in (("-m", calibrated), ("--server", server.address)):
        lines = "\n".join(TEXTS).encode()
        result = tformer("translate", "--json", "-s", "en", "-t", "de", *where, stdin=lines)
        records = list(map(json.loads, result.out.splitlines()))
        assert [record.get("confidence") for record in records] == told
        assert all("confident" not in record for record in records)
        assert "confidence" not in records[0]


class SureTranslator:
    """A translator that is the surer of a text the longer it is, in characters of a hundred."""

    languages = source_languages = target_languages = ("en", "de")

    def translate(self, texts: Iterable[str], **settings: object) -> Iterator[Translation]:
        for text in texts:
            sure = len(text) / 100 if text.strip() else None
            pieces = tuple(PieceScore((0, 0), -1 / len(text)) for _ in range(3)) if text else None
            hypothesis = Hypothesis(text, 0.0, piece_scores=pieces)
            yield Translation(text, "en", "de", (hypothesis,), source_tokens=3, confidence=sure)

    def route(self, source: str, target: str) -> Route:
        return Route(self.languages, self.languages, source, target)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "load_translator", lambda model, device: SureTranslator())


def test_doubtful_lines_are_marked(fake: None, tformer: Tformer) -> None:
    call = ("translate", "-s", "en", "-t", "de", "--json", "--strict", "--min-confidence")
    lines = b"A dog runs.\nA dog.\nOh."
    result = tformer(*call, "0.06", stdin=lines)
    assert result.status == ExitStatus.FLAGGED
    assert result.err == "warning: stdin:3: the confidence is 0.03, less than 0.06\n"
    records = list(map(json.loads, result.out.splitlines()))
    assert [record["confidence"] for record in records] == [0.11, 0.06, 0.03]
    assert [record["confident"] for record in records] == [True, True, False]
    assert [record["warning_kinds"] for record in records] == [[], [], ["confidence"]]
    assert tformer(*call, "0.03", stdin=lines).status == ExitStatus.SUCCESS
    assert tformer(*call, "2").status == ExitStatus.USAGE


def test_documents_are_marked_too(fake: None, tformer: Tformer, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A dog\n\nThe house is **old**.\n")
    call = ("translate", page, "-s", "en", "-t", "de", "-o", tmp_path / "out.md")
    result = tformer(*call, "--min-confidence", "0.1", "--strict")
    assert result.status == ExitStatus.FLAGGED
    assert "'A dog': the confidence is 0.05, less than 0.1" in result.err
    assert "The house" not in result.err


def test_a_model_without_calibration_cannot_be_asked(tmp_path: Path, tformer: Tformer) -> None:
    model = make_model(tmp_path / "en-de")
    call = ("translate", "-s", "en", "-t", "de", "-m", model)
    assert "confiden" not in tformer(*call, "--json", stdin=b"A dog.").out
    result = tformer(*call, "--min-confidence", "0.5", stdin=b"A dog.")
    assert result.status == ExitStatus.USAGE
    assert "no calibrated confidence from en into de: `tformer calibrate` fits it" in result.err


class FixedTranslator(SureTranslator):
    """A translator that is always equally sure."""

    def __init__(self, confidence: float | None) -> None:
        self._confidence = confidence

    def translate(self, texts: Iterable[str], **settings: object) -> Iterator[Translation]:
        for translation in super().translate(texts):
            yield replace(translation, confidence=self._confidence)


@pytest.mark.parametrize(("second", "both"), [(0.25, 0.125), (None, None)])
def test_two_steps_are_good_if_both_are(second: float | None, both: float | None) -> None:
    pivot = Pivot(FixedTranslator(0.5), FixedTranslator(second), "de")
    assert next(pivot.translate(["a"])).confidence == both


# --- command -------------------------------------------------------------------------------------


def test_the_command_stores_what_it_has_fitted(
    tmp_path: Path, tformer: Tformer, fake: None
) -> None:
    model = make_model(tmp_path / "en-de")
    english, german = tmp_path / "set.en", tmp_path / "set.de"
    sources = ["x" * random.Random(number).randint(2, 30) for number in range(300)]
    # The longer, and so the surer, the more often right.
    right = [len(s) > random.Random(s + str(n)).randint(2, 30) for n, s in enumerate(sources)]
    english.write_text("\n".join(sources))
    german.write_text("\n".join(s if r else "y" for s, r in zip(sources, right, strict=True)))
    call = ("calibrate", model, english, german, "-s", "en", "-t", "de")
    trial = json.loads(tformer(*call, "--dry-run", "--json").out)
    assert read_config(model)[1].confidence == ()
    table = tformer(*call, "--both-ways").out
    assert table.startswith("en→de: fitted to 150 sentences, measured on 150 others")
    stored, back = read_config(model)[1].confidence
    assert trial["calibration"] == asdict(stored)
    assert (back.source, back.target) == ("de", "en")
    assert [row["sentences"] for row in trial["table"]] == [30] * 5
    good = [row["good"] for row in trial["table"]]
    assert good == sorted(good) and trial["discrimination"] > 0.7
    few = tformer(*call, "--limit", "60")
    assert few.status == ExitStatus.INPUT and "30 sentences are too few" in few.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("a.en", "-s", "en", "-t", "de"), "files are pairs"),
        (("a.en", "a.de"), "name the languages"),
    ],
)
def test_wrong_calls_are_refused(
    arguments: tuple[str, ...], reason: str, tformer: Tformer, calibrated: Path
) -> None:
    result = tformer("calibrate", calibrated, *arguments)
    assert result.status == ExitStatus.USAGE
    assert reason in result.err
