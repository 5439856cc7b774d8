"""What an operator sees and does: the admin service, logs, spans, and who may come near them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc._cython.cygrpc import ExecuteBatchError
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.model.errors import UsageError
from tformer.protos.v1 import admin_pb2
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.admin_pb2_grpc import AdminServiceStub
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.access.address import Address
from tformer.server.access.tokens import hash_token
from tformer.server.lifecycle import ServerOptions
from tformer.server.observability import logs, telemetry

SHORT = pb.DecodingOptions(beam_size=1, max_length=4)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "models" / "en-de")


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "tokens.toml"
    file.write_text(
        f'[tokens.root]\nsha256 = "{hash_token("of root")}"\nadmin = true\n'
        f'[tokens.user]\nsha256 = "{hash_token("of user")}"\n'
    )
    return file


@contextmanager
def connected(running: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(running.address) as channel:
        yield channel


def reload(channel: grpc.Channel, token: str | None = None) -> Any:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    stub = AdminServiceStub(channel)  # type: ignore[no-untyped-call]
    return stub.ReloadModels(admin_pb2.ReloadModelsRequest(), timeout=60, metadata=metadata).models


def code_of_reload(channel: grpc.Channel, token: str | None = None) -> str:
    with pytest.raises(grpc.RpcError) as raised:
        reload(channel, token)
    return raised.value.code().name


# --- the admin service ---------------------------------------------------------------------------


def test_models_are_reloaded_and_what_became_of_them_is_told(model: Path, tokens: Path) -> None:
    with serving(model, tokens=tokens, dtype="int8") as running, connected(running) as channel:
        (same,) = reload(channel, "of root")
        assert (same.name, same.replaced, same.HasField("error")) == ("en-de", False, False)
        make_model(model, seed=5)
        (new,) = reload(channel, "of root")
        assert new.replaced
        assert new.fingerprint != same.fingerprint
        (model / "model.safetensors").write_bytes(b"garbage")
        (bad,) = reload(channel, "of root")
        assert not bad.replaced
        assert bad.fingerprint == new.fingerprint, "the old one goes on"
        assert "model.safetensors" in bad.error.message


def test_only_administrators_may(model: Path, tokens: Path) -> None:
    with serving(model, tokens=tokens, dtype="int8") as running, connected(running) as channel:
        assert code_of_reload(channel) == "UNAUTHENTICATED"
        assert code_of_reload(channel, "of nobody") == "UNAUTHENTICATED"
        assert code_of_reload(channel, "of user") == "PERMISSION_DENIED"


def test_without_tokens_nobody_may_unless_it_is_said(model: Path) -> None:
    with serving(model, dtype="int8") as running, connected(running) as channel:
        assert code_of_reload(channel) == "UNAUTHENTICATED"
    with serving(model, open_admin=True, dtype="int8") as running, connected(running) as channel:
        assert [each.name for each in reload(channel)] == ["en-de"]


def test_reflection_can_be_open(model: Path, tokens: Path) -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    with (
        serving(model, tokens=tokens, open_reflection=True, dtype="int8") as running,
        connected(running) as channel,
    ):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter([asked]), timeout=30)
        names = {service.name for service in answer.list_services_response.service}
        assert {"tformer.v1.TranslationService", "tformer.v1.AdminService"} <= names
        assert code_of_reload(channel) == "UNAUTHENTICATED"


def test_metrics_are_not_shown_to_the_world_by_oversight() -> None:
    world = Address("0.0.0.0", 9464)
    with pytest.raises(UsageError, match="--open-metrics"):
        ServerOptions((), metrics=world)
    assert ServerOptions((), metrics=world, open_metrics=True).metrics == world
    assert ServerOptions((), metrics=Address("127.0.0.1", 9464)).metrics


# --- the log -------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_text", [False, True])
def test_texts_are_logged_only_if_asked_for(
    model: Path, caplog: pytest.LogCaptureFixture, log_text: bool
) -> None:
    caplog.set_level(logging.INFO, "tformer")
    with serving(model, log_text=log_text, dtype="int8") as running, connected(running) as channel:
        stub = TranslationServiceStub(channel)  # type: ignore[no-untyped-call]
        asked = pb.TranslateTextRequest(
            contents=SENTENCES[:2], target_language_code="de", options=SHORT
        )
        answer = stub.TranslateText(asked, timeout=60)
    logged = [
        (record.content, record.translated_text)  # type: ignore[attr-defined]
        for record in caplog.records
        if record.message == "text"
    ]
    said = [(s, t.translated_text) for s, t in zip(SENTENCES, answer.translations, strict=False)]
    assert logged == (said if log_text else [])
    everything = "".join(logs.JsonFormatter().format(record) for record in caplog.records)
    assert (SENTENCES[0] in everything) is log_text


def test_the_log_goes_back_to_where_it_went_before(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("tformer")
    before = list(logger.handlers), logger.level, logger.propagate
    with logs.logging_to_stderr():
        logging.getLogger("tformer.server").info("hello", extra={"number": 3})
    entry = json.loads(capsys.readouterr().err)
    assert (entry["message"], entry["number"]) == ("hello", 3)
    assert (list(logger.handlers), logger.level, logger.propagate) == before


def test_a_library_has_lines_of_the_same_kind(capsys: pytest.CaptureFixture[str]) -> None:
    before = list(logging.getLogger().handlers)
    with logs.logging_to_stderr():
        logging.getLogger("some.library").error("it is broken")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("it is old", stacklevel=1)
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["message"], first["logger"]) == ("it is broken", "some.library")
    assert "it is old" in second["message"]
    assert logging.getLogger().handlers == before


WRITES_BY_ITSELF = """
import os, sys
from tformer.server.observability.logs import logging_to_stderr
with logging_to_stderr():
    try:
        while True:  # as a library in another language does
            os.write(2, b"x" * 4096)
    except BlockingIOError:
        pass
assert os.get_blocking(2)
print("it goes on")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_writes_to_a_full_pipe_by_itself_does_not_wait() -> None:
    command = [sys.executable, "-c", WRITES_BY_ITSELF]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.wait(30) == 0
            assert process.stdout and process.stdout.read() == "it goes on\n"
        finally:
            process.kill()


# --- spans ---------------------------------------------------------------------------------------

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(("error", "lines"), [(ExecuteBatchError, 0), (ValueError, 1)])
def test_only_a_client_that_left_is_kept_out_of_the_log(
    model: Path, caplog: pytest.LogCaptureFixture, error: type[Exception], lines: int
) -> None:
    with serving(model, dtype="int8"):
        caplog.clear()
        try:
            raise error("an answer was not sent")
        except Exception:
            logging.getLogger("grpc._cython.cygrpc").exception("a call has failed")
        assert len(caplog.records) == lines


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter


def test_a_call_has_a_span_below_that_of_its_caller(
    model: Path, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tformer")
    metadata = (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("x-request-id", "seven"))
    with serving(model, dtype="int8") as running, connected(running) as channel:
        stub = TranslationServiceStub(channel)  # type: ignore[no-untyped-call]
        stub.ListModels(pb.ListModelsRequest(), timeout=60, metadata=metadata)
        with pytest.raises(grpc.RpcError):
            stub.GetModel(pb.GetModelRequest(name="none"), timeout=60)
    listed, failed = spans.get_finished_spans()
    assert listed.name == "tformer.v1.TranslationService/ListModels"
    assert listed.kind is trace.SpanKind.SERVER
    assert listed.parent and format(listed.parent.span_id, "016x") == PARENT
    assert format(listed.context.trace_id, "032x") == TRACE
    assert dict(listed.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": "tformer.v1.TranslationService",
        "rpc.method": "ListModels",
        "rpc.grpc.status_code": 0,
        "tformer.request_id": "seven",
    }
    assert failed.parent is None
    assert (failed.attributes or {})["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert failed.status.is_ok, "what a caller asked wrongly is no fault of the server"
    (logged,) = (r for r in caplog.records if getattr(r, "request_id", "") == "seven")
    assert logged.trace_id == TRACE  # type: ignore[attr-defined]


def test_a_defect_is_an_error_of_the_span(spans: InMemorySpanExporter) -> None:
    with telemetry.span("a.Service.Method", {}) as spanned:
        spanned.end(grpc.StatusCode.INTERNAL, "1")
    (found,) = spans.get_finished_spans()
    assert found.status.status_code is trace.StatusCode.ERROR


def test_without_the_package_there_are_no_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "AVAILABLE", False)
    with telemetry.span("a.Service.Method", {"traceparent": "x"}) as spanned:
        spanned.end(grpc.StatusCode.OK, "1")
        assert spanned.notes == {}
