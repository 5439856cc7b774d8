"""A list of sentences through LibreTranslate and through `tformer serve --http`.

    python3 -m venv lt && lt/bin/pip install torch==2.13.0 libretranslate spacy
    python benchmarks/libretranslate.py newstest2014.en --python lt/bin/python

Both have the same weights: ours are exported to CTranslate2, which is LibreTranslate's engine, in
int8, and packed as it expects; a beam of 4, which is the default of both. Its own splitters of
sentences cannot be had without a network, so it gets spaCy's rules, which take less time. In every
round both get the list in one request, and then its first sentences one a request. Neither has a
cache. Medians over the rounds go to RESULTS/libretranslate.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from hostile_server import processor
from served import served

RESULTS = Path(__file__).with_name("results")

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Variables that would hold a program to fewer cores than it takes by itself."""

VERSIONS = (
    "from importlib.metadata import version; import json; "
    "print(json.dumps({n: version(n) for n in ('libretranslate', 'ctranslate2', 'spacy')}))"
)


def pack(folder: Path, exported: Path, python: str, source: str, target: str) -> None:
    """Write an installed package of Argos Translate, with the words of ours before and after."""
    folder.mkdir(parents=True)
    facts = {"package_version": "1.0", "argos_version": "1.9", "from_code": source,
             "from_name": source, "to_code": target, "to_name": target}  # fmt: skip
    (folder / "metadata.json").write_text(json.dumps(facts))
    shutil.copytree(exported, folder / "model")
    shutil.copy(exported / "sentencepiece.model", folder)
    config = json.loads((exported / "config.json").read_text())
    config |= {"add_source_bos": True, "bos_token": f"<2{target}>", "add_source_eos": True}
    (folder / "model" / "config.json").write_text(json.dumps(config))
    splitter = f"import spacy; spacy.blank({source!r}).to_disk({str(folder / 'spacy')!r})"
    subprocess.run([python, "-c", splitter], check=True)


@contextmanager
def libretranslate(python: str, model: str, threads: int | None = None) -> Iterator[str]:
    """LibreTranslate with a model of ours, and threads other than its own choice; its address."""
    with TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as free:
        home, port = Path(name), free.getsockname()[1]
        free.close()
        export = [sys.executable, "-m", "tformer.cli", "convert", "ctranslate2", model,
                  str(home / "exported"), "--quantization", "int8"]  # fmt: skip
        subprocess.run(export, check=True, stderr=subprocess.DEVNULL)
        for source, target in (("en", "de"), ("de", "en")):
            place = home / "packages" / f"{source}_{target}"
            pack(place, home / "exported", python, source, target)
        # A splitter that it would fetch is not looked for where there is a file of its name.
        (home / "cache" / "argos-translate").mkdir(parents=True)
        for cache in ("cache/argos-translate", "data/argos-translate/cache"):
            (home / cache / "spacy" / "senter").mkdir(parents=True, exist_ok=True)
            (home / cache / "spacy" / "senter" / "model").touch()
        environment = os.environ | {
            "HOME": name, "XDG_DATA_HOME": f"{name}/data", "XDG_CACHE_HOME": f"{name}/cache",
            "XDG_CONFIG_HOME": f"{name}/config", "ARGOS_PACKAGES_DIR": f"{name}/packages",
            "ARGOS_CHUNK_TYPE": "SPACY",
        }  # fmt: skip
        if threads is not None:
            environment["ARGOS_INTRA_THREADS"] = str(threads)
        command = [python, "-c", "from libretranslate import main; main()", "--host", "127.0.0.1",
                   "--port", str(port)]  # fmt: skip
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=home)
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, home / "log")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until it answers.

    Raises:
        SystemExit: it does not.
    """
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise SystemExit(f"error: LibreTranslate does not start: {log.read_text()[-1500:]}")


def translate(address: str, lines: Sequence[str] | str) -> Any:
    """Translations of a list, or of a sentence."""
    order = {"q": lines, "source": "en", "target": "de", "format": "text"}
    request = urllib.request.Request(
        f"http://{address}/translate",
        json.dumps(order).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=600) as reply:
            return json.load(reply)["translatedText"]
    except urllib.error.HTTPError as error:
        raise SystemExit(f"error: {address}: {error.code}: {error.read()[:500]!r}") from error


def measure(
    addresses: dict[str, str], lines: Sequence[str], singles: int, rounds: int
) -> dict[str, Any]:
    """Seconds of a list, and of its first sentences one a request; and the ratios of each round."""
    lists: dict[str, list[float]] = {name: [] for name in addresses}
    alone: dict[str, list[float]] = {name: [] for name in addresses}
    found: dict[str, Any] = {}
    for address in addresses.values():
        translate(address, list(lines[:8]))
    for _ in range(rounds):
        for name, address in addresses.items():
            started = time.perf_counter()
            found[name] = translate(address, list(lines))
            lists[name].append(time.perf_counter() - started)
            started = time.perf_counter()
            for line in lines[:singles]:
                translate(address, line)
            alone[name].append(time.perf_counter() - started)
    ours, theirs = found.values()
    return {
        "seconds_of_the_list": {name: round(median(each), 3) for name, each in lists.items()},
        "seconds_one_a_request": {name: round(median(each), 3) for name, each in alone.items()},
        "ratio_of_the_list": _ratio(lists),
        "ratio_one_a_request": _ratio(alone),
        "same_translations": sum(a.strip() == b.strip() for a, b in zip(ours, theirs, strict=True)),
    }


def _ratio(seconds: dict[str, list[float]]) -> float:
    ours, theirs = seconds.values()
    return round(median(b / a for a, b in zip(ours, theirs, strict=True)), 2)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="Lines to translate.")
    parser.add_argument("--python", required=True, help="Python that has LibreTranslate.")
    parser.add_argument("--model", default="en-de")
    parser.add_argument("--lines", type=int, default=100)
    parser.add_argument("--singles", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="Of LibreTranslate's engine; else its own.")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    lines = list(filter(str.strip, chosen.file.read_text("utf-8").splitlines()))[: chosen.lines]
    for name in THREADS:
        os.environ.pop(name, None)
    told = subprocess.run([chosen.python, "-c", VERSIONS], check=True, capture_output=True)
    with (
        libretranslate(chosen.python, chosen.model, chosen.threads) as theirs,
        served("-m", chosen.model, "--http", "127.0.0.1:0", "--cache", "0") as server,
    ):
        ours = next(str(line["http"]) for line in server.lines() if line["message"] == "serving")
        found = {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "versions": json.loads(told.stdout),
            "lines": len(lines),
            "singles": chosen.singles,
            "rounds": chosen.rounds,
            **measure({"tformer": ours, "LibreTranslate": theirs}, lines, chosen.singles,
                      chosen.rounds),
        }  # fmt: skip
    text = json.dumps(found, indent=2)
    print(text)
    chosen.results.mkdir(parents=True, exist_ok=True)
    suffix = "" if chosen.threads is None else f"-{chosen.threads}-threads"
    (chosen.results / f"libretranslate{suffix}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
