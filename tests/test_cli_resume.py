"""A killed job goes on where it was: nothing is lost, nothing is translated twice."""

import fcntl
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polib
import pytest
from fake_translator import MortalTranslator, Tformer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tformer.cli import loading
from tformer.cli.exits import ExitStatus
from tformer.documents.jobs.journal import Earlier, Journal, journal_path, part_path
from tformer.documents.jobs.manifest import Manifest
from tformer.model.errors import ModelError, OutputError

# With literals that the fake loses, so that there are fragments.
MESSAGES = ["One", "Two %s three", "Four", "See `code` here", "split", "Five {name} six", "One."]


def po(messages: Iterable[str]) -> str:
    return "".join(f'msgid "{message}"\nmsgstr ""\n\n' for message in messages)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(tformer: Tformer, lives: int, *arguments: object) -> tuple[int, list[str], str]:
    """The status, what the translator answered, and what was said."""
    translator = MortalTranslator(lives)
    loading.load_translator = lambda model, place: translator  # type: ignore[assignment,return-value]
    result = tformer("translate", "-t", "de", *arguments)
    return result.status, translator.answered, result.err


@pytest.fixture(autouse=True)
def loader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "load_translator", loading.load_translator)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("a.po", po(MESSAGES), id="po"),
        pytest.param("a.txt", "\r\n".join(["", *MESSAGES, "  "]), id="lines"),
        pytest.param("a.md", "\n\n".join(MESSAGES), id="markdown"),
    ],
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deaths=st.lists(st.integers(0, 6), max_size=4), torn=st.integers(0, 40))
def test_deaths_change_nothing(
    tformer: Tformer, here: Path, name: str, text: str, deaths: list[int], torn: int
) -> None:
    Path(name).write_bytes(text.encode())
    Path("out").unlink(missing_ok=True)
    status, wanted, _ = run(tformer, 10**9, name, "-o", "whole", "--force")
    assert status == 0

    answered: list[str] = []
    journal = journal_path(Path("out"))
    for lives in deaths:
        status, some, said = run(tformer, lives, name, "-o", "out", "--resume")
        answered += some
        if status == 0:
            break
        assert status == ExitStatus.INTERRUPTED
        assert not Path("out").exists()
        assert journal.exists() == bool(answered)
        assert f"behind {len(answered)} segments" in said or not answered
        if journal.exists():  # a record that was being written
            data = journal.read_bytes()
            last = data.splitlines(keepends=True)[-1]
            journal.write_bytes(data + last[: torn % len(last)])
    if not Path("out").exists():
        status, some, _ = run(tformer, 10**9, name, "-o", "out", "--resume")
        answered += some
    assert Path("out").read_bytes() == Path("whole").read_bytes()
    assert answered == wanted
    assert not journal.exists()


def test_whoever_does_not_say_what_to_do_loses_nothing(tformer: Tformer, here: Path) -> None:
    Path("a.po").write_text(po(MESSAGES))
    run(tformer, 3, "a.po", "-o", "out")
    for call in [("a.po", "-o", "out"), ("a.po", "a.po", "-o", "out", "--format", "text")]:
        status, answered, said = run(tformer, 9, *call)
        assert (status, answered) == (ExitStatus.USAGE, [])
        assert "out: an earlier run did not come to its end: go on with --resume" in said
    status, answered, _ = run(tformer, 10**9, "a.po", "-o", "out", "--force")
    assert (status, answered[:2]) == (0, ["One", "Two %s three"])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        pytest.param(["--beam-size", "2"], "options", id="options"),
        pytest.param(["-s", "en"], "languages", id="languages"),
        pytest.param(["--retranslate", "all"], "states", id="states"),
    ],
)
def test_a_slip_in_the_options_does_not_throw_the_answers_away(
    tformer: Tformer, here: Path, change: list[str], what: str
) -> None:
    Path("a.po").write_text(po(MESSAGES))
    run(tformer, 3, "a.po", "-o", "out")
    status, answered, said = run(tformer, 10**9, "a.po", "-o", "out", "--resume", *change)
    assert (status, answered) == (ExitStatus.USAGE, [])
    assert f"{here / 'out'}: the run that did not come to its end had another {what}: " in said
    status, answered, _ = run(tformer, 10**9, "a.po", "-o", "out", "--resume")
    assert (status, answered[0]) == (0, "See `code` here")


def test_a_journal_of_another_input_is_not_gone_on_with(tformer: Tformer, here: Path) -> None:
    Path("a.po").write_text(po(MESSAGES))
    run(tformer, 3, "a.po", "-o", "out")
    Path("a.po").write_text(po(["Another", *MESSAGES]))
    status, answered, said = run(tformer, 10**9, "a.po", "-o", "out", "--resume")
    assert status == 0
    assert f"warning: {here / 'out'}: begun anew, since the earlier run had another input\n" in said
    assert "One" in answered


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ModelError("model: is not there")])
def test_who_cannot_begin_does_not_throw_the_answers_away(
    tformer: Tformer, here: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    Path("a.po").write_text(po(MESSAGES))
    run(tformer, 3, "a.po", "-o", "out")

    def fail(model: str, place: object) -> None:
        raise error

    monkeypatch.setattr(loading, "load_translator", fail)
    assert tformer("translate", "-t", "de", "a.po", "-o", "out", "--resume").status != 0
    status, answered, _ = run(tformer, 10**9, "a.po", "-o", "out", "--resume")
    assert (status, answered[0]) == (0, "See `code` here")


def test_a_folder_goes_on_with_the_file_it_was_in(tformer: Tformer, here: Path) -> None:
    Path("docs").mkdir()
    for name in "abc":
        Path("docs", f"{name}.po").write_text(po(f"{name} {message}" for message in MESSAGES))
    _, wanted, _ = run(tformer, 10**9, "docs", "-o", "whole")
    _, first, _ = run(tformer, len(wanted) // 2, "docs", "-o", "out")
    assert [path.name for path in sorted(Path("out").glob("*.po"))] == ["a.po"]
    status, second, said = run(tformer, 10**9, "docs", "-o", "out", "--resume")
    assert status == 0
    assert "files: 2 translated, 1 up to date; segments: 14 (" in said
    assert first + second == wanted
    for name in "abc":
        whole = Path("whole", f"{name}.po").read_bytes()
        assert Path("out", f"{name}.po").read_bytes() == whole


def test_a_job_in_place_goes_on_and_keeps_the_backup(tformer: Tformer, here: Path) -> None:
    Path("a.po").write_text(po(MESSAGES))
    run(tformer, 3, "a.po", "--in-place")
    assert Path("a.po").read_text() == po(MESSAGES)
    assert not Path("a.po.bak").exists()
    status, answered, _ = run(tformer, 10**9, "a.po", "--in-place", "--resume")
    assert (status, answered[0]) == (0, "See `code` here")
    assert Path("a.po.bak").read_text() == po(MESSAGES)
    assert all(entry.msgstr for entry in polib.pofile("a.po"))


# --- real processes ------------------------------------------------------------------------------

# Kills itself after so many answers, and writes down each text before it answers.
PROGRAM = """
import os, signal, sys
sys.path.insert(0, sys.argv.pop(1))
lives, asked = int(sys.argv.pop(1)), open(sys.argv.pop(1), "a", buffering=1)
import fake_translator as fake

class Killed(fake.FakeTranslator):
    def _translation(self, text, *arguments):
        global lives
        if not lives:
            os.kill(os.getpid(), signal.SIGKILL)
        lives -= 1
        asked.write(text + "\\n")
        return super()._translation(text, *arguments)

fake.install(Killed())
fake.main.main()
"""


def process(lives: int, asked: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    tests = str(Path(__file__).parent)
    call = [sys.executable, "-c", PROGRAM, tests, str(lives), str(asked), "translate", "-t", "de"]
    return subprocess.run([*call, *arguments], capture_output=True)


@pytest.mark.slow
def test_kill_9_in_the_middle_of_50_000_segments(here: Path) -> None:
    number, lives = 50_000, 23_456
    Path("a.po").write_text(po(f"Message number {n} of many" for n in range(number)))
    assert process(-1, Path("all"), "a.po", "-o", "whole.po").returncode == 0

    killed = process(lives, Path("first"), "a.po", "-o", "out.po")
    assert killed.returncode == -signal.SIGKILL
    assert not Path("out.po").exists()
    resumed = process(-1, Path("second"), "a.po", "-o", "out.po", "--resume", "--json")
    assert resumed.returncode == 0
    assert Path("out.po").read_bytes() == Path("whole.po").read_bytes()

    first, second = (Path(name).read_text().splitlines() for name in ("first", "second"))
    assert (len(first), len(second)) == (lives, number - lives)
    assert first + second == Path("all").read_text().splitlines()
    (report, summary) = map(json.loads, resumed.stdout.splitlines())
    assert (report["segments"], report["kept"], summary["kept"]) == (number, lives, lives)
    beside = {path.name for path in here.iterdir()}
    assert beside == {"a.po", "whole.po", "out.po", "first", "second", "all"}


def test_kill_9_leaves_of_lines_what_the_next_run_clears_away(here: Path) -> None:
    Path("a.txt").write_text("".join(f"line {n}\n" for n in range(2000)))
    killed = process(1500, Path("first"), "a.txt", "-o", "out.txt")
    assert killed.returncode == -signal.SIGKILL
    assert part_path(Path("out.txt")).exists()
    assert process(-1, Path("second"), "a.txt", "-o", "out.txt", "--resume").returncode == 0
    assert Path("out.txt").read_text() == "".join(f"LINE {n}\n" for n in range(2000))
    assert len(Path("second").read_text().splitlines()) == 500
    assert {path.name for path in here.iterdir()} == {"a.txt", "out.txt", "first", "second"}


@pytest.mark.parametrize("name", ["a.txt", "a.po"])
def test_a_full_disk_loses_nothing(here: Path, name: str) -> None:
    lines = [f"line {n}" for n in range(300)]
    Path(name).write_text(po(lines) if name == "a.po" else "".join(f"{n}\n" for n in lines))
    old = po(["old"]) if name == "a.po" else "old"
    Path("out").write_text(old)
    assert process(-1, Path("all"), name, "-o", "whole").returncode == 0
    limit = f'ulimit -f 8; exec {shlex.quote(sys.executable)} -c "$0" "$@"'
    tests = str(Path(__file__).parent)
    call = [PROGRAM, tests, "-1", "first", "translate", "-t", "de", name, "-o", "out"]
    full = subprocess.run(["bash", "-c", limit, *call], capture_output=True, text=True)
    assert full.returncode == ExitStatus.OUTPUT
    assert "out: .out.tformer-journal cannot be written beside it: " in full.stderr
    assert Path("out").read_text() == old
    assert process(-1, Path("second"), name, "-o", "out", "--resume").returncode == 0
    assert Path("out").read_bytes() == Path("whole").read_bytes()
    answered = len(Path("first").read_text().splitlines()) - 1  # the last found no room
    assert len(Path("second").read_text().splitlines()) == 300 - answered


def test_a_garbled_journal_is_gone_on_with_up_to_there(tformer: Tformer, here: Path) -> None:
    Path("a.po").write_text(po(MESSAGES))
    _, wanted, _ = run(tformer, 10**9, "a.po", "-o", "whole")
    run(tformer, 5, "a.po", "-o", "out")
    journal = journal_path(Path("out"))
    records = journal.read_bytes().splitlines(keepends=True)
    records[3] = records[3].replace(b"h", b"x", 1) if b"h" in records[3] else b"x" + records[3]
    journal.write_bytes(b"".join(records))
    status, answered, _ = run(tformer, 10**9, "a.po", "-o", "out", "--resume")
    assert (status, answered) == (0, wanted[2:])
    assert Path("out").read_bytes() == Path("whole").read_bytes()


def test_two_at_once_do_not_disturb_each_other(here: Path) -> None:
    Path("a.txt").write_text("one\n")
    journal = Journal(Path("out"), {}, Earlier.REFUSE)
    second = process(-1, Path("asked"), "a.txt", "-o", "out", "--resume")
    assert second.returncode == ExitStatus.OUTPUT
    assert second.stderr.endswith(b"out: another tformer is at work on it: let it end first\n")
    journal.remove()


def test_two_at_once_do_not_share_a_folder(here: Path) -> None:
    Path("docs").mkdir()
    Path("docs/a.md").write_text("one\n")
    Path("out").mkdir()
    manifest = Manifest(Path("out"))
    second = process(-1, Path("asked"), "docs", "-o", "out")
    assert second.returncode == ExitStatus.OUTPUT
    assert second.stderr == b"error: out: another tformer is at work on it: let it end first\n"
    manifest.close()
    assert not any(Path("out").iterdir())


def test_a_journal_that_is_deleted_while_it_is_opened_is_not_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Journal(Path("out"), {}, Earlier.REFUSE)
    lock = fcntl.flock

    def slow(stream: Any, operation: int) -> None:
        first.remove()
        lock(stream, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    with pytest.raises(OutputError, match="another tformer"):
        Journal(Path("out"), {}, Earlier.RESUME)
    assert not any(here.iterdir())
