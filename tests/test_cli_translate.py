"""`tformer translate` keeps the contract of a program in a pipeline."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_translator import FakeTranslator, Tformer
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tformer.cli import console
from tformer.cli.exits import ExitStatus

FAKE = [sys.executable, str(Path(__file__).parent / "fake_translator.py")]
ENVIRONMENT = {**os.environ, "COLUMNS": "80"}

pytestmark = pytest.mark.usefixtures("translator")


# --- lines ---------------------------------------------------------------------------------------


def test_the_line_contract(tformer: Tformer) -> None:
    text = "one\r\n\n  two\x0b\x0c\x85\u2028 still\rtwo \n\x00\nlast"
    result = tformer("translate", "-t", "de", stdin=text.encode())
    assert result == (0, text.upper(), "")


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=50) | st.text("a\r\n\x85\u2028", max_size=50).map(str.encode))
def test_as_many_lines_out_as_in(tformer: Tformer, data: bytes) -> None:
    result = tformer("translate", "-t", "de", stdin=data)
    assume("is no text" not in result.err)  # the beginning of a ZIP, say: refused
    assert result.status == 0
    assert result.out.count("\n") == data.count(b"\n")


def test_files_follow_each_other_and_their_lines_stay_apart(
    tformer: Tformer, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("one\ntwo")
    (tmp_path / "b").write_text("three")
    result = tformer("translate", "-t", "de", tmp_path / "a", "-", tmp_path / "b", stdin=b"mid")
    assert result.out == "ONE\nTWO\nMID\nTHREE"


def test_a_line_break_of_the_model_adds_no_line(tformer: Tformer) -> None:
    assert tformer("translate", "-t", "de", stdin=b"a linebreak\nb\n").out == "A  \nB\n"


def test_what_is_not_utf_8_is_replaced_and_reported(tformer: Tformer) -> None:
    result = tformer("translate", "-t", "de", stdin=b"fine\n\xff\n\xfe bad\n")
    assert result.out == "FINE\n\ufffd\n\ufffd BAD\n"
    assert result.err.startswith("warning: stdin:2: not UTF-8; 2 such lines")


def test_nothing_in_nothing_out(tformer: Tformer) -> None:
    assert tformer("translate", stdin=b"") == (0, "", "")


def test_at_a_terminal_it_says_what_it_waits_for(
    tformer: Tformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "is_terminal", lambda stream: stream is sys.stdin)
    result = tformer("translate", "-t", "de", stdin=b"one\n")
    assert result.out == "ONE\n"
    assert result.err == "note: reading from the terminal, line by line; Ctrl-D ends\n"


# --- languages -----------------------------------------------------------------------------------


def test_the_source_is_detected_for_each_file_and_said(
    tformer: Tformer, translator: FakeTranslator, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("\n\nWo ist der Bahnhof?\n")
    (tmp_path / "b").write_text("Where is the railway station?\n")
    result = tformer("translate", tmp_path / "a", tmp_path / "b")
    assert translator.directions == [("de", "en"), ("en", "de")]
    assert f"note: {tmp_path / 'a'}: translating from de (detected) to en\n" in result.err


def test_a_file_without_letters_needs_no_language(tformer: Tformer) -> None:
    assert tformer("translate", stdin=b"\n42\n") == (0, "\n42\n", "")


def test_one_language_completes_the_other_and_nothing_is_said(
    tformer: Tformer, translator: FakeTranslator
) -> None:
    assert tformer("translate", "-s", "de", stdin=b"Hund\n").err == ""
    assert translator.directions == [("de", "en")]


def test_an_unknown_language_is_refused(tformer: Tformer) -> None:
    result = tformer("translate", "-t", "fr", stdin=b"a\n")
    assert result.status == ExitStatus.USAGE
    assert result.err == (
        "error: no model here translates into fr: `tformer models get en-fr` gets one\n"
    )


# --- formats -------------------------------------------------------------------------------------


def test_json_is_one_object_a_line(tformer: Tformer) -> None:
    result = tformer("translate", "-t", "de", "--json", stdin="zwei\u2028\r\n\nsplit".encode())
    records = [json.loads(line) for line in result.out.split("\n")[:-1]]
    assert [record["source"] for record in records] == ["zwei\u2028", "", "split"]
    assert records[2] == {
        "source": "split",
        "target": "SPLIT",
        "source_language": "en",
        "target_language": "de",
        "hypotheses": [{"text": "SPLIT", "score": -0.5}],
        "warnings": ["was split"],
        "warning_kinds": ["cut"],
        "terms": [],
        "matches": [],
        "recalled": [],
    }


def test_n_best_prints_index_text_and_score(tformer: Tformer) -> None:
    result = tformer("translate", "-t", "de", "--n-best", "2", stdin=b"a\nb")
    assert result.out == (
        "0 ||| A ||| -0.5000\n0 ||| A! ||| -1.0000\n1 ||| B ||| -0.5000\n1 ||| B! ||| -1.0000\n"
    )


def test_warnings_name_input_and_line_and_are_counted_when_many(tformer: Tformer) -> None:
    result = tformer("translate", "-t", "de", stdin=b"fine\n" + b"split\n" * 25)
    messages = result.err.splitlines()
    assert messages[0] == "warning: stdin:2: was split"
    assert len(messages) == 21
    assert messages[-1] == "warning: 5 more warnings were not shown"


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        pytest.param(["nofile"], ExitStatus.INPUT, "nofile: no such file", id="no file"),
        pytest.param(["words " * 90], ExitStatus.INPUT, "to translate a sentence", id="sentence"),
        pytest.param(["word"], ExitStatus.INPUT, "to translate a sentence", id="word"),
        pytest.param(["--beam-size", "0"], ExitStatus.USAGE, "beam_size", id="beam size"),
        pytest.param(["--n-best", "9"], ExitStatus.USAGE, "n_best", id="n-best over beam"),
        pytest.param(["--beam-size", "x"], ExitStatus.USAGE, "--beam-size", id="not a number"),
        pytest.param(["--device", "tpu"], ExitStatus.USAGE, "tpu", id="unknown device"),
        pytest.param(["--frobnicate"], ExitStatus.USAGE, "--frobnicate", id="unknown option"),
        pytest.param(["-o", "/no/where"], ExitStatus.OUTPUT, "/no/where", id="no such folder"),
    ],
)
def test_an_error_is_one_line_and_a_status(
    tformer: Tformer, arguments: list[str], status: ExitStatus, message: str
) -> None:
    result = tformer("translate", *arguments, stdin=b"a\n")
    assert (result.status, result.out) == (status, "")
    assert result.err.startswith("error: ")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_an_output_file_is_untouched_when_the_model_fails(tformer: Tformer, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.write_text("old")
    result = tformer("translate", "-t", "de", "-o", output, stdin=b"a\ndamaged\n")
    assert result.status == ExitStatus.MODEL
    assert output.read_text() == "old"
    assert list(tmp_path.iterdir()) == [output]


def test_an_output_file_gets_the_translation_and_stdout_nothing(
    tformer: Tformer, tmp_path: Path
) -> None:
    result = tformer("translate", "-t", "de", "-o", tmp_path / "out", stdin=b"a\r\n")
    assert result == (0, "", "")
    assert (tmp_path / "out").read_bytes() == b"A\r\n"


def test_a_defect_is_not_hidden(tformer: Tformer) -> None:
    with pytest.raises(RuntimeError, match="a defect"):
        tformer("translate", "-t", "de", stdin=b"defect\n")


# --- real processes and pipes --------------------------------------------------------------------


def start(*arguments: str, **streams: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*FAKE, "translate", "-t", "de", *arguments],
        env=ENVIRONMENT,
        stdin=streams.get("stdin", subprocess.PIPE),
        stdout=streams.get("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
    )


def test_each_line_is_answered_before_the_next_is_sent() -> None:
    with start() as process:
        assert process.stdin and process.stdout
        for word in (b"one", b"two", b"three"):
            process.stdin.write(word + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == word.upper() + b"\n"
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_a_reader_that_leaves_ends_the_command_quietly(tmp_path: Path) -> None:
    path = tmp_path / "many"
    path.write_text("line\n" * 50_000)
    with start(str(path)) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == b"LINE\n"
        process.stdout.close()
        assert process.wait(timeout=30) == ExitStatus.PIPE_CLOSED
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, ExitStatus.INTERRUPTED), (signal.SIGTERM, ExitStatus.TERMINATED)],
)
def test_a_signal_ends_the_command_quietly_and_clears_away(
    tmp_path: Path, number: signal.Signals, status: ExitStatus
) -> None:
    with start("-o", str(tmp_path / "out")) as process:
        assert process.stdin and process.stderr
        process.stdin.write(b"one\n")
        process.stdin.flush()
        deadline = time.monotonic() + 30
        while not any(path.stat().st_size for path in tmp_path.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(timeout=30) == status
        assert process.stderr.read() == b""
        process.stdin.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("way", ["stdout", "--output"])
def test_a_full_disk_is_one_line_and_a_status(way: str) -> None:
    with open("/dev/full", "wb") as full:
        arguments = ["--output", "/dev/full"] if way == "--output" else []
        with start(*arguments, stdout=full.fileno()) as process:
            _, err = process.communicate(b"one\ntwo\n", timeout=30)
    assert process.returncode == ExitStatus.OUTPUT
    assert err.endswith(b": cannot be written: No space left on device\n")
    assert err.count(b"\n") == 1


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    def peak(number_of_lines: int) -> int:
        path = tmp_path / "text"
        path.write_text("A line of some length, as lines are.\n" * number_of_lines)
        program = (
            "import resource, sys; sys.path.insert(0, sys.argv.pop(1));"
            "import fake_translator as fake; fake.install(fake.FakeTranslator());"
            "fake.main.run(sys.argv[1:]);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(Path(__file__).parent), "translate", str(path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=True,
            env=ENVIRONMENT,
        )
        return int(done.stderr.splitlines()[-1])

    assert peak(100_000) < 1.1 * peak(1_000)
