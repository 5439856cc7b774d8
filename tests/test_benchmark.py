"""Benchmarks: what many measurements say together, whose turn it is, and what is told."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fake_translator import Tformer
from hypothesis import given
from hypothesis import strategies as st

from tformer.cli import bench_inputs
from tformer.cli.exits import ExitStatus
from tformer.model.benchmark import comparison, process, worker
from tformer.model.benchmark.calibration import SettingsMemory, tried_alike
from tformer.model.benchmark.comparison import BenchmarkLimits, BenchmarkResults, Comparison
from tformer.model.benchmark.figures import (
    Cell,
    Measurement,
    Spread,
    System,
    latency_ratios,
    percentile,
    ratios,
)
from tformer.model.benchmark.machine import hardware, peak_memory, slug
from tformer.model.benchmark.process import OTHERS_VARIABLES, Process, SystemFailure
from tformer.model.benchmark.random_model import save_random_model
from tformer.model.benchmark.report import record, remarks, tables, write
from tformer.model.benchmark.runners import SystemOptions, runner_of
from tformer.model.benchmark.shape import VOCAB_SIZE, parse_shape
from tformer.model.benchmark.systems import candidates, export, installed_systems
from tformer.model.benchmark.task import SAMPLE, ForcedTask, TextTask, sentences_of, spread
from tformer.model.errors import OutputError, UsageError
from tformer.model.hardware.cpu import has_fast_int8

OURS, THEIRS = System("tformer", "float32"), System("ctranslate2", "float32")
HUGGING_FACE = System("transformers", "float32")
ALL = Cell(None, 4)
ONE = Cell(1, 4)


def measurement(system: System, number: int, seconds: float, **changes: Any) -> Measurement:
    base = Measurement(system, ALL, number, 5, 100, seconds, seconds, (seconds,))
    return replace(base, **changes)


# -- figures ----------------------------------------------------------------------------------


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    st.sampled_from([1.0, 50.0, 95.0, 100.0]),
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    assert found in values
    needed = percent / 100 * len(values)
    assert sum(value <= found for value in values) >= needed
    assert sum(value < found for value in values) < needed


def test_ratios_compare_figures_of_one_round_only() -> None:
    # The machine became ten times slower for everybody after the first round.
    measurements = [
        measurement(OURS, 1, 1.0),
        measurement(THEIRS, 1, 2.0),
        measurement(OURS, 2, 10.0),
        measurement(THEIRS, 2, 30.0),
        measurement(OURS, 3, 0.1),
        measurement(THEIRS, 3, 100.0, cell=ONE),
    ]
    assert ratios(measurements, ALL, OURS, THEIRS) == Spread(2.5, 2.0, 3.0, 2)
    assert latency_ratios(measurements, ALL, OURS, THEIRS) == Spread(2.5, 2.0, 3.0, 2)
    assert ratios(measurements, ALL, THEIRS, OURS) == Spread(
        pytest.approx(5 / 12), pytest.approx(1 / 3), 0.5, 2
    )
    assert ratios(measurements, ONE, OURS, THEIRS) is None


def test_systems_are_named_by_program_and_dtype() -> None:
    assert System.parse("ctranslate2:int8_float32") == System("ctranslate2", "int8_float32")
    for text in ("int8", "tformer", "tformer:", "marian:int8"):
        with pytest.raises(UsageError, match="name PROGRAM:DTYPE"):
            System.parse(text)


# -- what there is to do ----------------------------------------------------------------------


@given(st.integers(1, 200), st.data())
def test_lines_are_taken_from_all_over_a_text(size: int, data: st.DataObject) -> None:
    items = [str(number) for number in range(size)]
    count = data.draw(st.integers(1, size))
    numbers = [int(item) for item in spread(items, count)]
    assert len(numbers) == count
    assert numbers[0] == 0
    steps = [later - sooner for sooner, later in pairwise(numbers)]
    assert set(steps) <= {size // count, math.ceil(size / count)}


def test_a_cell_takes_some_batches_but_no_more_than_there_is() -> None:
    task = ForcedTask.random(parse_shape("1+1x64v512"), 300, 5)
    sizes = {batch: sentences_of(task, Cell(batch, 4)) for batch in (1, 32, 128, None)}
    assert sizes == {1: 40, 32: 128, 128: 256, None: 300}
    task = ForcedTask.random(parse_shape("1+1x64v512"), 1500, 5)
    assert sentences_of(task, Cell(512, 4)) == 1024


def test_forced_sources_are_random_but_always_the_same() -> None:
    config = parse_shape("1+1x64v512")
    task = ForcedTask.random(config, 3, 5)
    assert task == ForcedTask.random(config, 3, 5)
    assert [len(source) for source in task.sources] == [5, 5, 5]
    assert all(source[-1] == config.eos_id for source in task.sources)
    assert all(262 <= token < 512 for source in task.sources for token in source[:-1])


@pytest.mark.parametrize(
    "text",
    ["6x512", "0+2x512", "6+2x500", "6+2x512v100", "6+2x512v", "6+2x512f0", "6+2x512v8000f64", ""],
)
def test_a_wrong_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"name ENCODER\+DECODERxWIDTH"):
        parse_shape(text)


def test_a_shape_says_layers_width_and_vocabulary() -> None:
    config = parse_shape("6+2x256v8000")
    found = (config.num_encoder_layers, config.num_decoder_layers, config.d_model)
    assert found == (6, 2, 256)
    assert (config.num_heads, config.d_ff, config.vocab_size) == (4, 1024, 8000)
    assert parse_shape("6+2x256f2048v8000").d_ff == 2048
    assert parse_shape("6+2x256f512").vocab_size == VOCAB_SIZE


def test_the_sample_is_a_line_a_sentence() -> None:
    lines = SAMPLE.read_text("utf-8").splitlines()
    assert len(lines) == len(set(lines)) >= 75
    assert all(line == line.strip() and line[-1] in ".?!" for line in lines)


# -- the process of a system ------------------------------------------------------------------


class FakeRunner:
    """Translates into upper case."""

    def __init__(self) -> None:
        self.prepared: list[dict[str, int]] = []
        self.batches: list[list[Any]] = []

    def prepare(self, settings: dict[str, int]) -> None:
        self.prepared.append(settings)

    def translate(self, lines: list[str], route: tuple[str, str], call: SystemOptions) -> list[str]:
        if lines == ["defect"]:
            raise RuntimeError("two\nlines")
        self.batches.append(lines)
        return [f"{line.upper()} {route[1]} {call.beam_size}" for line in lines]

    def decode(self, sources: list[list[int]], length: int, call: SystemOptions) -> int:
        self.batches.append(sources)
        return len(sources) * length

    def versions(self) -> dict[str, str]:
        return {"fake": "1"}


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    fake = FakeRunner()
    monkeypatch.setattr(worker, "runner_of", lambda *arguments: fake)
    return fake


def loaded_worker() -> worker.WorkerState:
    ticks = iter(range(1000))
    found = worker.WorkerState(clock=lambda: next(ticks))
    place = {"system": "tformer:int8", "model": "m", "folder": "f", "device": "cpu"}
    answer = found.answer({"do": "load", **place, "settings": {"threads": 2}})
    assert answer == {"seconds": 1, "versions": {"fake": "1"}}
    return found


def test_a_worker_hands_over_batch_by_batch(runner: FakeRunner) -> None:
    message = {"do": "translate", "lines": ["a", "b", "c"], "source": "en", "target": "de"}
    call = {"batch": 2, "beam_size": 3, "settings": {"threads": 1}}
    answer = loaded_worker().answer({**message, **call})
    assert answer["translations"] == ["A de 3", "B de 3", "C de 3"]
    assert runner.batches == [["a", "b"], ["c"]]
    assert runner.prepared == [{"threads": 2}, {"threads": 1}]
    assert answer["latencies"] == [1, 1]
    assert answer["seconds"] == 5  # two readings a batch, two around all of them
    assert answer["cpu_seconds"] >= 0
    json.dumps(answer)


def test_a_worker_counts_tokens_of_a_forced_length(runner: FakeRunner) -> None:
    call = {"batch": None, "beam_size": 1, "settings": {}}
    message = {"do": "decode", "sources": [[5, 2], [6, 2], [7, 2]], "length": 4}
    answer = loaded_worker().answer({**message, **call})
    assert answer["tokens"] == 12
    assert "answers" not in answer
    assert len(runner.batches) == 1


def test_a_failure_is_an_answer_of_one_line(runner: FakeRunner) -> None:
    message = {"do": "translate", "lines": ["defect"], "source": "en", "target": "de"}
    call = {"batch": 1, "beam_size": 1, "settings": {}}
    assert loaded_worker().answer({**message, **call}) == {"error": "RuntimeError: two lines"}
    assert "nothing has been loaded" in worker.WorkerState().answer({**message, **call})["error"]


ECHO = """
import json, sys
print("noise", file=sys.stderr)
for line in sys.stdin:
    message = json.loads(line)
    if message.get("die"):
        sys.exit(3)
    print(json.dumps(message), flush=True)
"""


def test_a_process_answers_fails_and_dies() -> None:
    with Process([sys.executable, "-c", ECHO]) as process:
        assert process.ask({"text": "Grüße\n"}) == {"text": "Grüße\n"}
        with pytest.raises(SystemFailure, match=r"^no such dtype$"):
            process.ask({"error": "no such dtype"})
        assert (process.peak_memory() or 0) > 1_000_000
        for _ in range(2):
            with pytest.raises(SystemFailure, match="ended with status 3"):
                process.ask({"die": True})


def test_a_lower_level_holds_for_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = "import json, os, sys; sys.stdin.readline(); print(json.dumps(dict(os.environ)))"

    def environment() -> dict[str, str]:
        with Process([sys.executable, "-c", shown]) as process:
            return process.ask({})

    for name in OTHERS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("TFORMER_CPU_LEVEL", raising=False)
    assert not set(OTHERS_VARIABLES) & set(environment())
    monkeypatch.setenv("TFORMER_CPU_LEVEL", "avx2")
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    found = environment()
    assert found["CT2_FORCE_CPU_ISA"] == found["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert found["ATEN_CPU_CAPABILITY"] == "default"  # as the user says


def test_the_real_worker_keeps_stdout_to_itself(tmp_path: Path) -> None:
    with Process() as process:
        where = {"model": str(tmp_path), "folder": str(tmp_path / "out")}
        with pytest.raises(SystemFailure, match="name PROGRAM:DTYPE"):
            process.ask({"do": "export", "system": "none:int8", **where})
        assert process.ask({"do": "export", "system": "tformer:int8", **where}) == {}


def test_memory_and_hardware_are_told() -> None:
    assert (peak_memory(os.getpid()) or 0) > 10_000_000
    assert peak_memory(2**22 + 1) is None
    assert hardware()["cores"] >= 1
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-cores", slug())


# -- the systems themselves -------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network that has learnt nothing."""
    folder = tmp_path_factory.mktemp("random") / "model"
    save_random_model(folder, parse_shape("1+1x64v512"))
    return folder


@pytest.mark.parametrize("beam_size", [1, 4])
def test_all_systems_translate_alike_and_obey_a_forced_length(
    model: Path, tmp_path: Path, beam_size: int
) -> None:
    lines = ["300 301 ab", "305", "400 401 402 403 c"]
    sources = ForcedTask.random(parse_shape("1+1x64v512"), 5, 6).sources
    found = []
    for system in (OURS, THEIRS, HUGGING_FACE):
        export(system, model, tmp_path / str(system))
        runner = runner_of(system, model, tmp_path / str(system), "cpu")
        settings = candidates(system, ALL, 1)[0]
        runner.prepare(settings)
        call = SystemOptions(None, beam_size, settings)
        found.append(runner.translate(lines, ("en", "de"), call))
        assert runner.decode(sources, 6, call) == 30
        assert all(runner.versions().values())
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 3


def test_settings_to_try_fit_the_cell() -> None:
    for system in (OURS, THEIRS, HUGGING_FACE):
        for cell in (ONE, Cell(8, 1), ALL):
            tried = candidates(system, cell, 16)
            assert len({str(settings) for settings in tried}) == len(tried) >= 1
            sizes = [settings.get("max_batch_size", 1) for settings in tried]
            assert cell.batch is None or max(sizes) <= cell.batch
    workers = {(s["inter_threads"], s["intra_threads"]) for s in candidates(THEIRS, ALL, 2)}
    assert workers == {(2, 1)}


# -- whose turn it is -------------------------------------------------------------------------


class FakeMachine:
    """Processes whose work takes as long as the test says; the clock is theirs."""

    def __init__(self, speeds: dict[str, Callable[[dict[str, Any]], float]]) -> None:
        self.now = 0.0
        self.speeds = speeds
        self.log: list[tuple[str, dict[str, Any]]] = []

    def process(self) -> FakeProcess:
        return FakeProcess(self)

    def asked(self, deed: str = "translate") -> list[tuple[str, int | None, int]]:
        return [
            (name, message["batch"], len(message["lines"]))
            for name, message in self.log
            if message["do"] == deed
        ]


class FakeProcess:
    def __init__(self, machine: FakeMachine) -> None:
        self.machine, self.name = machine, ""

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        self.name = message.get("system", self.name)
        self.machine.log.append((self.name, message))
        if message["do"] == "export":
            return {}
        if message["do"] == "load":
            return {"seconds": 0.5, "versions": {self.name: "1"}}
        seconds = self.machine.speeds[self.name](message)
        self.machine.now += seconds
        lines = message["lines"]
        timed = {"seconds": seconds, "cpu_seconds": seconds, "latencies": [seconds] * 2}
        return {**timed, "translations": [f"{line}x" for line in lines]}

    def peak_memory(self) -> int:
        return 2**20

    def __enter__(self) -> FakeProcess:
        return self

    def __exit__(self, *rest: object) -> None:
        pass


class FakeVocabulary:
    def encode_target(self, text: str) -> list[int]:
        return [0, 0]


def compared(
    monkeypatch: pytest.MonkeyPatch,
    machine: FakeMachine,
    cells: list[Cell],
    limits: BenchmarkLimits,
    systems: tuple[System, ...] = (OURS, THEIRS),
    **more: Any,
) -> list[BenchmarkResults]:
    monkeypatch.setattr(comparison, "Process", machine.process)
    monkeypatch.setattr(comparison, "PAUSE", 0)
    lines = [f"line {number}" for number in range(200)]
    vocabulary: Any = FakeVocabulary()
    task = TextTask(lines, [f"{line}x" for line in lines], "en", "de", vocabulary)
    run = Comparison(
        Path("m"), task, systems, cells, limits, cores=2, clock=lambda: machine.now, **more
    ).run()
    return list(run)


def test_systems_take_turns_and_another_begins_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = FakeMachine({str(OURS): lambda m: 1.0, str(THEIRS): lambda m: 2.0})
    rounds = compared(monkeypatch, machine, [ONE, ALL], BenchmarkLimits(3, 1000))
    assert len(rounds) == 3
    order = [(m.round, m.cell, m.system) for m in rounds[-1].measurements]
    first = [(1, ONE, OURS), (1, ONE, THEIRS), (1, ALL, OURS), (1, ALL, THEIRS)]
    assert order[:4] == first
    assert order[4:6] == [(2, ONE, THEIRS), (2, ONE, OURS)]
    assert order[8:10] == [(3, ONE, OURS), (3, ONE, THEIRS)]
    assert {m.sentences for m in rounds[-1].measurements if m.cell == ALL} == {200}
    assert all(m.tokens == 2 * m.sentences for m in rounds[-1].measurements)
    assert rounds[-1].peak_memory == {OURS: 2**20, THEIRS: 2**20}


def test_the_fastest_settings_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def ours(message: dict[str, Any]) -> float:
        return 1.0 if message["settings"]["max_tokens"] == 4096 else 1.1

    machine = FakeMachine({str(OURS): ours, str(THEIRS): lambda m: 1.0})
    outcome = compared(monkeypatch, machine, [ALL], BenchmarkLimits(1, 1000))[-1]
    assert outcome.settings[OURS, ALL] == {"threads": 2, "max_tokens": 4096}
    assert outcome.settings[THEIRS, ALL] == candidates(THEIRS, ALL, 2)[0]
    assert machine.log[-2][1]["settings"] == candidates(THEIRS, ALL, 2)[0]


def test_no_round_begins_after_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = FakeMachine({str(OURS): lambda m: 1.0, str(THEIRS): lambda m: 1.0})
    rounds = compared(monkeypatch, machine, [ONE, ALL], BenchmarkLimits(9, 0))
    assert len(rounds) == 1
    assert [(m.cell, m.system) for m in rounds[0].measurements] == [(ONE, OURS), (ONE, THEIRS)]
    assert rounds[0].unmeasured == [(OURS, ALL), (THEIRS, ALL)]
    found = record(rounds[0], {"model": "m", "task": "t", "hardware": hardware()})
    assert "no time was left for tformer:float32, batch all, beam 4" in remarks(found)


def test_what_cannot_end_in_time_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seconds a line: a first cell shows it, and 200 lines would take ten minutes."""
    slow = {str(OURS): lambda m: 1.0, str(HUGGING_FACE): lambda m: 3.0 * len(m["lines"])}
    machine = FakeMachine(slow)
    systems, cells = (OURS, HUGGING_FACE), [ONE, ALL, Cell(1, 1), Cell(None, 1)]
    outcome = compared(monkeypatch, machine, cells, BenchmarkLimits(3, 240), systems)[-1]
    assert machine.now < 300
    first = {(m.system, m.cell) for m in outcome.measurements if m.round == 1}
    assert {(OURS, cell) for cell in cells} | {(HUGGING_FACE, ONE)} <= first
    assert (HUGGING_FACE, ALL) in outcome.unmeasured


def test_the_first_ratio_is_told_before_other_cells_are_calibrated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = FakeMachine({str(OURS): lambda m: 1.0, str(THEIRS): lambda m: 2.0})
    told: list[str] = []
    compared(monkeypatch, machine, [ONE, ALL], BenchmarkLimits(1, 1000), note=told.append)
    ratios_told = [n for n, line in enumerate(told) if "is 2.00 times as fast" in line]
    calibrated = [n for n, line in enumerate(told) if "batch all" in line]
    assert len(ratios_told) == 2
    assert ratios_told[0] < min(calibrated) < ratios_told[1]
    assert told[0] == "0 s: tformer:float32: loading"


def test_settings_are_looked_for_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def trials(facts: dict[str, Any], *, anew: bool = False) -> int:
        machine = FakeMachine({str(OURS): lambda m: 1.0, str(THEIRS): lambda m: 1.0})
        memory = SettingsMemory(tmp_path / "below" / "settings.json", facts, anew=anew)
        compared(monkeypatch, machine, [ONE, ALL], BenchmarkLimits(1, 1000), memory=memory)
        return len(machine.asked()) - 8  # two cells of two systems, warmed up and measured

    facts = {"width": 256}
    first = trials(facts)
    assert first > 8
    assert trials(facts) == 0
    assert trials({"width": 512}) == first
    assert trials(facts, anew=True) == first
    for damaged in (b"", b"[]", b"{", b'{"format": 1, "settings": {"a": 3}}'):
        (tmp_path / "below" / "settings.json").write_bytes(damaged)
        assert trials(facts) == first
        assert trials(facts) == 0


def test_settings_that_cannot_be_kept_stop_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    machine = FakeMachine({str(OURS): lambda m: 1.0, str(THEIRS): lambda m: 1.0})
    memory = SettingsMemory(tmp_path / "file" / "settings.json", {})
    outcome = compared(monkeypatch, machine, [ALL], BenchmarkLimits(1, 100), memory=memory)[-1]
    assert len(outcome.measurements) == 2


def test_full_batches_are_tried_once() -> None:
    cells = [Cell(1, 4), Cell(32, 4), Cell(128, 4), ALL, Cell(None, 1)]
    alike = [tried_alike(cell) for cell in cells]
    assert alike == [Cell(1, 4), Cell(32, 4), ALL, ALL, Cell(None, 1)]


def test_default_systems_and_cells_are_few_on_a_cpu() -> None:
    names = [str(system) for system in installed_systems("cpu")]
    quick = "int8" if has_fast_int8() else "float32"
    assert names == [f"tformer:{quick}", "ctranslate2:int8", "transformers:float32"]
    assert "tformer:bfloat16" in map(str, installed_systems("cuda"))
    assert [cell.batch for cell in bench_inputs.cells(None, [4], 80)] == [1, 32, None]
    assert [cell.batch for cell in bench_inputs.cells(None, [4], 512)] == [1, 32, 128, None]
    assert [cell.batch for cell in bench_inputs.cells([128, 0], [4], 80)] == [128, None]
    assert bench_inputs.cells(None, None, 1) == [Cell(None, 4), Cell(None, 1)]


def test_a_slow_system_has_fewer_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {str(OURS): lambda m: 1.0, str(THEIRS): lambda m: 1.0}
    machine = FakeMachine({**quick, str(HUGGING_FACE): lambda m: 20.0})
    systems = (OURS, THEIRS, HUGGING_FACE)
    outcome = compared(monkeypatch, machine, [ALL], BenchmarkLimits(50, 340.0), systems)[-1]
    counts = [sum(m.system == system for m in outcome.measurements) for system in systems]
    assert counts[2] == 12  # 240 s are more than twice its share, 220 are not
    assert min(counts[:2]) > 25


@pytest.mark.parametrize("when", ["export", "load", "translate"])
def test_a_system_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    class Failing(FakeProcess):
        def ask(self, message: dict[str, Any]) -> dict[str, Any]:
            answer = super().ask(message)
            if self.name == str(THEIRS) and message["do"] == when:
                raise SystemFailure("is not installed")
            return answer

    machine = FakeMachine({str(OURS): lambda m: 1.0, str(THEIRS): lambda m: 1.0})
    machine.process = lambda: Failing(machine)  # type: ignore[method-assign]
    outcome = compared(monkeypatch, machine, [ONE, ALL], BenchmarkLimits(2, 1000))[-1]
    assert outcome.systems == [OURS]
    assert len(outcome.measurements) == 4
    assert outcome.failures == {THEIRS: "is not installed"}


def test_quality_is_that_of_the_largest_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = FakeMachine({str(OURS): lambda m: 1.0, str(THEIRS): lambda m: 1.0})
    outcome = compared(monkeypatch, machine, [ONE, ALL], BenchmarkLimits(2, 1000))[-1]
    assert [(quality.system, quality.cell) for quality in outcome.quality] == [
        (OURS, ALL),
        (THEIRS, ALL),
    ]
    assert all(quality.same == 1.0 for quality in outcome.quality)
    assert all(quality.scores.chrf.score > 99 for quality in outcome.quality if quality.scores)


# -- what is told -----------------------------------------------------------------------------


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    machine = FakeMachine({str(OURS): lambda m: 1.0, str(THEIRS): lambda m: 2.0})
    outcome = compared(monkeypatch, machine, [ONE, ALL], BenchmarkLimits(2, 1000))[-1]
    outcome.failures[HUGGING_FACE] = "is not installed"
    return record(outcome, {"model": "m", "task": "t", "hardware": hardware()})


def test_a_record_survives_json_and_has_every_figure(found: dict[str, Any]) -> None:
    found = json.loads(json.dumps(found))
    assert [system["name"] for system in found["systems"]] == [str(OURS), str(THEIRS)]
    one, everything = found["cells"]
    assert (one["batch"], everything["batch"]) == (1, None)
    figures = everything["systems"][str(THEIRS)]
    assert figures["tokens_per_second"] == {"median": 200, "low": 200, "high": 200, "count": 2}
    assert figures["latency_ms"] == {"p50": 2000, "p95": 2000}
    assert figures["rounds"] == [[1, 400, 2.0], [2, 400, 2.0]]
    assert [entry["tokens_per_second"]["median"] for entry in found["ratios"]] == [2, 2]
    assert found["quality"][0]["bleu"]["signature"].startswith("nrefs:1|")
    assert found["left_out"] == {str(HUGGING_FACE): "is not installed"}


def test_tables_begin_with_the_ratios(found: dict[str, Any]) -> None:
    ratio, speed, quality, system = tables(found)
    assert ratio.rows == [
        ["tformer:float32, batch 1, beam 4", "2.00 (2.00 to 2.00)"],
        ["tformer:float32, batch 1, beam 4, p50", "2.00 (2.00 to 2.00)"],
        ["tformer:float32, batch all, beam 4", "2.00 (2.00 to 2.00)"],
    ]
    assert speed.rows[-1][:2] == ["batch all, beam 4, ctranslate2:float32", "200 (200 to 200)"]
    assert quality.rows[0][3] == "100.0%"
    assert system.rows[0] == ["tformer:float32", "0.50", "1"]
    assert all(len(row) == len(each.header) for each in tables(found) for row in each.rows)
    assert any("left out: transformers:float32" in line for line in remarks(found))


def test_results_are_written_as_json_and_markdown(found: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "results" / "machine.json"
    write(found, file)
    assert json.loads(file.read_text("utf-8")) == found
    page = file.with_suffix(".md").read_text("utf-8")
    assert "| tformer:float32, batch all, beam 4 | 2.00 (2.00 to 2.00) |" in page
    assert sorted(path.name for path in file.parent.iterdir()) == ["machine.json", "machine.md"]
    with pytest.raises(OutputError, match="cannot be written"):
        write(found, file / "below")


# -- the command ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--system", "marian"], "name PROGRAM:DTYPE", id="system"),
        pytest.param(["--shape", "big"], "name ENCODER+DECODERxWIDTH", id="shape"),
        pytest.param(["--shape", "1+1x64", "--text", "x"], "of no use", id="text of no use"),
        pytest.param(["--shape", "1+1x64", "--length", "512"], "below 512", id="length"),
        pytest.param(["--reference", "x"], "needs --text", id="reference alone"),
        pytest.param(["-s", "de"], "sample is English", id="sample"),
    ],
)
def test_wrong_calls_are_refused(tformer: Tformer, arguments: list[str], message: str) -> None:
    result = tformer("bench", *arguments)
    assert result.status == ExitStatus.USAGE
    assert message in result.err


def test_texts_that_do_not_match_are_refused(tformer: Tformer, tmp_path: Path) -> None:
    (tmp_path / "two").write_text("a\nb\n")
    (tmp_path / "one").write_text("a\n")
    result = tformer("bench", "--text", tmp_path / "two", "--reference", tmp_path / "one")
    assert result.status == ExitStatus.INPUT
    assert "has 2 lines" in result.err


@pytest.mark.slow
def test_a_real_run_of_ours_against_ctranslate2(
    tformer: Tformer, model: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text"
    text.write_text("300 301\n302\n303 304 305\n")
    files = ["--text", text, "--reference", text, "--output", tmp_path / "found.json"]
    systems = ["--system", "tformer:float32", "--system", "ctranslate2:float32"]
    cells = ["--batch", "1", "--batch", "0", "--beam-size", "2", "--rounds", "1"]
    result = tformer("bench", model, *files, *systems, "--system", "tformer:none", *cells)
    assert result.status == 0, result.err
    assert "tformer against the others" in result.out
    assert "s: tformer:none: left out: dtype must be" in result.err
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert [system["name"] for system in found["systems"]] == [str(OURS), str(THEIRS)]
    assert all(system["peak_memory_mib"] > 10 for system in found["systems"])
    assert [entry["same_as_first"] for entry in found["quality"]] == [1.0, 1.0]
    assert {"ctranslate2", "tformer", "torch"} <= found["versions"].keys()


@pytest.mark.slow
def test_a_real_run_of_random_weights(tformer: Tformer) -> None:
    shape = ["--shape", "1+1x64v512", "--length", "5", "--sentences", "6", "--rounds", "1"]
    result = tformer(
        "bench",
        *shape,
        "--system",
        "ctranslate2:int8",
        "--batch",
        "0",
        "--beam-size",
        "2",
        "--json",
    )
    assert result.status == 0, result.err
    found = json.loads(result.out)
    assert found["cells"][0]["systems"]["ctranslate2:int8"]["tokens"] == 30
    assert found["quality"] == []


def test_what_this_process_wishes_for_itself_holds_no_other_system() -> None:
    """Strict sums (`network.linear`) would slow down CTranslate2, and nobody asked it for them."""
    ours = {"OMP_NUM_THREADS": "1", "MKL_CBWR": "AVX512,STRICT", "PATH": "/bin"}
    assert process._environment(ours) == {"PATH": "/bin"}
