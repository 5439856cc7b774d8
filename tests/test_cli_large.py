"""Large jobs with a real translator, which reads far ahead; its network is tiny and random."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_model

pytestmark = pytest.mark.slow

SEGMENTS = int(os.environ.get("TFORMER_TEST_SEGMENTS", "1500"))
LINES = int(os.environ.get("TFORMER_TEST_LINES", "24000"))
FILES = int(os.environ.get("TFORMER_TEST_FILES", "1200"))

MIB = 1 << 20

QUICK = ["--beam-size", "1", "--no-guard", "--max-length", "2", "--device", "cpu", "--threads", "1"]

# Writes down each text once its answer is in the journal, and kills itself after so many.
KILLED = """
import os, signal, sys
lives, asked = int(sys.argv.pop(1)), open(sys.argv.pop(1), "a", buffering=1)
from tformer.cli import main
from tformer.documents.jobs.journal import Journal

append = Journal.append

def counted(journal, text, answer):
    global lives
    append(journal, text, answer)
    asked.write(text + "\\n")
    lives -= 1
    if not lives:
        os.kill(os.getpid(), signal.SIGKILL)

Journal.append = counted
main.main()
"""

# Says at the end how much memory it had at a tenth of its steps, and at the end.
WATCHED = """
import os, sys
steps = int(sys.argv.pop(1))
from tformer.cli import main
from tformer.cli.translation.stats import Tally

count = Tally.count
done = 0
sizes = []

def watched(tally, text):
    global done
    count(tally, text)
    done += 1
    if done % (steps // 10) == 0:
        pages = int(open("/proc/self/statm").read().split()[1])
        sizes.append(pages * os.sysconf("SC_PAGESIZE"))

Tally.count = watched
status = main.run(sys.argv[1:])
print(*sizes)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(program: str, model: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    own, given = arguments[:-1], arguments[-1]
    assert isinstance(given, list)
    call = [sys.executable, "-c", program, *map(str, own), "translate", "-m", str(model)]
    call += ["-s", "en", "-t", "de", *QUICK, *given]
    return subprocess.run(call, capture_output=True, text=True)


def test_kill_9_of_a_translator_that_reads_ahead(model: Path) -> None:
    # Short ones, and some that are translated in fragments, since a network like this loses all.
    messages = [f"A dog {n}" if n % 10 else f"The %s runs {n}" for n in range(SEGMENTS)]
    Path("a.po").write_text("".join(f'msgid "{m}"\nmsgstr ""\n\n' for m in messages))
    assert run(KILLED, model, -1, "all", ["a.po", "-o", "whole.po"]).returncode == 0

    chance = random.Random(SEGMENTS)
    texts = Path("all").read_text().splitlines()
    deaths = sorted(chance.sample(range(1, len(texts)), 2))
    for lives in [deaths[0], deaths[1] - deaths[0]]:
        killed = run(KILLED, model, lives, "asked", ["a.po", "-o", "out.po", "--resume"])
        assert killed.returncode == -signal.SIGKILL
        assert not Path("out.po").exists()
    last = run(KILLED, model, -1, "asked", ["a.po", "-o", "out.po", "--resume", "--json"])
    assert last.returncode == 0
    assert Path("out.po").read_bytes() == Path("whole.po").read_bytes()
    assert Path("asked").read_text().splitlines() == texts, "once each, in order"
    assert json.loads(last.stdout.splitlines()[0])["kept"] == deaths[-1]


def sizes_of(done: subprocess.CompletedProcess[str]) -> list[int]:
    """Bytes at each tenth of a job."""
    assert done.returncode == 0, done.stderr[-2000:]
    sizes = [int(size) for size in done.stdout.split()]
    assert len(sizes) == 10
    print(*(size >> 20 for size in sizes), "MiB")
    return sizes


def test_memory_does_not_grow_with_the_lines(model: Path) -> None:
    chance = random.Random(2)
    words = ["A", "dog", "runs", "on", "the", "beach", "Where", "is", "station"]
    lines = (" ".join(chance.choices(words, k=chance.randint(1, 4))) for _ in range(LINES))
    Path("a.txt").write_text("".join(f"{line}.\n" for line in lines))
    sizes = sizes_of(run(WATCHED, model, LINES, ["a.txt", "-o", "out.txt"]))
    assert max(sizes[2:]) - sizes[1] < 24 * MIB


def test_memory_does_not_grow_with_the_files(model: Path) -> None:
    for n in range(FILES):
        path = Path("docs", str(n % 40), f"{n}.md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# A dog\n\n{n} runs on the **beach**.\n")
    sizes = sizes_of(run(WATCHED, model, 2 * FILES, ["docs", "-o", "out"]))
    assert max(sizes[2:]) - sizes[1] < 16 * MIB
