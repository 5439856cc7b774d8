"""Start, refusal, cancellation, reload, drain and stop of a real server."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from serving import (
    SENTENCES,
    RunningServer,
    make_certificates,
    make_model,
    serving,
    trusting,
)

from tformer.model.engine.engine import Engine, Finished
from tformer.model.errors import ModelError, ServerError, UsageError
from tformer.model.pipeline.translator import Translator
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server import models
from tformer.server.access import tokens as access
from tformer.server.access.address import Address
from tformer.server.access.tokens import hash_token
from tformer.server.lifecycle import ServerOptions, TlsFiles
from tformer.server.rpc import service
from tformer.server.rpc.messages import estimate
from tformer.server.sources import ModelSource
from tformer.server.status import DETAILS_KEY, retry_delay

SHORT = pb.DecodingOptions(beam_size=2, max_length=4)
LONG = pb.DecodingOptions(beam_size=4, min_length=120, max_length=120)

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@contextmanager
def connected(
    running: RunningServer, credentials: grpc.ChannelCredentials | None = None
) -> Iterator[TranslationServiceStub]:
    with (
        grpc.secure_channel(running.address, credentials)
        if credentials
        else grpc.insecure_channel(running.address)
    ) as channel:
        yield TranslationServiceStub(channel)


def request(*contents: str, options: pb.DecodingOptions = SHORT) -> pb.TranslateTextRequest:
    languages = {"source_language_code": "en", "target_language_code": "de"}
    return pb.TranslateTextRequest(contents=contents, **languages, options=options)


def long_request(copies: int = 100) -> pb.TranslateTextRequest:
    return request(*SENTENCES * copies, options=LONG)


def code_of(call: Callable[..., Any], *arguments: Any, **how: Any) -> grpc.StatusCode:
    try:
        call(*arguments, timeout=30, **how)
    except grpc.RpcError as error:
        return error.code()  # type: ignore[attr-defined, no-any-return]
    return grpc.StatusCode.OK


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_idle(running: RunningServer) -> bool:
    """Whether no token, row or task is left behind."""
    (served,) = running.server._models
    left = served.users or not served.scheduler.scheduler.is_idle
    return not (left or running.server.admission.tokens or running.server._calls._active)


def count(running: RunningServer, name: str, **labels: str) -> float:
    return running.server._metrics.registry.get_sample_value(name, labels) or 0.0


# --- start ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "example.org:1"])
def test_a_public_address_needs_tls_or_a_word(model: Path, listen: str) -> None:
    source = (ModelSource.parse(str(model)),)
    with pytest.raises(UsageError, match="--insecure"):
        ServerOptions(source, listen=Address.parse(listen))
    ServerOptions(source, listen=Address.parse(listen), insecure=True)
    ServerOptions(source, listen=Address.parse(listen), tls=TlsFiles(model, model))


def test_an_address_in_use_is_an_error(model: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(ServerError, match="in use"), serving(model, listen=address):
            pass


def test_a_unix_socket_is_for_its_user_only(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with serving(model, listen=Address(path=path)) as running, connected(running) as stub:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert code_of(stub.TranslateText, request("x")) == grpc.StatusCode.OK
    path.write_text("not a socket")
    with (
        pytest.raises(ServerError, match="no socket"),
        serving(model, listen=Address(path=path)),
    ):
        pass


def test_a_model_is_named_by_its_folder_or_as_you_like(model: Path) -> None:
    assert ModelSource.parse(str(model)) == ModelSource("en-de", model.resolve())
    assert ModelSource.parse(f"mine={model}") == ModelSource("mine", model.resolve())
    with pytest.raises(ModelError):
        ModelSource.parse("mine=none")
    odd = shutil.copytree(model, model.parent / "a=b")
    assert ModelSource.parse(str(odd)) == ModelSource("a=b", odd.resolve())
    assert ModelSource.parse(f"{odd}={odd}") == ModelSource(str(odd), odd.resolve())
    with pytest.raises(UsageError, match="two models"), serving(model, model):
        pass


# --- who may come in -----------------------------------------------------------------------------


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "tokens.toml"
    file.write_text(
        f'[tokens.alice]\nsha256 = "{hash_token("secret")}"\n'
        f'[tokens.bob]\nsha256 = "{hash_token("few calls")}"\ncalls_per_minute = 1\n'
        f'[tokens.carol]\nsha256 = "{hash_token("few tokens")}"\ntokens_per_minute = 10\n'
    )
    return file


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def test_without_a_token_that_is_known_nothing_is_done(model: Path, tokens: Path) -> None:
    with serving(model, tokens=tokens) as running, connected(running) as stub:
        assert code_of(stub.TranslateText, request("x")) == UNAUTHENTICATED
        assert code_of(stub.ListModels, pb.ListModelsRequest()) == UNAUTHENTICATED
        wrong = bearer("guess")
        assert code_of(stub.TranslateText, request("x"), metadata=wrong) == UNAUTHENTICATED
        right = bearer("secret")
        assert code_of(stub.TranslateText, request("x"), metadata=right) == grpc.StatusCode.OK
        method = "tformer.v1.TranslationService.TranslateText"
        refused = {"method": method, "code": "UNAUTHENTICATED"}
        assert count(running, "tformer_calls_total", **refused) == 2
        assert count(running, "tformer_texts_total", model="en-de") == 1


def test_health_needs_no_token_and_reflection_does(model: Path, tokens: Path) -> None:
    def names(*metadata: tuple[str, str]) -> list[Any]:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        return list(stub.ServerReflectionInfo(iter([asked]), timeout=30, metadata=metadata))

    with (
        serving(model, tokens=tokens) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        assert code_of(health.Check, health_pb2.HealthCheckRequest()) == grpc.StatusCode.OK
        assert names(*bearer("secret"))
        with pytest.raises(grpc.RpcError) as raised:
            names()
        assert raised.value.code() == UNAUTHENTICATED
        assert count(
            running,
            "tformer_calls_total",
            method="grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo",
            code="UNAUTHENTICATED",
        )


@pytest.mark.parametrize("token", ["few calls", "few tokens"])
def test_a_quota_that_is_used_up_says_when_to_come_again(
    model: Path, tokens: Path, token: str
) -> None:
    with serving(model, tokens=tokens) as running, connected(running) as stub:
        stub.TranslateText(request("a dog, a dog"), metadata=bearer(token), timeout=30)
        with pytest.raises(grpc.RpcError) as raised:
            stub.TranslateText(request("a dog, a dog"), metadata=bearer(token), timeout=30)
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 0 < delay_of(raised.value) < 100


def delay_of(error: Any) -> float:
    details = dict(error.trailing_metadata())[DETAILS_KEY]
    return retry_delay(Status.FromString(details)) or 0.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_tls_is_spoken_and_plain_text_refused(model: Path, certificates: Path) -> None:
    tls = TlsFiles(certificates / "server.pem", certificates / "server.key")
    with serving(model, tls=tls) as running:
        with connected(running, trusting(certificates)) as stub:
            assert code_of(stub.TranslateText, request("x")) == grpc.StatusCode.OK
        with connected(running) as stub:
            assert code_of(stub.TranslateText, request("x")) == UNAVAILABLE


def test_mutual_tls_lets_in_only_certificates_of_the_authority(
    model: Path, certificates: Path
) -> None:
    tls = TlsFiles(*(certificates / file for file in ("server.pem", "server.key", "ca.pem")))
    with serving(model, tls=tls) as running:
        for name, code in [
            ("client", grpc.StatusCode.OK), ("stranger", UNAVAILABLE), (None, UNAVAILABLE)
        ]:  # fmt: skip
            with connected(running, trusting(certificates, name)) as stub:
                assert code_of(stub.TranslateText, request("x")) == code


# --- load, cancellation, deadlines ---------------------------------------------------------------


def test_a_full_queue_refuses_and_says_when_to_come_again(model: Path) -> None:
    queue_tokens = estimate(long_request().contents) + 10
    with serving(model, queue_tokens=queue_tokens) as running, connected(running) as stub:
        occupying = stub.TranslateText.future(long_request())
        wait_until(lambda: running.server.admission.tokens > queue_tokens / 2)
        with pytest.raises(grpc.RpcError) as raised:
            stub.TranslateText(request("x"), timeout=30)
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert delay_of(raised.value) > 0
        occupying.cancel()
        wait_until(lambda: is_idle(running))
        assert code_of(stub.TranslateText, request("x")) == grpc.StatusCode.OK


@pytest.mark.parametrize("end", ["cancelled", "deadline", "killed"])
def test_a_call_that_ends_early_leaves_nothing_behind(model: Path, end: str) -> None:
    with serving(model) as running:
        with connected(running) as stub:
            call = stub.TranslateText.future(long_request(), timeout=1 if end == "deadline" else 60)
            if end == "deadline":  # which may be over before anybody looks
                assert call.exception().code() == grpc.StatusCode.DEADLINE_EXCEEDED
            else:
                wait_until(lambda: running.server._calls._active == 1)
            if end == "cancelled":
                call.cancel()
        wait_until(lambda: is_idle(running))
        code = "DEADLINE_EXCEEDED" if end == "deadline" else "CANCELLED"
        method = "tformer.v1.TranslationService.TranslateText"
        wait_until(lambda: count(running, "tformer_calls_total", method=method, code=code) == 1)


def test_a_stream_that_is_left_leaves_nothing_behind(model: Path) -> None:
    def messages() -> Iterator[pb.StreamTranslateTextRequest]:
        options = pb.DecodingOptions(beam_size=1, min_length=30, max_length=30)
        config = pb.StreamConfig(target_language_code="de", options=options)
        yield pb.StreamTranslateTextRequest(config=config)
        while True:
            item = pb.StreamItem(content=SENTENCES[0])
            yield pb.StreamTranslateTextRequest(item=item)

    with serving(model) as running:
        with connected(running) as stub:
            answers = stub.StreamTranslateText(messages())
            assert next(answers).translation.translated_text
            answers.cancel()
        wait_until(lambda: is_idle(running))


def test_a_client_that_does_not_read_is_not_read_from(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "READ_AHEAD", 4)
    items = 200

    def messages() -> Iterator[pb.StreamTranslateTextRequest]:
        yield pb.StreamTranslateTextRequest(config=pb.StreamConfig(target_language_code="de"))
        for _ in range(items):
            yield pb.StreamTranslateTextRequest(item=pb.StreamItem(content=" " * 60_000))

    # What the client's transport takes unread is then 64 kB, and not more and more.
    fixed_window = [("grpc.http2.bdp_probe", 0)]
    with (
        serving(model) as running,
        grpc.insecure_channel(running.address, options=fixed_window) as channel,
    ):

        def translated() -> float:
            return count(running, "tformer_texts_total", model="en-de")

        answers = TranslationServiceStub(channel).StreamTranslateText(messages(), timeout=60)
        wait_until(lambda: translated() > 0)
        before = -1.0
        while before != translated():
            before = translated()
            time.sleep(0.3)
        assert translated() < 20
        assert sum(1 for _ in answers) == items


# --- reload --------------------------------------------------------------------------------------


def test_a_model_is_replaced_while_calls_go_on(tmp_path: Path) -> None:
    path = make_model(tmp_path / "en-de", seed=3)
    with serving(path) as running, connected(running) as stub:

        def reload() -> list[str]:
            return running.do(running.server.reload)

        def translate() -> str:
            response = stub.TranslateText(request(*SENTENCES), timeout=30)
            return "|".join(t.translated_text for t in response.translations)

        old = translate()
        assert reload() == [], "nothing has changed"
        running_call = stub.TranslateText.future(long_request(12), timeout=60)
        wait_until(lambda: running.server._calls._active == 1)
        make_model(path, seed=5)
        assert reload() == ["en-de"]
        assert not running_call.done(), "the call must be in the middle for this test to mean much"
        new = translate()
        assert new != old
        assert len(running_call.result().translations) == len(SENTENCES) * 12

        (path / "model.safetensors").write_bytes(b"garbage")
        assert reload() == []
        assert translate() == new


def test_a_replaced_model_ends_with_the_server(tmp_path: Path) -> None:
    path = make_model(tmp_path / "en-de", seed=3)
    with serving(path) as running, connected(running) as stub:
        call = stub.TranslateText.future(long_request(), timeout=60)
        wait_until(lambda: running.server._calls._active == 1)
        make_model(path, seed=5)
        assert running.do(running.server.reload) == ["en-de"]
        assert sum(thread.name == "tformer en-de" for thread in threading.enumerate()) == 2
        running.stop(grace=0.0)
        assert call.exception() is not None
    assert not any(thread.name == "tformer en-de" for thread in threading.enumerate())


def test_two_reloads_at_once_replace_a_model_once(tmp_path: Path) -> None:
    path = make_model(tmp_path / "en-de", seed=3)
    with serving(path) as running:
        make_model(path, seed=5)
        reload = running.server.reload
        assert running.do(lambda: asyncio.gather(reload(), reload())) == [["en-de"], []]


def test_a_model_that_computes_nonsense_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_model(tmp_path / "en-de")
    with serving(path) as running, connected(running) as stub:
        make_model(path, seed=5)

        def refuse(translator: Translator) -> None:
            raise ModelError("no golden sentence")

        monkeypatch.setattr(models, "check", refuse)
        assert running.do(running.server.reload) == []
        assert code_of(stub.TranslateText, request("x")) == grpc.StatusCode.OK
    assert "no golden sentence" in str([vars(record) for record in caplog.records])


def test_tokens_are_looked_at_again(
    model: Path, tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "READ_AGAIN", 0.0)
    with serving(model, tokens=tokens) as running, connected(running) as stub:
        ask = pb.ListModelsRequest()
        assert code_of(stub.ListModels, ask, metadata=bearer("secret")) == grpc.StatusCode.OK
        tokens.write_text(f'[tokens.dave]\nsha256 = "{hash_token("new")}"\n')
        assert code_of(stub.ListModels, ask, metadata=bearer("secret")) == UNAUTHENTICATED
        tokens.unlink()
        os.mkfifo(tokens)  # reading would wait for a writer
        assert code_of(stub.ListModels, ask, metadata=bearer("new")) == grpc.StatusCode.OK


# --- stop ----------------------------------------------------------------------------------------


def test_draining_finishes_what_was_accepted_and_refuses_what_is_new(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engines wait until all has been accepted and the server drains."""
    may_step, step = threading.Event(), Engine.step
    may_step.set()  # a server translates while it starts

    def held_step(engine: Engine) -> list[Finished]:
        may_step.wait()
        return step(engine)

    monkeypatch.setattr(Engine, "step", held_step)
    messages: queue.SimpleQueue[pb.StreamTranslateTextRequest | None] = queue.SimpleQueue()
    languages = {"source_language_code": "en", "target_language_code": "de"}
    config = pb.StreamConfig(**languages, options=SHORT)
    messages.put(pb.StreamTranslateTextRequest(config=config))
    english = SENTENCES[:3]
    many = request(*english * 40, options=SHORT)
    with serving(model) as running, grpc.insecure_channel(running.address) as channel:
        stub = TranslationServiceStub(channel)
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(health).status == health_pb2.HealthCheckResponse.SERVING
        may_step.clear()
        unary = stub.TranslateText.future(many, timeout=300)
        answers = stub.StreamTranslateText(iter(messages.get, None), timeout=300)
        for number in range(20):
            item = pb.StreamItem(id=str(number), content=english[number % 3])
            messages.put(pb.StreamTranslateTextRequest(item=item))
        (served,) = running.server._models
        threads, waiting = served.scheduler.scheduler.threads, served.scheduler.scheduler.queue
        stopping = threading.Thread(target=running.stop, kwargs={"grace": 300})
        try:
            wait_until(lambda: sum(len(t.places) for t in threads) + len(waiting) == 140)
            stopping.start()
            assert next(health).status == health_pb2.HealthCheckResponse.NOT_SERVING
        finally:
            may_step.set()
        assert len(unary.result().translations) == len(english) * 40
        answered = []
        with pytest.raises(grpc.RpcError) as raised:
            answered.extend(answer.id for answer in answers)
        assert raised.value.code() == UNAVAILABLE
        assert answered == [str(number) for number in range(20)]
        stopping.join()
        messages.put(None)
        assert code_of(stub.TranslateText, request("x")) == UNAVAILABLE


def test_a_stream_that_says_nothing_does_not_hold_up_draining(model: Path) -> None:
    messages: queue.SimpleQueue[pb.StreamTranslateTextRequest | None] = queue.SimpleQueue()
    with serving(model) as running, connected(running) as stub:
        answers = stub.StreamTranslateText(iter(messages.get, None), timeout=60)
        wait_until(lambda: running.server._calls._active == 1)
        started = time.monotonic()
        running.stop(grace=30)
        assert time.monotonic() - started < 5
        with pytest.raises(grpc.RpcError) as raised:
            next(answers)
        assert raised.value.code() == UNAVAILABLE
        messages.put(None)


def test_grace_has_an_end(model: Path) -> None:
    with serving(model) as running, connected(running) as stub:
        call = stub.TranslateText.future(long_request(), timeout=60)
        wait_until(lambda: running.server._calls._active == 1)
        started = time.monotonic()
        running.stop(grace=0.1)
        assert time.monotonic() - started < 5
        assert call.exception() is not None


def test_the_command_serves_until_sigterm_and_loses_nothing(model: Path) -> None:
    command = [sys.executable, "-m", "tformer.cli", "serve", "-m", str(model)]
    command += ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--device", "cpu"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        serving = json.loads(process.stderr.readline())
        assert serving["message"] == "serving" and serving["models"] == ["en-de"]
        page = f"http://127.0.0.1:{serving['metrics_port']}/metrics"
        with grpc.insecure_channel(serving["address"]) as channel:
            stub = TranslationServiceStub(channel)
            secret = "A secret of the garden."
            calls = [stub.TranslateText.future(request(secret, options=LONG)) for _ in range(20)]
            calls[0].result()
            with urllib.request.urlopen(page, timeout=30) as answer:
                assert "tformer_queue_tokens" in answer.read().decode()
            process.send_signal(signal.SIGTERM)
            codes = {code_of(lambda timeout, call=call: call.result(timeout)) for call in calls}
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    entries = [json.loads(line) for line in log.splitlines()]
    answered = [entry for entry in entries if entry["message"] == "call"]
    assert {entry["code"] for entry in answered} == {code.name for code in codes}
    assert codes <= {grpc.StatusCode.OK, UNAVAILABLE}
    assert all(entry["request_id"] and entry["seconds"] > 0 for entry in answered)
    assert "secret" not in log
    assert entries[-1]["message"] == "stopped"
