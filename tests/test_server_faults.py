"""Every row of the table of faults in docs/server.md is provoked, and has the status it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from serving import (
    SENTENCES,
    RunningServer,
    make_certificates,
    make_model,
    serving,
    trusting,
)

from tformer.model.options import DecodingOptions
from tformer.protos.v1 import admin_pb2
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.admin_pb2_grpc import AdminServiceStub
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.access.address import Address
from tformer.server.access.tls import TlsFiles
from tformer.server.access.tokens import hash_token
from tformer.server.client import Client
from tformer.server.glossaries.catalog import GlossarySource
from tformer.server.status import code_from

DOCUMENT = Path(__file__).parent.parent / "docs" / "server.md"
TABLE = dict(re.findall(r"(?m)^\| (.+?) \| ([A-Z_]+) \|", DOCUMENT.read_text("utf-8")))

SHORT = pb.DecodingOptions(beam_size=1, max_length=2)
LONG = pb.DecodingOptions(beam_size=4, min_length=120, max_length=120)


@dataclass
class Scene:
    """Where a fault happens."""

    model: Path
    folder: Path

    @contextmanager
    def server(self, **options: Any) -> Iterator[tuple[RunningServer, Any]]:
        with (
            serving(self.model, **options) as running,
            grpc.insecure_channel(running.address) as channel,
        ):
            yield running, TranslationServiceStub(channel)

    @contextmanager
    def guarded_server(self) -> Iterator[tuple[RunningServer, Any]]:
        tokens = self.folder / "tokens.toml"
        tokens.write_text(f'[tokens.a]\nsha256 = "{hash_token("secret")}"\ncalls_per_minute = 1')
        with self.server(tokens=tokens) as (running, stub):
            yield running, stub

    def tls(self) -> TlsFiles:
        folder = make_certificates(self.folder)
        return TlsFiles(folder / "server.pem", folder / "server.key", folder / "ca.pem")


FAULTS: dict[str, Callable[[Scene], str]] = {}


def fault(name: str) -> Callable[[Callable[[Scene], str]], Callable[[Scene], str]]:
    """Register a function that provokes a fault and returns the name of the status."""

    def register(provoke: Callable[[Scene], str]) -> Callable[[Scene], str]:
        FAULTS[name] = provoke
        return provoke

    return register


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


def test_the_table_is_complete() -> None:
    assert list(TABLE) == list(FAULTS)


@pytest.mark.parametrize("name", TABLE)
def test_a_fault_has_the_status_that_is_documented(model: Path, tmp_path: Path, name: str) -> None:
    assert FAULTS[name](Scene(model, tmp_path)) == TABLE[name]


# --- what the faults are made of -----------------------------------------------------------------


def request(*contents: str, **fields: Any) -> pb.TranslateTextRequest:
    chosen = {"target_language_code": "de", "options": SHORT, **fields}
    return pb.TranslateTextRequest(contents=contents, **chosen)


def long_request(copies: int) -> pb.TranslateTextRequest:
    return request(*SENTENCES * copies, options=LONG)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def status(call: Callable[..., Any], *arguments: Any, **how: Any) -> str:
    """How a call ends."""
    try:
        call(*arguments, **{"timeout": 30, **how})
    except grpc.RpcError as error:
        return error.code().name  # type: ignore[attr-defined, no-any-return]
    return "OK"


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_calls(running: RunningServer, number: int) -> bool:
    return running.server._calls._active == number


def is_idle(running: RunningServer) -> bool:
    (served,) = running.server._models
    busy = not served.scheduler.scheduler.is_idle
    return not (busy or running.server._admission.tokens)


def counted(
    running: RunningServer, method: str, code: str, service: str = "TranslationService"
) -> float:
    labels = {"method": f"tformer.v1.{service}.{method}", "code": code}
    return running.server._metrics.registry.get_sample_value("tformer_calls_total", labels) or 0.0


def stream(count: int, options: pb.DecodingOptions = SHORT) -> Iterator[Any]:
    config = pb.StreamConfig(target_language_code="de", options=options)
    yield pb.StreamTranslateTextRequest(config=config)
    for number in range(count):
        item = pb.StreamItem(id=str(number), content=SENTENCES[number % len(SENTENCES)])
        yield pb.StreamTranslateTextRequest(item=item)


# --- the faults, in the order of the table -------------------------------------------------------


@fault("no token")
def no_token(scene: Scene) -> str:
    with scene.guarded_server() as (running, stub):
        found = status(stub.TranslateText, request("x"))
        assert counted(running, "TranslateText", found) == 1
        return found


@fault("wrong token")
def wrong_token(scene: Scene) -> str:
    with scene.guarded_server() as (running, stub):
        found = status(stub.TranslateText, request("x"), metadata=bearer("guess"))
        assert counted(running, "TranslateText", found) == 1
        return found


@fault("quota used up")
def quota_used_up(scene: Scene) -> str:
    with scene.guarded_server() as (_, stub):
        assert status(stub.TranslateText, request("x"), metadata=bearer("secret")) == "OK"
        return status(stub.TranslateText, request("x"), metadata=bearer("secret"))


@fault("plain text to a TLS port")
def plain_text(scene: Scene) -> str:
    with scene.server(tls=scene.tls()) as (_, stub):
        return status(stub.TranslateText, request("x"))


@fault("untrusted client certificate")
def untrusted_certificate(scene: Scene) -> str:
    with scene.server(tls=scene.tls()) as (running, _):
        credentials = trusting(scene.folder, "stranger")
        with grpc.secure_channel(running.address, credentials) as channel:
            return status(TranslationServiceStub(channel).TranslateText, request("x"))


@fault("user's token, admin service")
def users_token(scene: Scene) -> str:
    with scene.guarded_server() as (running, _), grpc.insecure_channel(running.address) as channel:
        reload = AdminServiceStub(channel).ReloadModels
        found = status(reload, admin_pb2.ReloadModelsRequest(), metadata=bearer("secret"))
        assert counted(running, "ReloadModels", found, service="AdminService") == 1
        return found


@fault("unknown language")
def unknown_language(scene: Scene) -> str:
    with scene.server() as (_, stub):
        return status(stub.TranslateText, request("x", target_language_code="tlh"))


@fault("unknown model")
def unknown_model(scene: Scene) -> str:
    with scene.server() as (_, stub):
        return status(stub.TranslateText, request("x", model="none"))


@fault("unknown glossary")
def unknown_glossary(scene: Scene) -> str:
    with scene.server() as (_, stub):
        config = pb.GlossaryConfig(glossary="none")
        found = status(stub.TranslateText, request("x", glossary_config=config))
        assert status(stub.GetGlossary, pb.GetGlossaryRequest(name="none")) == found
        return found


def brought(count: int, **term: str) -> pb.GlossaryConfig:
    return pb.GlossaryConfig(entries=[term] * count)


@fault("more than 10,000 terms with a request")
def too_many_terms(scene: Scene) -> str:
    with scene.server() as (_, stub):
        config = brought(10_001, source_term="a", target_term="b")
        return status(stub.TranslateText, request("x", glossary_config=config))


@fault("half of a term with a request")
def half_a_term(scene: Scene) -> str:
    with scene.server() as (_, stub):
        config = brought(1, source_term="a")
        return status(stub.TranslateText, request("x", glossary_config=config))


@fault("glossary term that cannot be honoured")
def lost_term(scene: Scene) -> str:
    with scene.server() as (_, stub):
        config = brought(1, source_term="dog", target_term="Hund " * 200)
        answer = stub.TranslateText(request("A dog.", "x", glossary_config=config))
        lost, other = answer.translations
        assert [use.honoured for use in lost.glossary_terms] == [False]
        assert pb.WARNING_CODE_TERM in [each.code for each in lost.warning_details]
        assert not other.glossary_terms and code_of_item(other) == "OK"
        return code_of_item(lost)


def code_of_item(translation: pb.Translation) -> str:
    return code_from(translation.error).name


@fault("required term that has no room")
def long_term(scene: Scene) -> str:
    with scene.server() as (_, stub):
        options = pb.DecodingOptions(max_length=3, required_terms=["Hund " * 200])
        (answer, empty) = stub.TranslateText(request("x", "", options=options)).translations
        assert code_of_item(empty) == "OK"
        return code_of_item(answer)


@fault("target prefix that has no room")
def long_prefix(scene: Scene) -> str:
    with scene.server() as (_, stub):
        answer = stub.TranslateText(request("x", "y", target_prefixes=["Hund " * 200, ""]))
        prefixed, other = answer.translations
        assert code_of_item(other) == "OK"
        return code_of_item(prefixed)


@fault("not as many prefixes as texts")
def lost_prefix(scene: Scene) -> str:
    with scene.server() as (_, stub):
        return status(stub.TranslateText, request("x", "y", target_prefixes=["a"]))


@fault("required terms of samples")
def required_of_samples(scene: Scene) -> str:
    with scene.server() as (_, stub):
        options = pb.DecodingOptions(sampling=True, required_terms=["a"])
        return status(stub.TranslateText, request("x", options=options))


@fault("unknown method")
def unknown_method(scene: Scene) -> str:
    with scene.server() as (running, _), grpc.insecure_channel(running.address) as channel:
        return status(channel.unary_unary("/tformer.v1.TranslationService/Sing"), b"")


@fault("invalid UTF-8")
def invalid_utf_8(scene: Scene) -> str:
    with scene.server() as (running, _), grpc.insecure_channel(running.address) as channel:
        call = channel.unary_unary("/tformer.v1.TranslationService/TranslateText")
        return status(call, b"\x0a\x02\xff\xfe")


@fault("NUL in a text")
def nul(scene: Scene) -> str:
    with scene.server() as (_, stub):
        return status(stub.TranslateText, request("a\x00b"))


@fault("10,000 empty texts")
def empty_texts(scene: Scene) -> str:
    with scene.server() as (_, stub):
        return status(stub.TranslateText, request(*[""] * 10_000))


@fault("100 MB message")
def large_message(scene: Scene) -> str:
    with scene.server() as (_, stub):
        found = status(stub.TranslateText, request("x" * 100_000_000))
        assert status(stub.TranslateText, request("x")) == "OK"
        return found


@fault("queue overfilled ten times")
def overfilled(scene: Scene) -> str:
    with scene.server(queue_tokens=800) as (running, stub), ThreadPoolExecutor(40) as threads:
        calls = [threads.submit(status, stub.TranslateText, long_request(5)) for _ in range(40)]
        codes = [call.result() for call in calls]
        wait_until(lambda: is_idle(running))
        assert set(codes) == {"OK", "RESOURCE_EXHAUSTED"}
        return max(codes, key=codes.count)


@fault("deadline too short")
def short_deadline(scene: Scene) -> str:
    with scene.server() as (running, stub):
        found = status(stub.TranslateText, long_request(100), timeout=0.5)
        wait_until(lambda: is_idle(running))
        return found


@fault("client killed in a stream")
def killed_client(scene: Scene) -> str:
    with scene.server() as (running, _):
        with grpc.insecure_channel(running.address) as channel:
            answers = TranslationServiceStub(channel).StreamTranslateText(stream(200, LONG))
            next(answers)
        wait_until(lambda: is_idle(running) and has_calls(running, 0))
        assert counted(running, "StreamTranslateText", "CANCELLED") == 1
        return "CANCELLED"


@fault("slow reader")
def slow_reader(scene: Scene) -> str:
    with scene.server() as (_, stub):
        answers = stub.StreamTranslateText(stream(600), timeout=60)
        next(answers)
        assert status(stub.TranslateText, request("x")) == "OK", "others are not held up"
        assert sum(1 for _ in answers) == 599
        return answers.code().name


@fault("garbage in the place of a model, reload")
def garbage_model(scene: Scene) -> str:
    scene.model = make_model(scene.folder / "en-de")
    with scene.server() as (running, stub):
        (scene.model / "model.safetensors").write_bytes(b"garbage")
        assert running.do(running.server.reload) == []
        return status(stub.TranslateText, request("x"))


@fault("garbage in the place of a glossary, reload")
def garbage_glossary(scene: Scene) -> str:
    file = scene.folder / "terms.csv"
    file.write_text("dog,Hund\n")
    with scene.server(glossaries=(GlossarySource("terms", file),)) as (running, stub):
        file.write_bytes(b"\xff\x00garbage")
        assert running.do(running.server.reload) == []
        config = pb.GlossaryConfig(glossary="terms")
        (answer,) = stub.TranslateText(request("A dog.", glossary_config=config)).translations
        assert [use.target_term for use in answer.glossary_terms] == ["Hund"]
        return code_of_item(answer)


@fault("SIGTERM under load")
def terminated(scene: Scene) -> str:
    with scene.server() as (running, stub), ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(status, stub.TranslateText, long_request(2)) for _ in range(8)]
        wait_until(lambda: has_calls(running, 8))
        running.stop(grace=30)
        (found,) = {call.result() for call in calls}
        return found


@fault("new call while draining")
def new_call_while_draining(scene: Scene) -> str:
    with scene.server() as (running, stub), ThreadPoolExecutor(2) as threads:
        accepted = threads.submit(status, stub.TranslateText, long_request(20))
        wait_until(lambda: has_calls(running, 1))
        draining = threads.submit(running.stop, 30)
        wait_until(running.server._calls.draining.is_set)
        found = status(stub.TranslateText, request("x"))
        draining.result()
        assert accepted.result() == "OK"
        return found


@fault("SIGKILL")
def killed_server(scene: Scene) -> str:
    command = [sys.executable, "-m", "tformer.cli", "serve", "-m", str(scene.model)]
    command += ["--listen", "127.0.0.1:0", "--device", "cpu"]
    options = DecodingOptions(beam_size=1, max_length=2)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        address = json.loads(process.stderr.readline())["address"]
        with grpc.insecure_channel(address) as channel, Client(address, in_flight=2) as client:
            stub = TranslationServiceStub(channel)
            translations = client.translate(["x"] * 10, target="de", options=options)
            answered = [next(translations)]
            process.kill()
            process.wait()
            found = status(stub.TranslateText, request("x"))
            port = int(address.rpartition(":")[2])
            with serving(scene.model, listen=Address("127.0.0.1", port)):
                answered.extend(translations)
            assert len(answered) == 10
    return found
