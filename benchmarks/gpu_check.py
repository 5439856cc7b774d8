"""Check and measure decoding on a GPU, and write down what it showed.

    python benchmarks/gpu_check.py                    or: make gpu-check TEXT=sentences.en.txt
    python benchmarks/gpu_check.py --device cpu       the same at tiny sizes, to try the script

It runs the tests that need a GPU, compares translations with those of the CPU token by token, sees
that a step waits for the device once and that neighbours change nothing, measures steps against
the time that reading their memory takes, and, with `tformer bench`, other systems with the same
weights. A table goes to stdout and to benchmarks/results/gpu-NAME.md, all figures to
gpu-NAME.json beside it. The exit status is 1 when a check failed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tformer.model.checkpoint.layout import find_model
from tformer.model.config import PRESETS, TransformerConfig
from tformer.model.engine.engine import Engine, Finished
from tformer.model.errors import TformerError
from tformer.model.hardware import device as devices
from tformer.model.hardware.device import choose_device, choose_dtype, on_host
from tformer.model.network.cuda_graphs import Buckets, Graphed
from tformer.model.network.eager import Eager
from tformer.model.network.interface import Network
from tformer.model.network.torch_checkpoint import load_model
from tformer.model.network.transformer import Transformer
from tformer.model.options import DecodingOptions
from tformer.model.passes.draft import Route
from tformer.model.pipeline.translator import Translator
from tformer.model.search.request import Request
from tformer.model.search.scores import largest_by_chunks

REPOSITORY = Path(__file__).parent.parent
RESULTS = REPOSITORY / "benchmarks" / "results"
BUDGET = 1 << 16
"""Tokens of a batch, enough for the largest that is measured at once."""

TINY = TransformerConfig(vocab_size=500, d_model=64, num_heads=2, d_ff=128, max_length=64)


@dataclass(frozen=True)
class Size:
    """Size of the measurement."""

    config: TransformerConfig
    batches: tuple[int, ...]
    """Sentences that are decoded at once."""
    length: int
    """Tokens of every source and target of the random model."""
    rounds: int
    lines: int
    """Most lines of the text."""
    copied: int
    """Bytes of a copy that measures memory."""
    peers: str
    """Shape for `tformer bench`."""
    one_shape: Buckets
    """In which all the sentences that are compared with themselves find room."""


FULL = Size(
    config=PRESETS["base"],
    batches=(1, 8, 32, 128, 256),
    length=32,
    rounds=3,
    lines=2000,
    copied=1 << 30,
    peers="6+6x512v37000",
    one_shape=Buckets(places=(64,), target=(256,), source=(128,)),
)
DRY = Size(
    config=TINY,
    batches=(1, 8),
    length=6,
    rounds=1,
    lines=4,
    copied=1 << 20,
    peers="1+1x64v512",
    one_shape=Buckets(places=(4,), target=(96,), source=(32,)),
)


@dataclass(frozen=True)
class Check:
    """Something that is right or wrong."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Speed:
    """One network at one size of batch, beam 4."""

    network: str
    sentences: int
    tokens_per_second: float
    """Target tokens of the best hypotheses, their ends counted, of a whole engine; a median."""
    engine_ms: float
    """A step of the engine: network, search, and all that is between."""
    device_ms: float
    """A step of the network alone, one launched after the other without waiting."""
    floor_ms: float
    """Reading weights, keys and values of a step once, at the measured bandwidth."""

    @property
    def of_floor(self) -> float:
        """Share of the memory's bandwidth that a step of the network reaches."""
        return self.floor_ms / self.device_ms


def main() -> int:
    """Check, measure, write."""
    arguments = _arguments()
    device = choose_device(arguments.device)
    size = FULL if device.type == "cuda" else DRY
    hardware = _hardware(device)
    print(f"{hardware['device']}, torch {torch.__version__}", file=sys.stderr)
    checks = list(_checks(arguments, device, size))
    bandwidth = _bandwidth(device, size)
    speeds = list(_speeds(device, size, bandwidth))
    record = {
        "hardware": {**hardware, "memory_gb_per_second": bandwidth / 1e9},
        "checks": [asdict(check) for check in checks],
        "speeds": [{**asdict(speed), "of_floor": speed.of_floor} for speed in speeds],
        "best_tokens_us": _best_tokens(device, size),
        "text": _text_speed(arguments, device, size),
        "peers": None if arguments.without_peers else _peers(device, size),
    }
    table = _report(record)
    print(table)
    if folder := arguments.results or (RESULTS if device.type == "cuda" else None):
        _write(folder, hardware["device"], record, table)
    return 0 if all(check.passed for check in checks) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu for a dry run")
    parser.add_argument("--model", default="en-de", help="name or directory")
    parser.add_argument("--text", type=Path, default=REPOSITORY / "examples" / "letter.en.txt")
    parser.add_argument("--results", type=Path, help="folder for the files")
    parser.add_argument("--without-tests", action="store_true")
    parser.add_argument("--without-peers", action="store_true")
    return parser.parse_args()


# -- what must be right -----------------------------------------------------------------------


def _checks(arguments: argparse.Namespace, device: torch.device, size: Size) -> Iterator[Check]:
    if not arguments.without_tests:
        yield _told(_tests(device))
    requests = _requests_of(arguments.model, arguments.text, size.lines)
    path = find_model(arguments.model)

    def network(dtype: torch.dtype, buckets: Buckets | None = None) -> Graphed:
        return Graphed(load_model(path, device, dtype)[0], buckets=buckets)

    plain = Eager(load_model(path, torch.device("cpu"), torch.float32)[0])
    expected = _answers(plain, requests)
    single = network(torch.float32)
    yield _told(_same_tokens("float32: tokens are those of the CPU", single, requests, expected, 1))
    half = choose_dtype("auto", device)
    name = str(half).removeprefix("torch.")
    yield _told(
        _same_tokens(f"{name}: tokens are those of the CPU", network(half), requests, expected, 0)
    )
    yield _told(_waits(network(half), requests[:500]))
    for title, buckets in (
        ("with one shape", size.one_shape),
        ("with the default shapes", None),
    ):
        must = buckets is not None and device.type == "cuda"
        found = _independent(network(half, buckets), requests[:64], must)
        yield _told(replace(found, name=f"{name}, {title}: neighbours change no bit"))


def _told(check: Check) -> Check:
    print(f"{'ok' if check.passed else 'FAILED'}: {check.name}: {check.detail}", file=sys.stderr)
    return check


def _tests(device: torch.device) -> Check:
    """The tests of what runs on a GPU, in a process of their own."""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "tests/test_cuda.py"]
    command += ["tests/test_graphed.py", "tests/test_graphed_recorder.py"]
    environment = {**os.environ, "TFORMER_TEST_DEVICE": str(device)}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout[-8000:], done.stderr[-2000:], file=sys.stderr)
    summary = done.stdout.strip().splitlines()[-1:] or [done.stderr.strip()[-200:]]
    return Check("tests", done.returncode == 0, summary[0].strip("= "))


def _requests_of(model: str, text: Path, lines: int) -> list[Request]:
    """The sentences of a text, as the engine gets them."""
    translator = Translator.load(model, device="cpu", dtype="float32")
    languages = translator.source_languages
    route = Route(languages, translator.target_languages, languages[0], None)
    options = DecodingOptions()
    texts = text.read_text("utf-8").splitlines()[:lines]
    drafts = [translator.draft(line, route, options) for line in texts]
    return [
        Request(tuple(sentence.tokens), options)
        for draft in drafts
        for sentence in draft.sentences
        if sentence.tokens
    ]


def _answers(network: Network, requests: Sequence[Request]) -> list[Finished]:
    """Answers of one engine, in the order of the requests."""
    engine = Engine(network, beam_size=4, max_tokens=BUDGET)
    for request in requests:
        engine.submit(request)
    finished = []
    while engine.busy:
        finished += engine.step()
    return sorted(finished, key=lambda answer: answer.number)


def _same_tokens(
    name: str,
    network: Network,
    requests: Sequence[Request],
    expected: Sequence[Finished],
    needed: float,
) -> Check:
    """Compare the best hypotheses token by token.

    Args:
        needed: the share of sentences that must be the same; where it is all, those whose two
            translations are equally probable, but for rounding, count as the same.
    """
    same_sentences = same_tokens = tokens = 0
    apart = 0.0
    for ours, theirs in zip(_answers(network, requests), expected, strict=True):
        one, other = ours.hypotheses[0], theirs.hypotheses[0]
        tokens += len(other.tokens)
        pairs = zip(one.tokens, other.tokens, strict=False)
        first = next((i for i, (a, b) in enumerate(pairs) if a != b), len(other.tokens))
        same_tokens += min(first, len(other.tokens))
        same_sentences += one.tokens == other.tokens
        if one.tokens != other.tokens:
            apart = max(apart, abs(one.score - other.score))
    share = same_sentences / len(requests)
    detail = (
        f"{same_sentences} of {len(requests)} sentences, {same_tokens / tokens:.2%} of tokens "
        f"before a difference; scores of the others at most {apart:.1e} apart"
    )
    return Check(name, share >= needed or (needed == 1 and apart < 1e-4), detail)


def _waits(network: Graphed, requests: Sequence[Request]) -> Check:
    """Count how often a step waits, and let torch raise at any wait that is not counted."""
    name = "a step waits for the device once"
    for _ in range(3):
        _answers(network, requests)  # until all is recorded
    engine = Engine(network, beam_size=4, max_tokens=BUDGET)
    for request in requests:
        engine.submit(request)
    steps = 0
    with _counted_waits(network.device) as waits:
        try:
            while engine.busy:
                engine.step()
                steps += 1
        except RuntimeError as error:
            return Check(name, False, str(error).partition("\n")[0])
    return Check(name, len(waits) == steps, f"{len(waits)} waits in {steps} steps")


@contextmanager
def _counted_waits(device: torch.device) -> Iterator[list[int]]:
    waits: list[int] = []

    def alert(mode: str) -> None:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode(mode)

    def counting(*tensors: Tensor) -> tuple[Tensor, ...]:
        waits.append(len(tensors))
        alert("default")
        try:
            return on_host(*tensors)
        finally:
            alert("error")

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Synchronization debug mode")
        devices.on_host = counting
        alert("error")
        try:
            yield waits
        finally:
            alert("default")
            devices.on_host = on_host


def _independent(network: Graphed, requests: Sequence[Request], must: bool) -> Check:
    together = [answer.hypotheses for answer in _answers(network, requests)]
    alone = [_answers(network, [request])[0].hypotheses for request in requests]
    same = sum(one == other for one, other in zip(together, alone, strict=True))
    text = sum(one[0].tokens == other[0].tokens for one, other in zip(together, alone, strict=True))
    detail = f"{same} of {len(requests)} with all scores, {text} in their tokens"
    return Check("", same == len(requests) or not must, detail)


# -- how fast it is ---------------------------------------------------------------------------


def _speeds(device: torch.device, size: Size, bandwidth: float) -> Iterator[Speed]:
    """The random model, recorded and not."""
    torch.manual_seed(1)
    dtype = choose_dtype("auto", device)
    transformer = Transformer(size.config).to(device, dtype)
    for sentences in size.batches:
        for name, network in (("graphed", Graphed(transformer)), ("eager", Eager(transformer))):
            tokens_per_second, engine_ms = _engine_speed(network, sentences, size)
            speed = Speed(
                name,
                sentences,
                tokens_per_second,
                engine_ms,
                _device_ms(network, sentences, size),
                _step_bytes(transformer, sentences, size) / bandwidth * 1e3,
            )
            print(f"{name}, {sentences}: {tokens_per_second:,.0f} tokens/s", file=sys.stderr)
            yield speed


def _sources(sentences: int, size: Size) -> list[list[int]]:
    shape = (sentences, size.length)
    generator = torch.Generator().manual_seed(1)
    return torch.randint(3, size.config.vocab_size, shape, generator=generator).tolist()


def _engine_speed(network: Network, sentences: int, size: Size) -> tuple[float, float]:
    """Target tokens a second, and milliseconds a step, of forced lengths."""
    options = DecodingOptions(min_length=size.length - 1, max_length=size.length - 1)
    requests = [Request(tuple(source), options) for source in _sources(sentences, size)]
    for _ in range(2):
        _answers(network, requests)
    seconds = median(_seconds(lambda: _answers(network, requests)) for _ in range(size.rounds))
    return sentences * size.length / seconds, seconds / size.length * 1e3


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@torch.inference_mode()
def _device_ms(network: Network, sentences: int, size: Size) -> float:
    """A step without search: the beams shift by one place each time."""
    rows = sentences * 4
    index = np.arange(rows)
    parents = index // 4 * 4 + (index + 1) % 4
    tokens = np.full(rows, 5)

    def decode() -> float:
        decoding = network.start(4)
        decoding.admit(_sources(sentences, size))
        _wait(network.device)
        started = time.perf_counter()
        for _ in range(size.length):
            decoding.step(tokens)
            decoding.select(parents)
        _wait(network.device)
        seconds = time.perf_counter() - started
        decoding.select(parents[:0], [])
        return seconds

    decode(), decode()
    return median(decode() for _ in range(size.rounds)) / size.length * 1e3


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _step_bytes(transformer: Transformer, sentences: int, size: Size) -> float:
    """Bytes that a step has to read: weights once, and the past, on average of all steps.

    Logits need never leave the chip, and are not counted.
    """
    config, width = size.config, next(transformer.parameters()).element_size()
    decoder = sum(p.numel() for p in transformer.decoder.parameters())
    decoder -= config.num_decoder_layers * 2 * config.d_model**2  # of the memory, once a sentence
    weights = decoder + transformer.target_embedding.weight.numel()
    positions = 4 * (size.length + 1) / 2 + size.length
    past = sentences * positions * 2 * config.d_model * config.num_decoder_layers
    return (weights + past) * width


def _bandwidth(device: torch.device, size: Size) -> float:
    """Bytes a second that a copy reads and writes."""
    source = torch.empty(size.copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)

    def copy() -> None:
        for _ in range(10):
            target.copy_(source)
        _wait(device)

    copy()
    return 20 * size.copied / median(_seconds(copy) for _ in range(5))


def _best_tokens(device: torch.device, size: Size) -> dict[str, float]:
    """Microseconds of two ways to find the nine best of 512 rows of logits."""
    logits = torch.randn(512, size.config.vocab_size, device=device)

    def find(best: Callable[[Tensor, int], object]) -> None:
        for _ in range(20):
            best(logits, 9)
        _wait(device)

    found = {}
    for name, best in (("topk", torch.topk), ("chunks", largest_by_chunks)):
        find(best)
        seconds = median(_seconds(partial(find, best)) for _ in range(size.rounds))
        found[name] = seconds / 20 * 1e6
    return found


def _text_speed(
    arguments: argparse.Namespace, device: torch.device, size: Size
) -> dict[str, float]:
    """The model on the text, from lines to lines."""
    dtype = str(choose_dtype("auto", device)).removeprefix("torch.")
    translator = Translator.load(arguments.model, device=str(device), dtype=dtype)
    texts = arguments.text.read_text("utf-8").splitlines()[: size.lines]
    translator.max_tokens = 1 << 16

    def translate(batches: Sequence[Sequence[str]]) -> int:
        source = translator.source_languages[0]
        return sum(
            translation.target_tokens
            for batch in batches
            for translation in list(translator.translate(batch, source=source))
        )

    one_by_one = [[text] for text in texts[:200]]
    figures = {}
    for name, batches in (("together", [texts]), ("one_by_one", one_by_one)):
        translate(batches)
        tokens = translate(batches)
        work = partial(translate, batches)
        seconds = median(_seconds(work) for _ in range(size.rounds))
        figures[f"{name}_tokens_per_second"] = tokens / seconds
        figures[f"{name}_ms_per_line"] = seconds / sum(map(len, batches)) * 1e3
    return figures


def _peers(device: torch.device, size: Size) -> dict[str, Any]:
    """Output of `tformer bench` for other systems on the same weights; or why there is none."""
    half = str(choose_dtype("auto", device)).removeprefix("torch.")
    systems = [f"tformer:{half}", f"ctranslate2:{half}", f"transformers:{half}"]
    command = [sys.executable, "-m", "tformer.cli", "bench", "--shape", size.peers, "--json"]
    command += ["--device", device.type, "--beam-size", "4", "--sentences", str(size.batches[-1])]
    command += ["--length", str(size.length), "--rounds", str(size.rounds)]
    for batch in (1, 128):
        command += ["--batch", str(min(batch, size.batches[-1]))]
    for system in systems:
        command += ["--system", system]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return {"left_out": f"tformer bench ended with status {done.returncode}"}
    return json.loads(done.stdout)


# -- what is written --------------------------------------------------------------------------


def _hardware(device: torch.device) -> dict[str, Any]:
    found: dict[str, Any] = {"torch": torch.__version__, "python": platform.python_version()}
    if device.type != "cuda":
        return {"device": f"dry run on a CPU ({platform.machine()})", **found}
    properties = torch.cuda.get_device_properties(device)
    return {
        "device": properties.name,
        "memory_gib": properties.total_memory / 2**30,
        "capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        **found,
    }


def _report(record: dict[str, Any]) -> str:
    """Markdown."""
    hardware = record["hardware"]
    lines = [
        f"# {hardware['device']}",
        "",
        f"torch {hardware['torch']}, memory {hardware['memory_gb_per_second']:,.1f} GB/s measured "
        "by a copy. Made by `make gpu-check`.",
        "",
        *_table(
            ("check", "", "found"),
            [
                (c["name"], "ok" if c["passed"] else "**failed**", c["detail"])
                for c in record["checks"]
            ],
        ),
        "",
        "Random weights, forced lengths, beam 4; a step of the network alone against the time that "
        "reading its memory takes.",
        "",
        *_table(
            ("network", "sentences", "tokens/s", "engine ms/step", "device ms/step", "of floor"),
            [
                (
                    s["network"],
                    f"{s['sentences']}",
                    f"{s['tokens_per_second']:,.0f}",
                    f"{s['engine_ms']:.3f}",
                    f"{s['device_ms']:.3f}",
                    f"{s['of_floor']:.0%}",
                )
                for s in record["speeds"]
            ],
        ),
        "",
        *(f"- text, {name.replace('_', ' ')}: {v:,.1f}" for name, v in record["text"].items()),
        *(
            f"- best tokens of 512 rows, {name}: {microseconds:,.0f} µs"
            for name, microseconds in record["best_tokens_us"].items()
        ),
        "",
        *_peer_lines(record["peers"]),
    ]
    return "\n".join(lines)


def _peer_lines(peers: dict[str, Any] | None) -> list[str]:
    """Other systems, of which `tformer bench` gives medians."""
    if peers is None:
        return []
    if "cells" not in peers:
        return [f"Other systems: {peers.get('left_out')}", ""]
    rows = [
        (f"{cell['batch'] or 'all'}", name, f"{system['tokens_per_second']['median']:,.0f}")
        for cell in peers["cells"]
        for name, system in cell["systems"].items()
    ]
    missing = [f"{name} was left out: {why}" for name, why in peers.get("left_out", {}).items()]
    return [*_table(("batch", "system", "tokens/s"), rows), "", *missing]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _write(folder: Path, device: str, record: dict[str, Any], table: str) -> None:
    name = "gpu-" + re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    (folder / f"{name}.md").write_text(table + "\n", "utf-8")
    print(f"written to {folder / name}.md and .json", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TformerError as error:
        sys.exit(f"error: {error}")
