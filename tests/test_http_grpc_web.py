"""gRPC-Web in raw frames over HTTP/1.1, against the same methods over gRPC."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import grpc
import pytest
from asking import HTTP, Reply, ask, get
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.access.tokens import hash_token
from tformer.server.http.options import HttpOptions
from tformer.server.status import DETAILS_KEY

ORIGIN = "https://example.org"
BINARY, TEXT = "application/grpc-web+proto", "application/grpc-web-text"
OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, UNIMPLEMENTED, UNAUTHENTICATED = "0", "3", "4", "12", "16"

ORDER = pb.TranslateTextRequest(contents=SENTENCES[:3], target_language_code="de")
SLOW = pb.TranslateTextRequest(contents=["A train.", "A bus."], target_language_code="de")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[RunningServer]:
    with serving(model, http=HttpOptions(HTTP.listen, origins=(ORIGIN,)), dtype="int8") as running:
        yield running


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield TranslationServiceStub(channel)


def framed(*messages: Message) -> bytes:
    data = [message.SerializeToString() for message in messages]
    return b"".join(struct.pack(">BI", 0, len(each)) + each for each in data)


def asked(
    running: RunningServer, method: str, body: bytes, kind: str = BINARY, **headers: str
) -> Reply:
    sent = {"Content-Type": kind, "X-Grpc-Web": "1"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    body = base64.b64encode(body) if kind.startswith(TEXT) else body
    return ask(running, "POST", f"/tformer.v1.TranslationService/{method}", body, sent)


def opened(reply: Reply) -> tuple[list[bytes], dict[str, str]]:
    """Messages and trailers of an answer."""
    body = reply.body
    assert reply.status == 200
    if reply.headers["Content-Type"].startswith(TEXT):  # frames are padded one by one
        body = b"".join(base64.b64decode(part + b"==") for part in body.split(b"=") if part)
    messages = []
    while True:
        flags, length = struct.unpack_from(">BI", body)
        data, body = body[5 : 5 + length], body[5 + length :]
        if flags == 0x80:
            assert not body
            lines = data.decode("ascii").splitlines()
            return messages, dict(line.split(": ", 1) for line in lines)
        messages.append(data)


def texts(response: pb.TranslateTextResponse) -> list[str]:
    return [translation.translated_text for translation in response.translations]


@pytest.mark.parametrize("kind", ["application/grpc-web", BINARY, TEXT, f"{TEXT}+proto"])
def test_a_call_is_answered_as_over_grpc(server: RunningServer, stub: Any, kind: str) -> None:
    reply = asked(server, "TranslateText", framed(ORDER), kind, X_Request_Id="mine")
    (message,), trailers = opened(reply)
    assert texts(pb.TranslateTextResponse.FromString(message)) == texts(stub.TranslateText(ORDER))
    assert trailers == {"grpc-status": OK} and reply.headers["x-request-id"] == "mine"
    assert reply.headers["Content-Type"] == kind


@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_a_stream_is_answered_item_by_item(server: RunningServer, stub: Any, kind: str) -> None:
    config = pb.StreamConfig(source_language_code="en", target_language_code="de")
    messages = [pb.StreamTranslateTextRequest(config=config)]
    items = [pb.StreamItem(id=str(i), content=text) for i, text in enumerate(SENTENCES * 3)]
    messages += [pb.StreamTranslateTextRequest(item=item) for item in items]
    found, trailers = opened(asked(server, "StreamTranslateText", framed(*messages), kind))
    answers = [pb.StreamTranslateTextResponse.FromString(each) for each in found]
    expected = list(stub.StreamTranslateText(iter(messages)))
    assert [(each.id, each.translation.translated_text) for each in answers] == [
        (each.id, each.translation.translated_text) for each in expected
    ]
    assert trailers == {"grpc-status": OK}


def test_a_document_comes_back(server: RunningServer) -> None:
    config = pb.DocumentConfig(name="a.txt", target_language_code="de")
    request = pb.TranslateDocumentRequest(config=config, content=SENTENCES[0].encode())
    (message,), _ = opened(asked(server, "TranslateDocument", framed(request)))
    assert pb.TranslateDocumentResponse.FromString(message).document.name == "a.de.txt"


@pytest.mark.parametrize(
    ("method", "body", "headers", "status"),
    [
        ("GetModel", framed(pb.GetModelRequest(name="Straße\r\nX: 1")), {}, "5"),
        ("TranslateText", b"", {}, INVALID_ARGUMENT),
        ("TranslateText", framed(ORDER, ORDER), {}, INVALID_ARGUMENT),
        ("TranslateText", framed(ORDER)[:-1], {}, INVALID_ARGUMENT),
        ("TranslateText", b"\0\xff\xff\xff\xff", {}, INVALID_ARGUMENT),
        ("TranslateText", b"\1" + framed(ORDER)[1:], {}, INVALID_ARGUMENT),
        ("TranslateText", b"\0\0\0\0\2\n\xff", {}, INVALID_ARGUMENT),
        ("TranslateText", framed(ORDER), {"Grpc_Timeout": "soon"}, INVALID_ARGUMENT),
        ("TranslateText", framed(SLOW), {"Grpc_Timeout": "1n"}, DEADLINE_EXCEEDED),
        ("StreamTranslateText", b"", {}, INVALID_ARGUMENT),
    ],
)
@pytest.mark.parametrize("kind", [BINARY, TEXT])
def test_what_is_wrong_is_said_in_the_trailers(
    server: RunningServer, method: str, body: bytes, headers: dict[str, str], status: str, kind: str
) -> None:
    found, trailers = opened(asked(server, method, body, kind, **headers))
    assert not found and trailers["grpc-status"] == status
    details = trailers[DETAILS_KEY]
    told = Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4)))
    assert told.message == unquote(trailers["grpc-message"])


def test_strangers_learn_nothing_and_make_no_series(model: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[tokens.user]\nsha256 = "{hash_token("secret")}"\nadmin = true\n')
    with serving(model, http=HTTP, tokens=tokens, dtype="int8") as running:
        _, refused = opened(asked(running, "TranslateText", framed(ORDER)))
        assert refused["grpc-status"] == UNAUTHENTICATED
        known = {"Authorization": "Bearer secret"}
        _, good = opened(asked(running, "TranslateText", framed(ORDER), **known))
        assert good["grpc-status"] == OK
        assert asked(running, "Invented", b"").headers["grpc-status"] == UNIMPLEMENTED
        page = get(running, "/metrics", **known).body
        assert b"http.GrpcWeb.TranslateText" in page and b"Invented" not in page


def test_pages_of_named_origins_alone_may_call(server: RunningServer) -> None:
    good = asked(server, "TranslateText", framed(ORDER), Origin=ORIGIN)
    assert good.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Grpc-Status" in good.headers["Access-Control-Expose-Headers"]
    assert (
        asked(server, "TranslateText", framed(ORDER), Origin="https://evil.example").status == 403
    )
    path = "/tformer.v1.TranslationService/TranslateText"
    flight = ask(server, "OPTIONS", path, headers={"Origin": ORIGIN})
    assert "X-Grpc-Web" in flight.headers["Access-Control-Allow-Headers"]
    assert asked(server, "TranslateText", framed(ORDER), "text/plain").status == 415
