"""Train networks of several shapes for the same processor time, and compare what they have learnt.

    tformer prepare RECIPE DATA --corpora TEXTS
    python benchmarks/shapes.py RECIPE DATA RUNS --minutes 20 --shape 6+2x256f2048 --shape 12+1x256
    python benchmarks/shapes.py ... --other-data DATA16 --shape 6+2x256f2048v16000

Every shape begins anew, is a process with one thread, and takes its turns of ``--turn`` minutes of
processor time, ``--jobs`` shapes at a time, so that other work on the machine slows all alike. A
store serves the shapes with its size of vocabulary. RUNS gets a folder a shape; a call that was
interrupted goes on there. The results go to benchmarks/results/shapes-MACHINE.json and .md, the
curves to .svg (needs matplotlib): tokens seen, loss on text that is seen for the first time (in
nats per token, and per byte, which compares vocabularies), BLEU and chrF of the recipe's
validation sets by the moving average of the parameters, and the speed of `tformer bench --shape`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from continuous import plotting, put

from tformer.model.benchmark.machine import hardware, slug
from tformer.model.benchmark.report import ReportTable
from tformer.model.benchmark.shape import parse_shape
from tformer.model.training.store import TokenStore

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
COMMAND = (sys.executable, "-m", "tformer.cli")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TFORMER_NO_DAEMON": "1"}
FOREVER = 10_000_000
"""Steps of a recipe that ends with its time."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class ShapeRun:
    """One shape on its way, with the processor seconds that its turns have taken."""

    shape: str
    data: Path
    folder: Path
    settings: Sequence[str] = ()
    seconds: list[float] = field(default_factory=list)

    @property
    def recipe(self) -> Path:
        """The recipe with this shape."""
        return self.folder / "recipe.toml"

    @property
    def log(self) -> list[dict[str, Any]]:
        """Log of `tformer train`."""
        file = self.folder / "run" / "log.jsonl"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    @property
    def step(self) -> int:
        """The last step that was logged."""
        return int(max((entry["step"] for entry in self.log), default=0))


def main() -> None:
    """Train in turns, measure, and write the results."""
    arguments = _arguments()
    runs = list(_runs(arguments))
    turns = max(1, round(arguments.minutes / arguments.turn))
    limit = 60 * arguments.minutes / turns
    for turn in range(turns):
        waiting = [run for run in runs if len(run.seconds) <= turn]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            list(pool.map(lambda run: _take_turn(run, limit), waiting))
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(_validate, runs))
    _write(arguments, [_figures(run) for run in runs])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("data", type=Path, help="token store of the recipe")
    parser.add_argument("runs", type=Path, help="folder of the runs")
    parser.add_argument("--shape", action="append", required=True, help="repeatable")
    parser.add_argument("--other-data", type=Path, action="append", default=[])
    parser.add_argument("--set", action="append", default=[], help="as of tformer train")
    parser.add_argument("--minutes", type=float, default=20, help="processor time of each shape")
    parser.add_argument("--turn", type=float, default=5, help="processor minutes of a turn")
    parser.add_argument("--jobs", type=int, default=2, help="shapes at a time, a core each")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "training.md")
    return parser.parse_args()


# -- training in turns ----------------------------------------------------------------------------


def _runs(arguments: argparse.Namespace) -> Iterator[ShapeRun]:
    """The shapes, where earlier calls have left them."""
    folders = [arguments.data, *arguments.other_data]
    stores = {len(TokenStore.open(folder).vocabulary): folder for folder in folders}
    smallest = len(TokenStore.open(arguments.data).vocabulary)
    for shape in arguments.shape:
        named = shape if "v" in shape else f"{shape}v{smallest}"
        size = parse_shape(named).vocab_size
        if size not in stores:
            sys.exit(f"no token store has a vocabulary of {size}: name one with --other-data")
        folder = arguments.runs / named
        folder.mkdir(parents=True, exist_ok=True)
        run = ShapeRun(named, stores[size], folder, arguments.set)
        run.recipe.write_text(recipe_of(arguments.recipe.read_text("utf-8"), named), "utf-8")
        times = folder / "seconds.json"
        run.seconds = json.loads(times.read_text("utf-8")) if times.exists() else []
        yield run


def recipe_of(recipe: str, shape: str) -> str:
    """The recipe's text with the shape in place of its own sections on model and vocabulary."""
    config = parse_shape(shape)
    sections = re.split(r"^(?=\[)", recipe, flags=re.MULTILINE)
    kept = [part for part in sections if not re.match(r"\[(model|vocabulary)\]", part)]
    names = ("d_model", "num_heads", "d_ff", "num_encoder_layers", "num_decoder_layers")
    lines = [f"{name} = {getattr(config, name)}" for name in names]
    model = "\n".join(["[model]", *lines, 'norm = "pre"', "dropout = 0.0"])
    return f"{kept[0]}{model}\n\n[vocabulary]\nsize = {config.vocab_size}\n\n{''.join(kept[1:])}"


def _take_turn(run: ShapeRun, limit: float) -> None:
    """Train for ``limit`` seconds of processor time, and stop as Ctrl-C does."""
    process = _train(run, FOREVER)
    used = 0.0
    while process.poll() is None and used < limit:
        time.sleep(0.5)
        used = _processor_seconds(process.pid) or used
    process.send_signal(signal.SIGTERM)
    _require(process, (0, 143))
    run.seconds.append(used)
    (run.folder / "seconds.json").write_text(json.dumps(run.seconds), "utf-8")
    print(f"{run.shape}: {sum(run.seconds):.0f} s, step {run.step}", file=sys.stderr, flush=True)


def _validate(run: ShapeRun) -> None:
    """Take one step more, which ends the run with a validation."""
    if not any("validation" in entry for entry in run.log):
        _require(_train(run, run.step + 1), (0,))


def _train(run: ShapeRun, steps: int) -> subprocess.Popen[bytes]:
    """Start `tformer train` where the run stands."""
    command = [*COMMAND, "train", str(run.recipe), str(run.data), str(run.folder / "run")]
    settings = (f"max_steps={steps}", f"validate_every={FOREVER}", f"checkpoint_every={FOREVER}")
    for setting in (*settings, "log_every=1", *run.settings):
        command += ["--set", setting]
    with (run.folder / "output.txt").open("ab") as log:
        return subprocess.Popen(command, env=ENVIRONMENT, stdout=log, stderr=log)


def _require(process: subprocess.Popen[bytes], expected: Sequence[int]) -> None:
    """Wait for the end of a process, which must be one of ``expected``."""
    if process.wait() not in expected:
        sys.exit(f"{process.args!r} ended with {process.returncode}: see its output.txt")


def _processor_seconds(process: int) -> float:
    """User and system seconds of a process and all its threads; 0 if it has ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    after_name = text.rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS


# -- figures --------------------------------------------------------------------------------------


def _figures(run: ShapeRun) -> dict[str, Any]:
    """Loss, scores, size and speed of one shape."""
    steps = [entry for entry in run.log if "loss" in entry]
    scores = next(entry["validation"] for entry in run.log if "validation" in entry)
    loss = mean(entry["nll"] for entry in steps[-len(steps) // 10 :])
    seconds, seen = sum(run.seconds), steps[-1]["tokens"]
    return {
        "shape": run.shape,
        "parameters": _parameters(run.folder / "run" / "model" / "model.safetensors"),
        "processor_seconds": seconds,
        "steps": len(steps),
        "target_tokens": seen,
        "nll": loss,
        "nll_per_byte": loss / _bytes_per_token(run.data),
        "BLEU": mean(value for name, value in scores.items() if name.endswith("BLEU")),
        "chrF": mean(value for name, value in scores.items() if name.endswith("chrF")),
        "decoding": _decoding_speed(run.shape),
        "curve": _curve(steps, seconds),
    }


def _parameters(file: Path) -> int:
    """Number of parameters in a file of weights, from its header."""
    with file.open("rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    header.pop("__metadata__", None)
    return sum(math.prod(tensor["shape"]) for tensor in header.values())


def _bytes_per_token(data: Path, pairs: int = 5_000) -> float:
    """UTF-8 bytes a target token, with the end of the sentence, of pairs from all over a store."""
    store = TokenStore.open(data)
    text, tokens = 0, 0
    for index in range(0, len(store.lengths), max(1, len(store.lengths) // pairs)):
        target = store.pair(index)[1].tolist()
        text += len(store.vocabulary.decode(target).encode())
        tokens += len(target)
    return text / tokens


def _curve(steps: Sequence[dict[str, Any]], seconds: float, points: int = 40) -> list[list[float]]:
    """Processor seconds and mean loss of so many parts of a run."""
    width = max(1, len(steps) // points)
    parts = [steps[start : start + width] for start in range(0, len(steps), width)]
    share = seconds / steps[-1]["tokens"]
    return [[part[-1]["tokens"] * share, mean(entry["nll"] for entry in part)] for part in parts]


def _decoding_speed(shape: str) -> float:
    """Target tokens a second at beam 4 in int8, of a network of this shape with random weights."""
    options = ("--system", "tformer:int8", "--batch", "0", "--beam-size", "4", "--json")
    command = [*COMMAND, "bench", "--shape", shape, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    cell = json.loads(done.stdout)["cells"][0]
    return float(cell["systems"]["tformer:int8"]["tokens_per_second"]["median"])


# -- results --------------------------------------------------------------------------------------

HEADER = ["Encoder + decoder x width", "parameters", "target tokens seen", "nats a token"]
HEADER += ["nats a byte", "BLEU", "chrF", "decoding, tokens/s"]


def table(figures: Sequence[dict[str, Any]]) -> ReportTable:
    """A row a shape, the lowest loss first."""
    rows = [
        [
            f"`{one['shape']}`",
            f"{one['parameters'] / 1e6:.1f} M",
            f"{one['target_tokens'] / 1e6:.2f} M",
            *(f"{one[name]:.3f}" for name in ("nll", "nll_per_byte")),
            *(f"{one[name]:.1f}" for name in ("BLEU", "chrF")),
            f"{one['decoding']:,.0f}",
        ]
        for one in sorted(figures, key=lambda one: float(one["nll_per_byte"]))
    ]
    return ReportTable("Shapes at equal processor time", HEADER, rows)


def _write(arguments: argparse.Namespace, figures: Sequence[dict[str, Any]]) -> None:
    arguments.results.mkdir(parents=True, exist_ok=True)
    file = arguments.results / f"shapes-{slug()}.json"
    record = {"hardware": hardware(), "minutes": arguments.minutes, "shapes": list(figures)}
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    page = "\n".join(table(figures).markdown().splitlines()[2:])  # without its heading
    page += f"\n\n{arguments.minutes:g} minutes each of one core of {record['hardware']['cpu']}.\n"
    if draw(figures, file.with_suffix(".svg")):
        page += f"\n![Loss over processor time](../benchmarks/results/{file.stem}.svg)\n"
    file.with_suffix(".md").write_text(page.replace("(../benchmarks/results/", "("), "utf-8")
    put(arguments.page, "shapes", page)
    print(page)


def draw(figures: Sequence[dict[str, Any]], file: Path) -> bool:
    """Loss over processor time as SVG; False when matplotlib is not installed."""
    if (pyplot := plotting()) is None:
        return False
    figure, axis = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    for one in figures:
        times, losses = zip(*one["curve"], strict=True)
        axis.plot([seconds / 60 for seconds in times], losses, label=one["shape"])
    axis.set(xlabel="minutes of one core", ylabel="loss, nats a token", ylim=(None, 7))
    axis.legend(frameon=False, fontsize="small")
    axis.grid(alpha=0.3)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
    return True


if __name__ == "__main__":
    main()
