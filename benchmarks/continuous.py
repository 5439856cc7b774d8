"""Continuous against static batching, on the same requests arriving over time.

    python benchmarks/continuous.py newstest2014.en-de.en

Sentences of the text arrive at random, on average so many a second (a Poisson process), and are
translated by one engine in two ways:

    continuous    who arrives enters the batch that is under way
    static        who arrives waits until the batch under way is done; then all who wait, up to
                  --static-batch of them, are the next one

Loads are parts of what the engine can do with all sentences at hand, which is measured first. The
ways take turns at every load, round after round. Throughput and latency, from arrival to
translation, go to benchmarks/results/continuous-MACHINE.json and .md, a plot of them to .svg (needs
matplotlib), and both into benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal, Protocol

from tformer.model.benchmark.figures import percentile
from tformer.model.benchmark.machine import hardware, slug
from tformer.model.benchmark.report import ReportTable
from tformer.model.engine.engine import default_budget
from tformer.model.options import DecodingOptions
from tformer.model.passes.draft import Sentence
from tformer.model.pipeline.translator import Translator

HERE = Path(__file__).parent
LOADS = (0.2, 0.4, 0.6, 0.8, 0.95, 1.1)

Way = Literal["continuous", "static"]
WAYS: tuple[Way, ...] = ("continuous", "static")


class Engine(Protocol):
    """Interface of `tformer.model.engine.scheduler.Work` that is used here."""

    @property
    def busy(self) -> bool:
        """True if a step is to be taken."""

    def submit(self, sentences: Sequence[Sentence]) -> None:
        """Queue sentences."""

    def step(self) -> list[Sentence]:
        """The sentences that a step finished."""


@dataclass(frozen=True)
class Arrival:
    """A sentence, and when it comes."""

    seconds: float
    """After the beginning."""
    sentence: Sentence


@dataclass(frozen=True)
class Run:
    """One way at one load, once."""

    way: Way
    load: float
    """Part of what the engine can do."""
    sentences: int
    tokens_per_second: float
    """Target tokens, from the first arrival to the last translation."""
    p50_ms: float
    p95_ms: float


def main() -> None:
    """Run both ways at all loads, and write what was found."""
    arguments = _arguments()
    translator = Translator.load(arguments.model, dtype=arguments.dtype, threads=arguments.threads)
    requests = Requests(translator, arguments)
    capacity = _capacity(translator, requests, arguments.beam_size)
    _say(f"the engine can do {capacity:.1f} sentences a second")
    runs = []
    for run in _runs(translator, requests, capacity, arguments):
        _say(str(run))
        runs.append(run)
    record = {
        "text": arguments.text.name,
        "model": arguments.model,
        "dtype": arguments.dtype,
        "beam_size": arguments.beam_size,
        "static_batch": arguments.static_batch,
        "sentences_per_second": round(capacity, 2),
        "hardware": hardware(),
        "runs": [asdict(run) for run in runs],
    }
    print(table(runs).markdown())
    _write(record, runs, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("text", type=Path, help="one sentence a line")
    parser.add_argument("--model", default="en-de", help="shipped model, or a model directory")
    parser.add_argument("--source", default="en", help="language of the text")
    parser.add_argument("--target", default="de", help="language to translate to")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--threads", type=int, help="of the processor; else torch's own choice")
    parser.add_argument("--beam-size", type=int, default=4)
    parser.add_argument("--static-batch", type=int, default=64, help="most sentences of a batch")
    parser.add_argument("--load", type=float, action="append", help=f"repeatable; else {LOADS}")
    parser.add_argument("--seconds", type=float, default=12, help="of arrivals, a run")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--readme", type=Path, default=HERE / "README.md")
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Requests:
    """Sentences of a text, again and again."""

    def __init__(self, translator: Translator, arguments: argparse.Namespace) -> None:
        """Read the text that the arguments name."""
        options = DecodingOptions(beam_size=arguments.beam_size)
        route = translator.route(arguments.source, arguments.target)
        lines = arguments.text.read_text(encoding="utf-8").splitlines()
        random.Random(1).shuffle(lines)
        self._sentences = (
            Sentence(sentence.piece, sentence.tokens, options)
            for _ in iter(int, 1)  # for ever
            for line in lines
            for sentence in translator.draft(line, route, options).waiting
        )

    def take(self, count: int) -> list[Sentence]:
        """The next ones; none of them has been translated."""
        return [next(self._sentences) for _ in range(count)]

    def arriving(self, rate: float, seconds: float, seed: int) -> list[Arrival]:
        """A Poisson process: gaps are exponential, ``rate`` arrivals a second on average."""
        times = list(poisson(rate, seconds, seed))
        return [Arrival(*pair) for pair in zip(times, self.take(len(times)), strict=True)]


def poisson(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Times of arrivals, ascending; the first is at 0."""
    draw, now = random.Random(seed), 0.0
    while now < seconds:
        yield now
        now += draw.expovariate(rate)


# -- both ways --------------------------------------------------------------------------------


def _capacity(translator: Translator, requests: Requests, beam_size: int) -> float:
    """Sentences a second with all at hand; the faster of two trials."""
    speeds = []
    for count in (64, 256):
        sentences = requests.take(count)
        work = translator.start_work(beam_size)
        started = time.perf_counter()
        work.submit(sentences)
        while work.busy:
            work.step()
        speeds.append(count / (time.perf_counter() - started))
    return max(speeds)


def _runs(
    translator: Translator, requests: Requests, capacity: float, arguments: argparse.Namespace
) -> Iterator[Run]:
    for number in range(arguments.rounds):
        for load in arguments.load or LOADS:
            arrivals = requests.arriving(load * capacity, arguments.seconds, seed=number)
            for way in WAYS if number % 2 == 0 else WAYS[::-1]:
                work = _idle(translator, way, arguments)
                fresh = [Arrival(a.seconds, _again(a.sentence)) for a in arrivals]
                done = serve(fresh, work, limit_of(way, arguments.static_batch))
                yield summary(way, load, fresh, done)


def _idle(translator: Translator, way: Way, arguments: argparse.Namespace) -> Engine:
    """An engine with the usual budget, or with one that any static batch fits in as a whole."""
    whole = arguments.static_batch * arguments.beam_size * translator.longest_source
    usual = default_budget(translator.network)
    translator.max_tokens = usual if way == "continuous" else whole
    return translator.start_work(arguments.beam_size)


def _again(sentence: Sentence) -> Sentence:
    return Sentence(sentence.piece, sentence.tokens, sentence.options)


def limit_of(way: Way, static_batch: int) -> int | None:
    """The most sentences of a batch that must be done before the next; None for no such batch."""
    return static_batch if way == "static" else None


def serve(
    arrivals: Sequence[Arrival],
    work: Engine,
    static_batch: int | None,
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Sentence, float]:
    """Translate what arrives when it arrives.

    Args:
        arrivals: in the order of their times.
        work: idle.
        static_batch: None for continuous batching, else the most sentences of a static batch.
        clock: seconds.
        sleep: waits for so many of them.

    Returns:
        For each sentence, seconds after the beginning at which it was done.
    """
    waiting = list(reversed(arrivals))  # the next one last
    done: dict[Sentence, float] = {}
    started = clock()
    while waiting or work.busy:
        now = clock() - started
        if static_batch is None or not work.busy:
            work.submit(_arrived(waiting, now, static_batch))
        if work.busy:
            finished = work.step()
            done |= dict.fromkeys(finished, clock() - started)
        else:
            sleep(max(0.0, waiting[-1].seconds - now))
    return done


def _arrived(waiting: list[Arrival], now: float, limit: int | None) -> list[Sentence]:
    """Take who is there from the end of ``waiting``, at most ``limit`` of them."""
    taken: list[Sentence] = []
    while waiting and waiting[-1].seconds <= now and (limit is None or len(taken) < limit):
        taken.append(waiting.pop().sentence)
    return taken


def summary(way: Way, load: float, arrivals: Sequence[Arrival], done: dict[Sentence, float]) -> Run:
    """Throughput and latencies of one run."""
    latencies = [1000 * (done[arrival.sentence] - arrival.seconds) for arrival in arrivals]
    tokens = sum(sentence.target_tokens + 1 for sentence in done)
    return Run(
        way=way,
        load=load,
        sentences=len(arrivals),
        tokens_per_second=round(tokens / max(done.values()), 1),
        p50_ms=round(percentile(latencies, 50), 1),
        p95_ms=round(percentile(latencies, 95), 1),
    )


# -- the result -------------------------------------------------------------------------------


def _median(runs: Sequence[Run], way: Way, load: float, name: str) -> float:
    return median(getattr(run, name) for run in runs if (run.way, run.load) == (way, load))


def _loads(runs: Sequence[Run]) -> list[float]:
    return sorted({run.load for run in runs})


def table(runs: Sequence[Run]) -> ReportTable:
    """Medians over the rounds, a row a load."""
    figures = (("tokens_per_second", "tokens/s"), ("p50_ms", "p50 ms"), ("p95_ms", "p95 ms"))
    header = ["load", *(f"{way} {unit}" for _, unit in figures for way in WAYS)]
    rows = [
        [
            f"{load:.0%}",
            *(f"{_median(runs, way, load, name):,.0f}" for name, _ in figures for way in WAYS),
        ]
        for load in _loads(runs)
    ]
    return ReportTable("Continuous and static batching: medians", header, rows)


def _write(record: dict[str, Any], runs: Sequence[Run], arguments: argparse.Namespace) -> None:
    arguments.results.mkdir(parents=True, exist_ok=True)
    file = arguments.results / f"continuous-{slug()}.json"
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    page = "\n".join(table(runs).markdown().splitlines()[2:])  # without its heading
    machine = record["hardware"]
    page += (
        f"\n\n{record['text']}, beam {record['beam_size']}, {record['dtype']}; "
        f"{machine['cores']} cores of {machine['cpu']}.\n"
    )
    plot = file.with_suffix(".svg")
    if draw(runs, plot):
        page = f"![Latency and throughput at several loads](results/{plot.name})\n\n{page}"
    file.with_suffix(".md").write_text(page.replace("(results/", "("), encoding="utf-8")
    put(arguments.readme, "continuous", page)


def put(file: Path, section: str, text: str) -> None:
    """Put ``text`` between the section's two marks, if the file has them."""
    if not file.is_file():
        return
    before = file.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- {section} -->\n).*?(<!-- /{section} -->)", re.DOTALL)
    after = marks.sub(lambda match: f"{match[1]}{text}{match[2]}", before)
    file.write_text(after, encoding="utf-8")


def plotting() -> Any:
    """The plots of matplotlib as SVG; None when it is not installed."""
    try:
        import matplotlib
    except ImportError:
        _say("no plot: matplotlib is not installed")
        return None
    matplotlib.use("svg")
    # The same figures give the same file, with letters as letters.
    matplotlib.rcParams.update({"svg.hashsalt": "tformer", "svg.fonttype": "none"})
    from matplotlib import pyplot

    return pyplot


def draw(runs: Sequence[Run], file: Path) -> bool:
    """p95 latency and throughput over load as SVG; False when matplotlib is not installed."""
    if (pyplot := plotting()) is None:
        return False
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    names = (("p95_ms", "p95 latency, ms"), ("tokens_per_second", "target tokens a second"))
    for axis, (name, title) in zip(axes, names, strict=True):
        for way, style in zip(WAYS, ("o-", "s--"), strict=True):
            loads = _loads(runs)
            values = [_median(runs, way, load, name) for load in loads]
            axis.plot([100 * load for load in loads], values, style, label=way)
        axis.set(xlabel="load, % of what the engine can do", title=title, ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
    return True


if __name__ == "__main__":
    main()
