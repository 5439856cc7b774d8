"""The commands around the server: `serve`, `token`, and `translate --server`."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_translator import Tformer
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.cli import loading
from tformer.cli.exits import ExitStatus
from tformer.server.access.tokens import hash_token, read_tokens


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[RunningServer]:
    with serving(model, dtype="int8") as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TFORMER_SERVER", "TFORMER_SERVER_CA", "TFORMER_TOKEN"):
        monkeypatch.delenv(name, raising=False)


# --- translate -----------------------------------------------------------------------------------

TEXT = ("\ufeff" + "\r\n".join(SENTENCES) + "\n\n  two \x00 \x85 words\t\n...\nlast").encode()


@pytest.mark.parametrize("arguments", [[], ["--n-best", "2"], ["--json"]], ids=str)
def test_a_server_translates_as_a_model_does(
    tformer: Tformer, model: Path, server: RunningServer, arguments: list[str]
) -> None:
    common = ["translate", "-t", "de", "--beam-size", "2", *arguments]
    plain = [*common, "--dtype", "int8"]
    local = tformer(*plain, "-m", model, stdin=TEXT + b"\n\xff")
    remote = tformer(*common, "--server", server.address, stdin=TEXT + b"\n\xff")
    assert remote.status == 0
    assert remote.err == local.err
    assert _rounded(remote.out) == _rounded(local.out)
    assert len(set(remote.out.split("\n"))) > 6


def _rounded(output: str) -> str:
    """Scores with few digits: the last ones depend on the width of the server's beam."""
    return re.sub(r"(?<=\.\d{2})\d+", "", output)


def test_the_environment_can_name_the_server(
    tformer: Tformer, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFORMER_SERVER", server.address)
    result = tformer("translate", "-t", "de", stdin=b"...\n")
    assert result == (0, "...\n", "")


def test_documents_go_through_a_server_too(
    tformer: Tformer, server: RunningServer, tmp_path: Path
) -> None:
    (tmp_path / "text.md").write_text("# ...\n\n`code`\n")
    arguments = ["translate", "-s", "en", "-t", "de", "--server", server.address]
    assert tformer(*arguments, tmp_path / "text.md").out == "# ...\n\n`code`\n"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        pytest.param(["-t", "tlh"], ExitStatus.USAGE, "tlh", id="language"),
        pytest.param(["-m", "none"], ExitStatus.USAGE, "none", id="model"),
        pytest.param(["--beam-size", "9"], ExitStatus.USAGE, "at most 4", id="beam"),
        pytest.param(["--device", "cpu"], ExitStatus.USAGE, "--device", id="device"),
        pytest.param(["--server-ca", "none"], ExitStatus.INPUT, "none", id="certificate"),
    ],
)
def test_what_a_server_refuses_is_one_line_and_a_status(
    tformer: Tformer, server: RunningServer, arguments: list[str], status: int, message: str
) -> None:
    target = [] if "-t" in arguments else ["-t", "de"]
    result = tformer("translate", "--server", server.address, *target, *arguments, stdin=b"a\n")
    assert (result.status, result.out) == (status, "")
    assert result.err.startswith("error: ") and result.err.count("\n") == 1
    assert message in result.err


def test_a_server_that_is_not_there_is_one_line_and_a_status(
    tformer: Tformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "PATIENCE", 0.2)
    result = tformer("translate", "--server", "127.0.0.1:1", stdin=b"a\n")
    assert (result.status, result.out) == (ExitStatus.SERVER, "")
    assert result.err.startswith("error: 127.0.0.1:1: UNAVAILABLE: ")
    assert result.err.count("\n") == 1


def test_a_token_is_taken_from_the_environment(
    tformer: Tformer, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(f'[tokens.alice]\nsha256 = "{hash_token("secret")}"\n')
    with serving(model, tokens=file, dtype="int8") as running:
        arguments = ["translate", "-t", "de", "--server", running.address]
        refused = tformer(*arguments, stdin=b"...\n")
        assert refused.status == ExitStatus.SERVER and "UNAUTHENTICATED" in refused.err
        monkeypatch.setenv("TFORMER_TOKEN", "secret")
        assert tformer(*arguments, stdin=b"...\n").out == "...\n"


def test_each_line_is_answered_before_the_next_and_without_torch(server: RunningServer) -> None:
    program = (
        "import sys; from tformer.cli.main import run; status = run(sys.argv[1:]);"
        "print('torch' in sys.modules, file=sys.stderr); sys.exit(status)"
    )
    arguments = ["translate", "-t", "de", "--server", server.address]
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        for line in (b"...\n", b"!!!\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == line
        process.stdin.close()
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == b"False\n"


# --- serve and token -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        pytest.param(["--listen", "0.0.0.0:0"], ExitStatus.USAGE, "--insecure", id="public"),
        pytest.param(["--listen", "nowhere"], ExitStatus.USAGE, "HOST:PORT", id="no address"),
        pytest.param(["--listen", "unix:/no/where"], ExitStatus.SERVER, "/no", id="no folder"),
        pytest.param(["--tls-key", "x"], ExitStatus.USAGE, "--tls-certificate", id="half of TLS"),
        pytest.param(
            ["--tls-key", "x", "--tls-certificate", "x"], ExitStatus.INPUT, "x:", id="no key"
        ),
        pytest.param(["--queue-tokens", "0"], ExitStatus.USAGE, "--queue-tokens", id="no queue"),
        pytest.param(["--beam-size", "0"], ExitStatus.USAGE, "beam_size", id="no beam"),
        pytest.param(["--tokens", "none"], ExitStatus.INPUT, "none", id="no tokens"),
        pytest.param(["-m", "none"], ExitStatus.MODEL, "none", id="no model"),
        pytest.param(["--glossary", "a.csv"], ExitStatus.USAGE, "NAME=FILE", id="no name"),
        pytest.param(["--glossary", "a=a.csv"], ExitStatus.INPUT, "a.csv: cannot", id="no terms"),
        pytest.param(
            ["--metrics", "0.0.0.0:0"], ExitStatus.USAGE, "--open-metrics", id="public metrics"
        ),
    ],
)
def test_a_server_that_cannot_start_says_why(
    tformer: Tformer, model: Path, arguments: list[str], status: int, message: str
) -> None:
    result = tformer("serve", "-m", model, "--listen", "127.0.0.1:0", *arguments)
    assert result.status == status
    assert message in result.err
    assert result.err.splitlines()[-1].startswith("error: ")


def test_a_token_is_made_and_its_hash_printed(tformer: Tformer, tmp_path: Path) -> None:
    result = tformer("token", "alice")
    (tmp_path / "tokens.toml").write_text(result.out)
    (caller,) = read_tokens(tmp_path / "tokens.toml")
    made = result.err.split()[-1]
    assert (caller.name, caller.sha256) == ("alice", hash_token(made))
    assert made not in result.out
    assert tomllib.loads(result.out + tformer("token", "bob").out)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "ä", 'x"]'])
def test_a_name_that_toml_would_quote_is_refused(tformer: Tformer, name: str) -> None:
    result = tformer("token", name)
    assert (result.status, result.out) == (ExitStatus.USAGE, "")
