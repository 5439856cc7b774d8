"""Tools for gRPC that nobody here wrote, against a real server: `grpcurl` and `buf curl`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import HTTP, url_of
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.protos.generate import ROOM
from tformer.server.access.tokens import hash_token
from tformer.server.client import Client, Identity

PACKAGES = Path(__file__).parent / "page" / "node_modules"
BUF = shutil.which("buf") or shutil.which("buf", path=str(PACKAGES / ".bin"))
GRPCURL = shutil.which("grpcurl")

METHOD = "tformer.v1.TranslationService/TranslateText"
BEARER = "authorization: Bearer secret"
ORDER = json.dumps({"contents": SENTENCES, "source_language_code": "en"})

needs_buf = pytest.mark.skipif(not BUF, reason="needs buf: npm ci --prefix tests/page")
needs_grpcurl = pytest.mark.skipif(not GRPCURL, reason="needs the program grpcurl")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    tokens = folder / "tokens.toml"
    tokens.write_text(f'[tokens.tool]\nsha256 = "{hash_token("secret")}"\n')
    with serving(make_model(folder / "en-de"), http=HTTP, tokens=tokens, dtype="int8") as running:
        yield running


@pytest.fixture(scope="module")
def expected(server: RunningServer) -> list[str]:
    with Client(server.address, identity=Identity(token="secret")) as client:
        return [each.text for each in client.translate(SENTENCES, source="en", target="de")]


def run(*command: str | None, given: str = "") -> subprocess.CompletedProcess[str]:
    called = [str(part) for part in command]
    return subprocess.run(called, input=given, capture_output=True, encoding="utf-8", timeout=60)


def texts(found: subprocess.CompletedProcess[str]) -> list[str]:
    assert found.returncode == 0, found.stderr
    answer: dict[str, Any] = json.loads(found.stdout)
    return [text_of(each) for each in answer["translations"]]


def text_of(translation: dict[str, Any]) -> str:
    """Text, under the name in JSON or, as old versions of grpcurl print it, in the contract."""
    text: str = translation.get("translatedText") or translation["translated_text"]
    return text


@needs_grpcurl
@pytest.mark.parametrize(
    "schema", [[], ["-import-path", str(ROOM), "-proto", "v1/translation.proto"]]
)
def test_grpcurl_asks_by_reflection_and_by_the_contract(
    server: RunningServer, expected: list[str], schema: list[str]
) -> None:
    call = [GRPCURL, "-plaintext", *schema, "-H", BEARER, "-d", ORDER, server.address, METHOD]
    assert texts(run(*call)) == expected


@needs_grpcurl
def test_grpcurl_lists_streams_and_is_refused(server: RunningServer, expected: list[str]) -> None:
    listed = run(GRPCURL, "-plaintext", "-H", BEARER, server.address, "list")
    assert "tformer.v1.TranslationService" in listed.stdout.splitlines()
    messages = [{"config": {"source_language_code": "en"}}]
    messages += [{"item": {"id": str(i), "content": text}} for i, text in enumerate(SENTENCES)]
    stream = METHOD.replace("TranslateText", "StreamTranslateText")
    call = [GRPCURL, "-plaintext", "-H", BEARER, "-d", "@", server.address, stream]
    found = run(*call, given="\n".join(map(json.dumps, messages)))
    answers = json.loads("[" + found.stdout.replace("}\n{", "},\n{") + "]")
    assert [text_of(each["translation"]) for each in answers] == expected
    refused = run(GRPCURL, "-plaintext", "-d", ORDER, server.address, METHOD)
    assert refused.returncode and "token is needed" in refused.stderr


@needs_buf
@pytest.mark.parametrize(
    ("protocol", "schema"), [("grpc", "reflection"), ("grpc", "protos"), ("grpcweb", "protos")]
)
def test_buf_curl_asks_over_grpc_and_grpc_web(
    server: RunningServer, expected: list[str], protocol: str, schema: str
) -> None:
    given = ["--http2-prior-knowledge"] if protocol == "grpc" else []
    given += ["--schema", str(ROOM)] if schema == "protos" else ["--reflect-header", BEARER]
    address = f"http://{server.address}" if protocol == "grpc" else url_of(server)
    call = [BUF, "curl", "--protocol", protocol, *given, "-H", BEARER, "-d", ORDER]
    assert texts(run(*call, f"{address}/{METHOD}")) == expected


@needs_buf
def test_buf_finds_nothing_to_say_of_the_contract() -> None:
    found = run(BUF, "lint", str(ROOM))
    assert (found.stdout, found.returncode) == ("", 0)
