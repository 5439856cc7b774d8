"""The scripts in benchmarks/: who is served when, and what counts as a difference."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import continuous
import identity
import levels
import pytest
import torch
from continuous import Arrival, Requests, Run, poisson, serve, summary
from tiny import tiny_transformer

from tformer.model.hardware.cpu import level
from tformer.model.network.eager import Eager
from tformer.model.options import DecodingOptions
from tformer.model.passes.draft import Sentence
from tformer.model.pipeline.translator import Translator
from tformer.model.text.segmentation import Piece
from tformer.model.vocabulary.sentencepiece import Vocabulary

OPTIONS = DecodingOptions(beam_size=2, n_best=2)


def sentence(steps: int) -> Sentence:
    """One that the fake engine needs so many steps for."""
    return Sentence(Piece("", ""), [5] * steps, OPTIONS)


class FakeWork:
    """A step takes a second, and a sentence as many steps as it has tokens."""

    def __init__(self) -> None:
        self.now = 0.0
        self.running: dict[Sentence, int] = {}
        self.batches: list[int] = []

    @property
    def busy(self) -> bool:
        return bool(self.running)

    def submit(self, sentences: Sequence[Sentence]) -> None:
        self.running |= {each: len(each.tokens) for each in sentences}
        if sentences:
            self.batches.append(len(sentences))

    def step(self) -> list[Sentence]:
        self.now += 1
        self.running = {each: steps - 1 for each, steps in self.running.items()}
        finished = [each for each, steps in self.running.items() if not steps]
        for each in finished:
            del self.running[each]
            each.target_ids = [(7, 7)]
        return finished

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def served(arrivals: list[Arrival], static_batch: int | None) -> tuple[list[float], FakeWork]:
    work = FakeWork()
    done = serve(arrivals, work, static_batch, clock=lambda: work.now, sleep=work.sleep)
    return [done[arrival.sentence] for arrival in arrivals], work


def test_continuous_batching_keeps_nobody_waiting() -> None:
    arrivals = [Arrival(0, sentence(9)), Arrival(1.5, sentence(1)), Arrival(20, sentence(2))]
    times, work = served(arrivals, None)
    assert times == [9, 3, 22]
    assert work.batches == [1, 1, 1]


def test_a_static_batch_is_done_before_the_next_begins() -> None:
    arrivals = [Arrival(0, sentence(9)), *(Arrival(1.5, sentence(1)) for _ in range(3))]
    times, work = served(arrivals, 2)
    assert times == [9, 10, 10, 11]
    assert work.batches == [1, 2, 1]


def test_arrivals_come_as_often_as_they_should() -> None:
    times = list(poisson(50, 100, seed=3))
    assert times == sorted(times) == list(poisson(50, 100, seed=3))
    assert 4700 < len(times) < 5300
    assert times[0] == 0 and times[-1] < 100


def test_a_run_is_summed_up_by_throughput_and_latency() -> None:
    arrivals = [Arrival(0, sentence(2)), Arrival(1, sentence(4))]
    work = FakeWork()
    done = serve(arrivals, work, None, clock=lambda: work.now, sleep=work.sleep)
    run = summary("continuous", 0.5, arrivals, done)
    assert run == Run("continuous", 0.5, 2, 6 / 5, 2000, 4000)


def test_the_table_and_the_plot_show_medians(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    runs = [
        Run(way, load, 9, 10.0 * factor, 20.0, 30.0 * factor)
        for way, factor in (("continuous", 1), ("continuous", 3), ("continuous", 2), ("static", 5))
        for load in (0.5, 0.25)
    ]
    assert list(continuous.table(runs).rows[0]) == ["25%", "20", "50", "20", "20", "60", "150"]
    assert continuous.draw(runs, tmp_path / "plot.svg")
    assert "<svg" in (tmp_path / "plot.svg").read_text("utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- x -->\nold\n<!-- /x -->\nb\n")
    continuous.put(readme, "x", "new\n")
    assert readme.read_text() == "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n"


# -- identity ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def translator(vocabulary: Vocabulary) -> Translator:
    network = tiny_transformer(3, len(vocabulary), dtype=torch.float32)
    return Translator(Eager(network), vocabulary)


def sources(translator: Translator, count: int) -> list[list[int]]:
    lines = [" ".join("abcdefg"[: 1 + number % 7]) for number in range(count)]
    return [translator.vocabulary.encode(line, "de") for line in lines]


def test_sentences_are_the_same_in_every_way(translator: Translator) -> None:
    found = list(identity.differences(translator, "float32", sources(translator, 12), OPTIONS))
    ways = ["batches of 7", "batches of 64", "shuffled", "among strangers"]
    assert [each.way for each in found] == ways
    assert all((each.sentences, each.translations, each.scores) == (12, 0, 0) for each in found)


def test_answers_hold_all_hypotheses_in_the_order_of_the_sentences(translator: Translator) -> None:
    alone = identity.in_batches(1)(translator, sources(translator, 5), OPTIONS)
    assert all(len(tokens) == len(scores) == 2 for tokens, scores in alone)
    assert len(set(alone)) == 5
    assert identity.shuffled(translator, sources(translator, 5), OPTIONS) == alone


def test_every_difference_is_counted() -> None:
    alone = [(((1, 2),), (0.5,)), (((3,),), (0.5,)), (((4,),), (0.5,))]
    other = [(((1, 2),), (0.5000001,)), (((9,),), (0.5,)), (((4,),), (0.5,))]
    found = identity.compare("int8", "shuffled", alone, other, 1.0)
    assert (found.sentences, found.translations, found.scores) == (3, 1, 1)


@pytest.mark.slow
def test_levels_are_compared_in_processes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    text, name = tmp_path / "text", level().name
    text.write_text("A dog runs in the park.\nTwo children play.\n")
    arguments = [str(text), "--level", name, "--level", name, "--beam-size", "2"]
    monkeypatch.setattr(sys, "argv", ["levels", *arguments, "--results", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        levels.main()
    assert not ended.value.code
    row = f"| {name} against {name} | 2 | 0 | 0 |"
    assert row in capfd.readouterr().out
    (file,) = tmp_path.glob("levels-*.md")
    assert row in file.read_text("utf-8")


def test_requests_are_endless_and_fresh(translator: Translator, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a\n\nb c\n")
    arguments = argparse.Namespace(beam_size=2, source="en", target="de", text=tmp_path / "text")
    taken = Requests(translator, arguments).take(5)
    assert len(set(taken)) == 5
    assert all(each.tokens and not each.hypotheses for each in taken)


def test_both_scripts_run_from_end_to_end(
    translator: Translator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Translator, "load", lambda *arguments, **settings: translator)
    text = tmp_path / "text"
    text.write_text("a b\nc d\nd e f\n")
    results = ["--results", str(tmp_path / "results"), "--beam-size", "2"]
    for dtype in ("float32", "bfloat16"):  # which is not looked at here: both are one translator
        monkeypatch.setattr(sys, "argv", ["identity", str(text), "--dtype", dtype, *results])
        with pytest.raises(SystemExit) as ended:
            identity.main()
        assert not ended.value.code
        assert f"| {dtype}, shuffled | 3 | 0 | 0 |" in capsys.readouterr().out
    (file,) = (tmp_path / "results").glob("identity-*.md")
    assert "| float32, shuffled | 3 | 0 | 0 |" in file.read_text()
    assert "| bfloat16, shuffled | 3 | 0 | 0 |" in file.read_text()
    load = ["--load", "0.5", "--seconds", "0.1", "--rounds", "1", "--readme", str(tmp_path / "no")]
    monkeypatch.setattr(sys, "argv", ["continuous", str(text), *load, *results])
    continuous.main()
    (file,) = (tmp_path / "results").glob("continuous-*.json")
    assert [run["way"] for run in json.loads(file.read_text())["runs"]] == ["continuous", "static"]
