"""Run tformer on an emulated Arm processor, and compare it with this machine bit for bit.

    apt-get install qemu-user-static
    python benchmarks/arm.py newstest2014.en-de.en --sentences 48

A folder (``--root``) gets a Python for 64-bit Arm from Debian's packages and the libraries that a
translation in int8 needs, in the versions that are installed here. There, for every processor of
``PROCESSORS``, qemu runs this checkout:

- tests/test_int8_loops.py, the innermost loops against NumPy;
- networks of random weights with every activation, normalisation and way to look back;
- the model, at the level that is chosen by itself.

Token ids and scores of all hypotheses are compared with those of this machine. The exit status is
1 if one differs, a test fails, or another level is chosen than the one named. Compilation takes
minutes in an emulator. Results go to benchmarks/results/arm-emulated.md and .json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, cast

import identity
import numpy as np

from tformer.model.benchmark.machine import hardware
from tformer.model.benchmark.report import ReportTable
from tformer.model.checkpoint.weights import parameter_shapes
from tformer.model.config import Activation, LookBack, NormPlacement, TransformerConfig
from tformer.model.engine.engine import Engine
from tformer.model.hardware.cpu import level
from tformer.model.network.int8.network import Int8
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.search.request import Request

PROCESSORS = {"cortex-a53": "neon", "neoverse-n1": "neon_dotprod", "max": "neon_i8mm"}
"""Processors by qemu's names, and the level of each."""

EMULATOR = "qemu-aarch64-static"

REPOSITORY = Path(__file__).resolve().parent.parent

LIBRARIES = (
    "numpy", "numba", "llvmlite", "safetensors", "sentencepiece", "sentencex", "py3langid",
    "langcodes", "pyyaml", "rapidfuzz", "ahocorasick-rs", "typer", "rich", "cachetools",
    "markdown-it-py", "sacrebleu", "pytest", "pytest-timeout",
)  # fmt: skip
"""Installed for Arm, with all that they need."""

SYSTEM = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "libgomp1")
"""Debian's packages for Arm, and what they need."""

Answers = dict[str, list[identity.Answer]]
"""Answers of every network, by its name."""


def main() -> None:
    """Prepare the folder, run everything there and here, and write the table."""
    arguments = _arguments()
    if arguments.answer:
        print(json.dumps({"level": level().name, "answers": dict(_answers(arguments))}))
        return
    root = arguments.root.resolve()
    _prepare(root)
    expected = _own_answers(sys.argv[1:])
    found = [_run(root, name, expected) for name in arguments.processor or PROCESSORS]
    _write(found, arguments)
    sys.exit(not all(each["right"] for each in found))


def _arguments() -> argparse.Namespace:
    parser = identity.comparison_parser(__doc__ or "")
    parser.add_argument("--root", type=Path, default=Path.home() / ".cache/tformer/arm")
    parser.add_argument("--processor", action="append", choices=list(PROCESSORS), help="repeatable")
    parser.add_argument("--answer", action="store_true", help="print the answers of this machine")
    return parser.parse_args()


# -- what is computed -------------------------------------------------------------------------


class RandomWeights:
    """Weights of a network that has learnt nothing, always the same ones."""

    def __init__(self, config: TransformerConfig) -> None:
        self.config = config

    def arrays(self) -> dict[str, Any]:
        """Normally distributed numbers, around 1 where they multiply a normalised row."""
        draw, arrays = np.random.default_rng(1), {}
        for name, shape in parameter_shapes(self.config).items():
            values = draw.normal(size=shape) * 0.2
            is_gain = "norm" in name and name.endswith("weight")
            arrays[name] = (values + is_gain).astype(np.float32)
        return arrays


def networks() -> Iterator[tuple[str, TransformerConfig]]:
    """Small networks of every kind that int8 has."""
    activations = cast(tuple[Activation, ...], ("relu", "gelu", "silu", "gelu_tanh"))
    placements = cast(tuple[NormPlacement, ...], ("pre", "post"))
    ways = cast(tuple[LookBack, ...], ("attention", "ssru"))
    for activation, norm, look_back in product(activations, placements, ways):
        config = TransformerConfig(
            vocab_size=300, d_model=48, num_heads=3, d_ff=100, num_encoder_layers=2,
            num_decoder_layers=2, activation=activation, norm=norm, look_back=look_back,
        )  # fmt: skip
        yield f"random, {activation}, {norm}, {look_back}", config


def _answers(arguments: argparse.Namespace) -> Iterator[tuple[str, list[identity.Answer]]]:
    for name, config in networks():
        yield name, decoded(Int8(RandomWeights(config)))
    translator = Translator.load(arguments.model, dtype="int8", threads=1)
    sources = identity.token_lists(translator, arguments)
    options = DecodingOptions(beam_size=arguments.beam_size, n_best=arguments.beam_size)
    yield arguments.model, identity.in_batches(16)(translator, sources, options)


def decoded(network: Int8) -> list[identity.Answer]:
    """Answers to random sentences of up to 40 tokens."""
    draw, beam_size = np.random.default_rng(2), 4
    engine = Engine(network, beam_size=beam_size)
    options = DecodingOptions(beam_size=beam_size, n_best=beam_size, max_length=20)
    for length in (1, 7, 16, 17, 40):
        source = [*draw.integers(3, 300, length).tolist(), network.config.eos_id]
        engine.submit(Request(source, options))
    answers = {}
    while engine.busy:
        for finished in engine.step():
            best = finished.hypotheses
            tokens = tuple(tuple(each.tokens) for each in best)
            answers[finished.number] = (tokens, tuple(each.score for each in best))
    return [answers[number] for number in sorted(answers)]


def _own_answers(arguments: Sequence[str]) -> Answers:
    command = [sys.executable, __file__, *arguments, "--answer"]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return _read(output)["answers"]


def _read(output: bytes) -> dict[str, Any]:
    found = json.loads(output)
    found["answers"] = {
        name: [(tuple(map(tuple, tokens)), tuple(scores)) for tokens, scores in answers]
        for name, answers in found["answers"].items()
    }
    return found


# -- the emulated machine ---------------------------------------------------------------------


def _prepare(root: Path) -> None:
    """Have a Python for Arm with its libraries, and this checkout where it finds it."""
    for done, work in (("system", _install_system), ("libraries", _install_libraries)):
        if not (root / f"{done}.done").exists():
            _say(f"installing {done} in {root}")
            work(root)
            (root / f"{done}.done").touch()
    package = root / "checkout" / "tformer"
    package.mkdir(parents=True, exist_ok=True)
    for room in ("cli", "daemon", "dataset", "documents", "model", "protos", "server"):
        (package / room).unlink(missing_ok=True)
        (package / room).symlink_to(REPOSITORY / room)


def _install_system(root: Path) -> None:
    """Fetch Debian's packages for Arm, without touching this machine's own, and unpack them."""
    folder = root / "apt"
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    settings = folder / "apt.conf"
    settings.write_text(
        'APT::Architecture "arm64";\nAPT::Architectures { "arm64"; };\n'
        'APT::Install-Recommends "false";\nAPT::Sandbox::User "root";\n'
        'Acquire::Languages "none";\nDir::Etc::trustedparts "/etc/apt/trusted.gpg.d";\n'
        f'Dir::State "{folder}/state";\nDir::State::status "{folder}/status";\n'
        f'Dir::Cache "{folder}/cache";\n'
    )
    environment = {**os.environ, "APT_CONFIG": str(settings)}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    fetch = ["apt-get", "install", "-qq", "--yes", "--download-only", *SYSTEM]
    subprocess.run(fetch, env=environment, check=True, stdout=subprocess.DEVNULL)
    for package in sorted((folder / "cache/archives").glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(package), str(root / "system")], check=True)


def _install_libraries(root: Path) -> None:
    pinned = [f"{name}=={version(name)}" for name in LIBRARIES]
    python = _emulated(root, next(iter(PROCESSORS)))(["-S", "-c", _VERSION]).decode().strip()
    systems = [f"--platform=manylinux_2_{n}_aarch64" for n in (17, 26, 27, 28, 31, 34, 35)]
    command = [
        "pip", "install", "-q", "--no-cache-dir", "--target", str(root / "libraries"), "--upgrade",
        "--only-binary=:all:", *systems, "--platform=manylinux2014_aarch64",
        f"--python-version={python}", "--implementation=cp", f"--abi=cp{python.replace('.', '')}",
        "--abi=abi3", "--abi=none", *pinned,
    ]  # fmt: skip
    subprocess.run(command, check=True)


_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def _emulated(root: Path, processor: str) -> Callable[[Sequence[str]], bytes]:
    """A function that runs the Python for Arm with arguments, and gives its output."""
    system = root / "system"
    path = os.pathsep.join(map(str, (root / "checkout", root / "libraries", REPOSITORY / "tests")))
    given = {
        "PYTHONPATH": path,
        "NUMBA_CACHE_DIR": str(root / "code"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [EMULATOR, "-cpu", processor, "-L", str(system)]

    def run(arguments: Sequence[str]) -> bytes:
        call = [*command, str(system / "usr/bin/python3"), *arguments]
        return subprocess.check_output(call, env={**os.environ, **given})

    return run


def _run(root: Path, processor: str, expected: Answers) -> dict[str, Any]:
    """Tests and answers of an emulated processor, compared."""
    run, started = _emulated(root, processor), time.perf_counter()
    tests = _tests(run)
    _say(f"{processor}: {tests}")
    answer = _read(run([__file__, *sys.argv[1:], "--answer"]))
    differences = [
        identity.compare("int8", name, answers, answer["answers"][name], 0.0)
        for name, answers in expected.items()
    ]
    for each in differences:
        _say(f"{processor}: {each.way}: {each.translations} and {each.scores} differ")
    same = not any(each.translations or each.scores for each in differences)
    return {
        "processor": processor,
        "level": answer["level"],
        "tests": tests,
        "sentences": {each.way: each.sentences for each in differences},
        "other_translations": sum(each.translations for each in differences),
        "other_scores": sum(each.scores for each in differences),
        "minutes": round((time.perf_counter() - started) / 60, 1),
        "right": same and answer["level"] == PROCESSORS[processor] and " failed" not in tests,
    }


def _tests(run: Callable[[Sequence[str]], bytes]) -> str:
    """The last line of the tests of the innermost loops."""
    file = str(REPOSITORY / "tests/test_int8_loops.py")
    options = ["--noconftest", "-p", "no:cacheprovider", "-q", "--timeout=3000"]
    configured = ["-c", os.devnull, "--rootdir", str(REPOSITORY / "tests")]
    try:
        output = run(["-m", "pytest", *configured, *options, file])
    except subprocess.CalledProcessError as error:
        output = error.stdout + b"\n1 failed or more"
    return output.decode().strip().splitlines()[-1]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _write(found: Sequence[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Write and print the results."""
    rows = [
        [
            f"{each['processor']}, {each['level']}", each["tests"],
            f"{sum(each['sentences'].values()):,}", str(each["other_translations"]),
            str(each["other_scores"]),
        ]
        for each in found
    ]  # fmt: skip
    header = ["qemu", "loops", "sentences", "other translations", "other scores"]
    here = hardware()
    title = f"Emulated Arm against {here['cpu']} ({here['level']})"
    table = ReportTable(title, header, rows).markdown()
    asked = [EMULATOR, "--version"]
    emulator = subprocess.check_output(asked, text=True).splitlines()[0]
    versions = {name: version(name) for name in ("numpy", "numba", "llvmlite")}
    facts = {"text": arguments.text.name, "model": arguments.model, "hardware": here}
    record = {**facts, "emulator": emulator, "versions": versions, "processors": list(found)}
    arguments.results.mkdir(parents=True, exist_ok=True)
    file = arguments.results / "arm-emulated.json"
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    file.with_suffix(".md").write_text(f"- {emulator}\n\n{table}", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
