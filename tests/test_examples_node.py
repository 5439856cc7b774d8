"""The client in another language, against a real server: what npm installs, not what we wrote."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.server.access.tokens import hash_token
from tformer.server.client import Client, Identity

EXAMPLE = Path(__file__).parent.parent / "examples" / "node"

pytestmark = [
    pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js"),
    pytest.mark.skipif(
        not (EXAMPLE / "node_modules" / "@grpc" / "grpc-js").is_dir(),
        reason="needs the packages of examples/node: npm ci --prefix examples/node",
    ),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    tokens = folder / "tokens.toml"
    tokens.write_text(f'[tokens.node]\nsha256 = "{hash_token("secret")}"\n')
    with serving(make_model(folder / "en-de"), tokens=tokens, dtype="int8") as running:
        yield running


def translate(
    server: RunningServer, target: str, text: str, token: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", "translate.mjs", server.address, target],
        input=text, cwd=EXAMPLE, env=os.environ | {"TFORMER_TOKEN": token},
        capture_output=True, encoding="utf-8", timeout=60,
    )  # fmt: skip


def test_it_translates_as_our_own_client_does(server: RunningServer) -> None:
    lines = [*SENTENCES, "", "Größe 🚆"] * 20
    with Client(server.address, identity=Identity(token="secret")) as client:
        expected = [translation.text for translation in client.translate(lines, target="de")]
    found = translate(server, "de", "\n".join(lines) + "\n", "secret")
    assert (found.stderr, found.returncode) == ("", 0)
    assert found.stdout.split("\n")[:-1] == expected
    assert len(set(expected)) > 4


def test_without_a_token_it_is_refused(server: RunningServer) -> None:
    found = translate(server, "de", "dog\n", "guess")
    assert (found.returncode, found.stdout) == (1, "")
    assert "UNAUTHENTICATED" in found.stderr


def test_what_the_server_says_is_told(server: RunningServer) -> None:
    found = translate(server, "tlh", "dog\n", "secret")
    assert (found.returncode, found.stdout) == (1, "")
    assert "tlh" in found.stderr
