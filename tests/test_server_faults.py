"""Every row of the table of faults in docs/server.md is provoked, and has the status it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client import generate_latest
from serving import (
    SENTENCES,
    RunningServer,
    make_certificates,
    make_expired,
    make_model,
    serving,
    trusting,
)

from tformer.model.errors import ServerError
from tformer.model.options import DecodingOptions
from tformer.protos.v1 import admin_pb2
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.admin_pb2_grpc import AdminServiceStub
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.access import usage
from tformer.server.access.address import Address
from tformer.server.access.tls import TlsFiles
from tformer.server.access.tokens import hash_token
from tformer.server.client import Client
from tformer.server.client.retries import Failure
from tformer.server.limits import Limits
from tformer.server.sources import GlossarySource, Settings
from tformer.server.status import code_from

DOCUMENT = Path(__file__).parent.parent / "docs" / "server.md"
TABLE = dict(re.findall(r"(?m)^\| (.+?) \| ([A-Z_]+) \|", DOCUMENT.read_text("utf-8")))

SHORT = pb.DecodingOptions(beam_size=1, max_length=2)
NOTHING = pb.ListModelsRequest()
OTHER_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)

LONG = pb.DecodingOptions(beam_size=4, min_length=120, max_length=120)

AS_SHIPPED = Settings(device="cpu", dtype="int8", threads=2)
"""Settings of a server on a processor: two engines."""


@dataclass
class Scene:
    """Where a fault happens."""

    model: Path
    folder: Path

    @contextmanager
    def server(self, **options: Any) -> Iterator[tuple[RunningServer, Any]]:
        with (
            serving(self.model, **{"settings": AS_SHIPPED, **options}) as running,
            grpc.insecure_channel(running.address) as channel,
        ):
            yield running, TranslationServiceStub(channel)

    @contextmanager
    def guarded_server(
        self, quota: str = "calls_per_minute = 1"
    ) -> Iterator[tuple[RunningServer, Any]]:
        tokens = self.folder / "tokens.toml"
        tokens.write_text(f'[tokens.a]\nsha256 = "{hash_token("secret")}"\n{quota}')
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


def test_signals_while_a_server_ends_change_no_status(model: Path, tmp_path: Path) -> None:
    with server_process(Scene(model, tmp_path), "127.0.0.1:0") as process:
        process.terminate()
        assert process.stderr
        while json.loads(next(process.stderr))["message"] != "stopped":
            pass
        while process.poll() is None:
            process.terminate()
            time.sleep(0.0005)
        assert process.returncode == 0


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
    return not (busy or running.server.admission.tokens)


def counted(
    running: RunningServer, method: str, code: str, service: str = "TranslationService"
) -> float:
    labels = {"method": f"tformer.v1.{service}.{method}", "code": code}
    return running.server._metrics.registry.get_sample_value("tformer_calls_total", labels) or 0.0


def item(text: str) -> pb.StreamTranslateTextRequest:
    return pb.StreamTranslateTextRequest(item=pb.StreamItem(content=text))


@contextmanager
def server_process(
    scene: Scene, listen: str, *options: str, wait: bool = True
) -> Iterator[subprocess.Popen[str]]:
    """A server whose log goes to a pipe, of which the first line has been read if it was waited."""
    command = [sys.executable, "-m", "tformer.cli", "serve", "-m", str(scene.model)]
    command += ["--listen", listen, "--device", "cpu", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            if wait:
                address_of(process)
            yield process
        finally:
            process.kill()


def address_of(process: subprocess.Popen[str]) -> str:
    """Where a server listens, once it does."""
    assert process.stderr
    for line in process.stderr:
        if (found := json.loads(line))["message"] == "serving":
            return str(found["address"])
    raise AssertionError("it does not serve")


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


@fault("wrong tokens one after the other")
def wrong_tokens(scene: Scene) -> str:
    with scene.guarded_server() as (_, stub):
        started = time.monotonic()
        found = {status(stub.ListModels, NOTHING, metadata=bearer("guess")) for _ in range(9)}
        assert time.monotonic() - started > 0.05 + 0.1 + 0.2 + 0.4
        return found.pop()


@fault("token taken out of the file")
def removed_token(scene: Scene) -> str:
    with scene.guarded_server() as (running, stub):
        tokens = scene.folder / "tokens.toml"
        before = tokens.stat()
        assert status(stub.ListModels, NOTHING, metadata=bearer("secret")) == "OK"
        tokens.write_text(tokens.read_text().replace("[tokens.a]", "#").replace("\n", "\n#"))
        os.utime(tokens, ns=(before.st_atime_ns, before.st_mtime_ns))
        running.server._gate._looked = 0.0
        return status(stub.ListModels, NOTHING, metadata=bearer("secret"))


@fault("invented method of reflection, no token")
def invented_method(scene: Scene) -> str:
    with (
        scene.guarded_server() as (running, _),
        grpc.insecure_channel(running.address) as channel,
    ):
        service = "/grpc.reflection.v1alpha.ServerReflection/"
        found = {status(channel.unary_unary(f"{service}{name}"), b"") for name in "abc"}
        metrics = generate_latest(running.server._metrics.registry).decode()
        series = re.findall(r"(?m)^tformer_calls_total\{.*UNAUTHENTICATED.*", metrics)
        assert len(series) == 1 and series[0].endswith(" 3.0")
        return found.pop()


@fault("quota used up")
def quota_used_up(scene: Scene) -> str:
    with scene.guarded_server() as (_, stub):
        assert status(stub.TranslateText, request("x"), metadata=bearer("secret")) == "OK"
        return status(stub.TranslateText, request("x"), metadata=bearer("secret"))


@fault("quota used up, DetectLanguage")
def quota_of_detection(scene: Scene) -> str:
    with scene.guarded_server("tokens_per_minute = 50") as (_, stub):
        request = pb.DetectLanguageRequest(content="the dog " * 100)
        assert status(stub.DetectLanguage, request, metadata=bearer("secret")) == "OK"
        return status(stub.DetectLanguage, request, metadata=bearer("secret"))


@fault("quota of calls used up by items of a stream")
def quota_of_items(scene: Scene) -> str:
    with scene.guarded_server("calls_per_minute = 3") as (_, stub):
        answers = [*stub.StreamTranslateText(stream(5), metadata=bearer("secret"))]
        codes = [code_of_item(answer.translation) for answer in answers]
        assert codes == ["OK"] * 3 + codes[-1:] * 2
        return codes[-1]


@fault("quota used up by a long translation")
def quota_of_targets(scene: Scene) -> str:
    with scene.guarded_server("tokens_per_minute = 100") as (_, stub):
        assert status(
            stub.TranslateText, request("the dog", options=LONG), metadata=bearer("secret")
        ) == ("OK")
        return status(stub.TranslateText, request("the dog"), metadata=bearer("secret"))


@fault("budget of a day used up while the clock was a year ahead")
def wrong_clock(scene: Scene) -> str:
    ahead = SimpleNamespace(time=lambda: time.time() + 3e7, monotonic=time.monotonic)
    with scene.guarded_server("calls_per_day = 1") as (_, stub):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(usage, "time", ahead)
            assert status(stub.ListModels, NOTHING, metadata=bearer("secret")) == "OK"
        with pytest.raises(grpc.RpcError) as raised:
            stub.ListModels(NOTHING, metadata=bearer("secret"))
        failure = Failure.of(raised.value)
        assert 0 < (failure.retry_after or 0) <= 86_400
        return failure.code.name


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


@fault("expired certificate in the place of a good one")
def expired_certificate(scene: Scene) -> str:
    files = scene.tls()
    with scene.server(tls=files) as (running, _):
        make_expired(scene.folder, "server")
        time.sleep(1.1)
        with grpc.secure_channel(running.address, trusting(scene.folder, "client")) as channel:
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
        (answer, empty) = stub.TranslateText(request("the dog", "", options=options)).translations
        assert code_of_item(empty) == "OK"
        return code_of_item(answer)


@fault("target prefix that has no room")
def long_prefix(scene: Scene) -> str:
    with scene.server() as (_, stub):
        answer = stub.TranslateText(
            request("the dog", "the dog", target_prefixes=["Hund " * 200, ""])
        )
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


def refused_beside_another(scene: Scene, **options: Any) -> str:
    """How a call with these options ends; one of another client goes on."""
    with scene.server() as (_, stub), ThreadPoolExecutor(1) as threads:
        other = threads.submit(status, stub.TranslateText, long_request(2))
        found = status(stub.TranslateText, request("x", options=pb.DecodingOptions(**options)))
        assert other.result() == "OK"
        return found


@fault("patience of 1e308")
def endless_patience(scene: Scene) -> str:
    return refused_beside_another(scene, patience=1e308)


@fault("min_length of 2147483647")
def endless_translation(scene: Scene) -> str:
    return refused_beside_another(scene, min_length=2**31 - 1)


@fault("101 required terms")
def many_required_terms(scene: Scene) -> str:
    return refused_beside_another(scene, required_terms=["Hund"] * 101)


@fault("1 MB of what is no text in a message, beside a short text")
def padded_message(scene: Scene) -> str:
    with scene.server() as (running, _), grpc.insecure_channel(running.address) as channel:
        admission = running.server.admission
        admission.reserve = Mock(wraps=admission.reserve)
        message = request("the dog").SerializeToString()
        message += b"\xfa\x07\xc0\x84\x3d" + b"x" * 1_000_000  # field 127, which nobody knows
        path = "/tformer.v1.TranslationService/TranslateText"
        found = status(channel.unary_unary(path), message)
        tokens, _, overhead = admission.reserve.call_args.args
        assert tokens + overhead >= 25_000
        return found


@fault("id of a stream's item of more than 1,000 characters")
def long_id(scene: Scene) -> str:
    with scene.server() as (_, stub):
        long = pb.StreamTranslateTextRequest(item=pb.StreamItem(id="x" * 1001, content="x"))
        return status(lambda **how: list(stub.StreamTranslateText(iter([*stream(0), long]), **how)))


@fault("language code of a term of more than 100 characters")
def long_code(scene: Scene) -> str:
    with scene.server() as (_, stub):
        config = brought(1, source_term="a", target_term="b", source_language_code="e" * 101)
        return status(stub.TranslateText, request("x", glossary_config=config))


@fault("more texts than a call takes")
def many_texts(scene: Scene) -> str:
    with scene.server() as (_, stub):
        return status(stub.TranslateText, request(*[""] * 10_001))


@fault("text larger than the queue")
def text_larger_than_queue(scene: Scene) -> str:
    with scene.server(queue_tokens=800) as (_, stub):
        with pytest.raises(grpc.RpcError) as raised:
            stub.TranslateText(request("x " * 5000))
        failure = Failure.of(raised.value)
        assert failure.retry_after is None
        answers = stub.StreamTranslateText(iter([*stream(0), item("x " * 5000), item("x")]))
        assert [code_of_item(a.translation) for a in answers] == [failure.code.name, "OK"]
        return failure.code.name


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


@fault("queue filled by one client, call of another")
def filled_by_another(scene: Scene) -> str:
    with (
        scene.server(queue_tokens=800) as (running, stub),
        grpc.insecure_channel(running.address, OTHER_CONNECTION) as channel,
    ):
        answers = stub.StreamTranslateText(stream(200, LONG), timeout=60)
        next(answers)
        other = TranslationServiceStub(channel)
        found = {status(other.TranslateText, request("x")) for _ in range(10)}
        answers.cancel()
        return found.pop() if len(found) == 1 else str(found)


@fault("more calls than --max-calls")
def many_calls(scene: Scene) -> str:
    with scene.server(limits=Limits(max_calls=4)) as (running, stub):
        streams = [stub.StreamTranslateText(held_open()) for _ in range(2)]
        for each in streams:
            next(each)
        found = status(stub.TranslateText, request("x"))
        with grpc.insecure_channel(running.address, OTHER_CONNECTION) as channel:
            assert status(TranslationServiceStub(channel).TranslateText, request("x")) == "OK"
        for each in streams:
            each.cancel()
        wait_until(lambda: has_calls(running, 0))
        assert status(stub.TranslateText, request("x")) == "OK"
        return found


def held_open() -> Iterator[Any]:
    yield from stream(1)
    time.sleep(2)


@fault("calls that come faster than they are looked at")
def burst(scene: Scene) -> str:
    with scene.server() as (running, _), ExitStack() as stack:
        channels = [grpc.insecure_channel(running.address, OTHER_CONNECTION) for _ in range(3)]
        stubs = [TranslationServiceStub(stack.enter_context(each)) for each in channels]
        assert {status(stub.ListModels, NOTHING) for stub in stubs} == {"OK"}

        async def busy() -> None:
            time.sleep(1.5)

        held = threading.Thread(target=running.do, args=(busy,))
        held.start()
        calls = [s.ListModels.future(NOTHING, timeout=60) for s in stubs for _ in range(900)]
        held.join()
        found = {call.code().name for call in calls}
        return found.pop() if len(found) == 1 else str(found)


@fault("calls that nobody looks at for more than 30 seconds")
def never_looked_at(scene: Scene) -> str:
    # tests/test_server_limits.py waits for as long.
    with scene.server() as (running, stub):
        options = dict(running.server._channel_options())
        assert options["grpc.server_max_unrequested_time_in_server"] > 3600
        return status(stub.ListModels, NOTHING)


@fault("long file of tokens that changes")
def long_token_file(scene: Scene) -> str:
    with scene.guarded_server("") as (running, stub):
        assert status(stub.ListModels, NOTHING, metadata=bearer("secret")) == "OK"
        gate = running.server._gate
        tables = (f'[tokens.u{n}]\nsha256 = "{hash_token(str(n))}"\n' for n in range(2000))
        (scene.folder / "tokens.toml").write_text("".join(tables))
        gate._looked = 0.0
        first = status(stub.ListModels, NOTHING, metadata=bearer("secret"))
        wait_until(lambda: len(gate.callers) == 2000)
        assert status(stub.ListModels, NOTHING, metadata=bearer("1999")) == "OK"
        assert status(stub.ListModels, NOTHING, metadata=bearer("secret")) == "UNAUTHENTICATED"
        return first


@fault("memory that does not suffice for a step")
def no_memory(scene: Scene) -> str:
    with scene.server() as (running, stub):
        (served,) = running.server._models
        for thread in served.scheduler.scheduler.threads:
            thread._work.submit = Mock(side_effect=MemoryError)
        with pytest.raises(grpc.RpcError) as raised:
            stub.TranslateText(request("the dog"), timeout=30)
        failure = Failure.of(raised.value)
        assert failure.retry_after and "memory" in failure.status.message
        wait_until(lambda: status(stub.TranslateText, request("the dog")) == "OK")
        return failure.code.name


@fault("large text within the bounds")
def large_text(scene: Scene) -> str:
    with scene.server() as (running, stub), ThreadPoolExecutor(1) as threads:
        other = HealthStub(running_channel := grpc.insecure_channel(running.address))
        text = "the dog and the cat. " * 4000
        call = threads.submit(stub.TranslateText, request(text), timeout=60)
        waits = []
        while not call.done():
            started = time.monotonic()
            other.Check(HealthCheckRequest())
            waits.append(time.monotonic() - started)
        running_channel.close()
        assert sorted(waits)[int(0.99 * len(waits))] < 0.5
        return code_of_item(call.result().translations[0])


@fault("glossary of 100,000 terms")
def large_glossary(scene: Scene) -> str:
    file = scene.folder / "terms.csv"
    file.write_text("dog,Hund\n" + "".join(f"dog {n},Hund {n}\n" for n in range(100_000)))
    with scene.server(glossaries=(GlossarySource("terms", file),)) as (_, stub):
        config = pb.GlossaryConfig(glossary="terms")
        (answer,) = stub.TranslateText(request("A dog.", glossary_config=config)).translations
        assert [use.source_term for use in answer.glossary_terms] == ["dog"]
        return code_of_item(answer)


@fault("metadata of 100 KB")
def large_metadata(scene: Scene) -> str:
    with scene.server() as (_, stub):
        found = status(stub.TranslateText, request("x"), metadata=(("x-big", "a" * 100_000),))
        assert status(stub.TranslateText, request("x")) == "OK"
        return found


@fault("metadata of 1,000 names")
def many_metadata(scene: Scene) -> str:
    with scene.server() as (_, stub):
        many = tuple((f"x-{number}", "a") for number in range(1000))
        found = status(stub.TranslateText, request("x"), metadata=many)
        assert status(stub.TranslateText, request("x")) == "OK"
        return found


@fault("300 connections that say nothing, call of another")
def silent_connections(scene: Scene) -> str:
    beginnings = (b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n")
    with scene.server() as (running, stub), ExitStack() as stack:
        host, _, port = running.address.rpartition(":")
        for number in range(300):
            connection = socket.create_connection((host, int(port)), 5)
            stack.enter_context(connection).sendall(beginnings[number % 3])
        return status(stub.TranslateText, request("x"), timeout=5)


@fault("streams that say nothing, call of another")
def silent_streams(scene: Scene) -> str:
    with (
        scene.server(limits=Limits(max_calls=1200)) as (running, stub),
        grpc.insecure_channel(running.address, OTHER_CONNECTION) as channel,
    ):
        path = "/tformer.v1.TranslationService/StreamTranslateText"
        over = threading.Event()
        silent = channel.stream_stream(path)
        calls = [silent(iter(over.wait, True)) for _ in range(40)]
        wait_until(lambda: has_calls(running, 40))
        found = {status(stub.TranslateText, request("x")) for _ in range(10)}
        for call in calls:
            call.cancel()
        over.set()
        wait_until(lambda: has_calls(running, 0))
        return found.pop() if len(found) == 1 else str(found)


@fault("200 streams that are cancelled")
def cancelled_streams(scene: Scene) -> str:
    with scene.server() as (running, stub):
        for _ in range(200):
            stub.StreamTranslateText(stream(20, LONG)).cancel()
        wait_until(lambda: is_idle(running) and has_calls(running, 0))
        assert not running.server.admission._lines and not running.server.admission._held
        assert not running.server._calls._places._taken
        rows = running.server._metrics.registry.get_sample_value
        wait_until(lambda: not rows("tformer_batch_rows", {"model": "en-de"}))
        return status(stub.TranslateText, request("x"))


@fault("damaged question for health, or a long one")
def damaged_question(scene: Scene) -> str:
    with scene.server() as (running, _), grpc.insecure_channel(running.address) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        found = {status(check, message) for message in (b"\x0a\x02\xff\xfe", b"\x00" * 2000)}
        return found.pop() if len(found) == 1 else str(found)


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


@fault("pipe in the place of a model's file, reload")
def pipe_for_a_model(scene: Scene) -> str:
    scene.model = make_model(scene.folder / "en-de")
    with scene.server() as (running, stub):
        (scene.model / "config.json").unlink()
        os.mkfifo(scene.model / "config.json")
        assert running.do(running.server.reload, timeout=20) == []
        return status(stub.TranslateText, request("x"))


@fault("file of a model that is cut short, then gone, reload")
def cut_model(scene: Scene) -> str:
    scene.model = make_model(scene.folder / "en-de")
    with scene.server() as (running, stub):
        file = scene.model / "model.safetensors"
        (before,) = stub.TranslateText(request("the dog")).translations
        os.truncate(file, file.stat().st_size // 2)
        assert status(stub.TranslateText, request(*SENTENCES)) == "OK"
        assert running.do(running.server.reload) == []
        file.unlink()
        assert running.do(running.server.reload) == []
        shutil.rmtree(scene.model)
        assert running.do(running.server.reload) == []
        (after,) = stub.TranslateText(request("the dog")).translations
        assert (after.translated_text, after.score) == (before.translated_text, before.score)
        return code_of_item(after)


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


@fault("call while models load")
def call_while_loading(scene: Scene) -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with (
        server_process(scene, place, wait=False) as process,
        grpc.insecure_channel(place) as early,
        grpc.insecure_channel(place) as patient,
    ):
        later = TranslationServiceStub(patient).TranslateText.future(
            request("x"), timeout=60, wait_for_ready=True
        )
        found = status(TranslationServiceStub(early).TranslateText, request("x"))
        assert later.result().translations
        process.terminate()
        assert process.wait(30) == 0
        return found


@fault("call while models load, at a unix socket")
def call_of_socket_while_loading(scene: Scene) -> str:
    place = f"unix:{scene.folder / 's'}"
    with server_process(scene, place, wait=False) as process:
        wait_until((scene.folder / "s").exists)
        with grpc.insecure_channel(place) as channel:
            found = status(TranslationServiceStub(channel).TranslateText, request("x"))
        process.terminate()
        assert process.wait(30) == 0
        return found


@fault("SIGHUP while loading")
def reload_while_loading(scene: Scene) -> str:
    with server_process(scene, "127.0.0.1:0", wait=False) as process:
        time.sleep(0.2)
        process.send_signal(signal.SIGHUP)
        address = address_of(process)
        process.send_signal(signal.SIGHUP)
        with grpc.insecure_channel(address) as channel:
            found = status(TranslationServiceStub(channel).TranslateText, request("x"))
        process.terminate()
        assert process.wait(30) == 0
        return found


@fault("second server at a unix socket")
def second_server(scene: Scene) -> str:
    place = Address(path=scene.folder / "s")
    with scene.server(listen=place) as (_, stub):
        with (
            pytest.raises(ServerError, match="a server does already"),
            serving(scene.model, listen=place),
        ):
            pass
        return status(stub.TranslateText, request("x"))


@fault("log that nobody reads")
def unread_log(scene: Scene) -> str:
    with server_process(scene, f"unix:{scene.folder / 's'}") as process:
        with grpc.insecure_channel(f"unix:{scene.folder / 's'}") as channel:
            stub = TranslationServiceStub(channel)
            found = {status(stub.ListModels, NOTHING, timeout=5) for _ in range(3000)}
        process.terminate()
        assert process.wait(30) == 0
        return found.pop() if len(found) == 1 else str(found)


@fault("handshakes that fail while nobody reads the log")
def handshakes_and_an_unread_log(scene: Scene) -> str:
    tls = scene.tls()
    files = "--tls-certificate", str(tls.certificate), "--tls-key", str(tls.key)
    with server_process(scene, "127.0.0.1:0", *files, wait=False) as process:
        address = address_of(process)
        host, _, port = address.rpartition(":")
        for _ in range(500):  # gRPC writes a line about each, more than a pipe holds
            with socket.create_connection((host, int(port)), 5) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                connection.settimeout(0.1)
                with suppress(OSError):
                    connection.recv(100)
        with grpc.secure_channel(address, trusting(scene.folder)) as channel:
            return status(TranslationServiceStub(channel).ListModels, NOTHING, timeout=20)


@fault("keepalive without calls")
def keepalive(scene: Scene) -> str:
    # As gRPC has it after a ping that is "too early": GOAWAY, and the connection is gone.
    with scene.server() as (running, stub):
        options = dict(running.server._channel_options())
        assert options["grpc.keepalive_permit_without_calls"] == 1
        assert options["grpc.http2.min_ping_interval_without_data_ms"] <= 10_000
        return status(stub.TranslateText, request("x"))


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
    options = DecodingOptions(beam_size=1, max_length=2)
    with server_process(scene, "127.0.0.1:0", wait=False) as process:
        address = address_of(process)
        with grpc.insecure_channel(address) as channel, Client(address, in_flight=2) as client:
            stub = TranslationServiceStub(channel)
            translations = client.translate(["x"] * 10, target="de", options=options)
            answered = [next(translations)]
            process.kill()
            process.wait()
            found = status(stub.TranslateText, request("x"))
            port = int(address.rpartition(":")[2])
            with scene.server(listen=Address("127.0.0.1", port)):
                answered.extend(translations)
            assert len(answered) == 10
    return found
