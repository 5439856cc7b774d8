"""Our contract in JSON and as a stream of events, probes, and what protects browsers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from asking import HTTP, ask, get, post_json, url_of
from google.protobuf import json_format
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.model.errors import UsageError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.access.address import Address
from tformer.server.access.tokens import hash_token
from tformer.server.http.openapi import FILE, generate
from tformer.server.http.options import HttpOptions
from tformer.server.http.own import SERVICE
from tformer.server.http.routes import OWN_ROUTES, STREAM_PATH
from tformer.server.lifecycle import ServerOptions
from tformer.server.sources import GlossarySource

ORIGIN = "https://example.org"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    terms = tmp_path_factory.mktemp("terms") / "terms.csv"
    terms.write_text("dog,Köter\n", "utf-8")
    http = HttpOptions(HTTP.listen, origins=(ORIGIN,))
    with serving(
        model, http=http, glossaries=(GlossarySource("company", terms),), dtype="int8"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield TranslationServiceStub(channel)


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if not k.endswith("Seconds")}
    return [without_times(each) for each in value] if isinstance(value, list) else value


ORDER = {
    "contents": SENTENCES,
    "targetLanguageCode": "de",
    "options": {"nBest": 2, "alignments": True, "maxLength": 8},
    "glossaryConfig": {"glossary": "company"},
}


@pytest.mark.parametrize(
    ("verb", "path", "method", "message"),
    [
        ("POST", "/v1/translate", "TranslateText", ORDER),
        ("POST", "/v1/translate/detect", "DetectLanguage", {"content": SENTENCES[3]}),
        ("GET", "/v1/translate/languages", "ListSupportedLanguages", {}),
        ("GET", "/v1/translate/languages?model=en-de", "ListSupportedLanguages", {}),
        ("GET", "/v1/translate/models", "ListModels", {}),
        ("GET", "/v1/translate/models/en-de", "GetModel", {"name": "en-de"}),
        ("GET", "/v1/translate/glossaries", "ListGlossaries", {}),
        ("GET", "/v1/translate/glossaries/company", "GetGlossary", {"name": "company"}),
        ("GET", "/v1/translate/usage", "GetUsage", {}),
    ],
)
def test_json_says_what_grpc_says(
    server: RunningServer, stub: Any, verb: str, path: str, method: str, message: dict[str, Any]
) -> None:
    asked = json_format.ParseDict(
        message, getattr(pb, SERVICE.methods_by_name[method].input_type.name)()
    )
    told = json_format.MessageToDict(getattr(stub, method)(asked))
    reply = post_json(server, path, message) if verb == "POST" else get(server, path)
    assert reply.status == 200
    assert without_times(reply.json) == without_times(told)


def test_a_stream_is_events(server: RunningServer, stub: Any) -> None:
    order = {
        "config": {"targetLanguageCode": "de", "options": {"maxLength": 8}},
        "items": [{"id": f"{n}", "content": text} for n, text in enumerate(SENTENCES[:3])]
        + [{"id": "bad", "content": "dog", "targetPrefix": "das " * 200}],
    }
    reply = post_json(server, "/v1/translate/stream", order)
    assert reply.headers["Content-Type"] == "text/event-stream"
    events = [json.loads(e.removeprefix("data: ")) for e in reply.body.decode().split("\n\n")[:-1]]
    asked = pb.TranslateTextRequest(contents=SENTENCES[:3], target_language_code="de")
    asked.options.max_length = 8
    told = [each.translated_text for each in stub.TranslateText(asked).translations]
    assert [event["id"] for event in events] == ["0", "1", "2", "bad"]
    assert [event["translation"]["translatedText"] for event in events[:3]] == told
    assert events[3]["translation"]["error"]["code"] == 3


@pytest.mark.parametrize(
    ("path", "value", "status", "code"),
    [
        ("/v1/translate", {"contents": ["a"], "targetLanguageCode": "xx"}, 400, "INVALID_ARGUMENT"),
        ("/v1/translate", {"contents": ["a"], "model": "none"}, 404, "NOT_FOUND"),
        ("/v1/translate", {"content": ["a"]}, 400, "INVALID_ARGUMENT"),
        ("/v1/translate", {"contents": "a"}, 400, "INVALID_ARGUMENT"),
        ("/v1/translate", ["a"], 400, "INVALID_ARGUMENT"),
        ("/v1/translate", {"contents": ["a" * 5_000_000]}, 413, "RESOURCE_EXHAUSTED"),
        ("/v1/translate", {"contents": ["a "] * 10_001}, 400, "INVALID_ARGUMENT"),
        ("/v1/translate/stream", {"config": {"targetLanguageCode": "xx"}}, 400, "INVALID_ARGUMENT"),
        ("/v1/translate/stream", {"items": 3}, 400, "INVALID_ARGUMENT"),
    ],
)
def test_what_is_wrong_has_a_status(
    server: RunningServer, path: str, value: object, status: int, code: str
) -> None:
    reply = post_json(server, path, value)
    assert reply.status == status
    assert reply.json["error"]["status"] == code and reply.json["error"]["code"] == status


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e400", "9" * 400, "-1e999"])
@pytest.mark.parametrize("name", list(pb.DecodingOptions.DESCRIPTOR.fields_by_name))
def test_a_number_that_no_field_can_hold_is_refused(
    server: RunningServer, name: str, number: str
) -> None:
    options = f'{{"{name}": {number}}}'
    body = f'{{"contents": ["dog"], "targetLanguageCode": "de", "options": {options}}}'
    reply = ask(server, "POST", "/v1/translate", body.encode())
    assert reply.status == 400 and reply.json["error"]["status"] == "INVALID_ARGUMENT"


def test_request_ids_come_back_unless_they_are_unfit(server: RunningServer) -> None:
    value = {"contents": ["dog"], "targetLanguageCode": "de"}
    reply = post_json(server, "/v1/translate", value, **{"X-Request-Id": "mine"})
    assert reply.headers["x-request-id"] == "mine"
    reply = post_json(server, "/v1/translate", value, **{"X-Request-Id": "a b\u00e4"})
    assert len(reply.headers["x-request-id"]) == 32


def test_probes(server: RunningServer) -> None:
    assert get(server, "/healthz").json == {"status": "ok"}
    ready = get(server, "/readyz")
    assert (ready.status, ready.json["models"]) == (200, {"en-de": "ok"})
    page = get(server, "/metrics").body.decode()
    assert 'tformer_calls_total{code="OK",method="http.Own.TranslateText"}' in page


def test_a_server_that_drains_is_not_ready(model: Path) -> None:
    with serving(model, http=HTTP, dtype="int8") as running:
        running.server._calls.draining.set()
        assert get(running, "/readyz").status == 503
        assert get(running, "/healthz").status == 200
        refused = post_json(running, "/v1/translate", {"contents": ["dog"]})
        assert (refused.status, refused.json["error"]["status"]) == (503, "UNAVAILABLE")


def test_tokens_guard_translations_and_metrics(model: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        f'[tokens.a]\nsha256 = "{hash_token("user")}"\n'
        f'[tokens.b]\nsha256 = "{hash_token("boss")}"\nadmin = true'
    )
    value = {"contents": ["dog"], "targetLanguageCode": "de"}
    with serving(model, http=HTTP, tokens=tokens, dtype="int8") as running:
        assert post_json(running, "/v1/translate", value).status == 401
        assert post_json(running, "/v1/translate", value, Authorization="Bearer user").status == 200
        assert get(running, "/metrics").status == 401
        assert get(running, "/metrics", Authorization="Bearer user").status == 403
        assert get(running, "/metrics", Authorization="Bearer boss").status == 200
        assert get(running, "/readyz").status == 200


def test_pages_of_other_origins_may_not_call_unless_they_are_named(server: RunningServer) -> None:
    value = {"contents": ["dog"], "targetLanguageCode": "de"}
    assert post_json(server, "/v1/translate", value, Origin="https://evil.example").status == 403
    assert post_json(server, "/v1/translate", value, Origin="null").status == 403
    assert post_json(server, "/v1/translate", value, Origin=url_of(server)).status == 200
    named = post_json(server, "/v1/translate", value, Origin=ORIGIN)
    assert (named.status, named.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    flight = ask(server, "OPTIONS", "/v1/translate", headers={"Origin": ORIGIN})
    assert flight.status == 204 and "POST" in flight.headers["Access-Control-Allow-Methods"]
    assert ask(server, "OPTIONS", "/v1/translate").status == 405


def test_answers_protect_browsers(server: RunningServer) -> None:
    for reply in (get(server, "/languages"), get(server, "/<script>alert(1)</script>")):
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert reply.headers["Server"] == "tformer"
        assert b"<script>" not in reply.body


def test_addresses_and_origins_are_checked(model: Path) -> None:
    with pytest.raises(UsageError, match="has no TLS"):
        ServerOptions((), http=HttpOptions(Address("0.0.0.0", 0)))
    with pytest.raises(UsageError, match="no origin"):
        HttpOptions(Address("127.0.0.1", 0), origins=("example.org",))


def test_the_description_is_generated_from_the_contract(server: RunningServer) -> None:
    assert FILE.read_text("utf-8") == generate(), "run python -m tformer.server.http.openapi"
    described = get(server, "/openapi.json").json
    assert described == get(server, "/spec").json
    paths = described["paths"]
    assert set(paths) == {*(route.path for route in OWN_ROUTES), STREAM_PATH}
    body = described["components"]["schemas"]["TranslateTextRequest"]["properties"]
    assert body["contents"]["type"] == "array" and body["contents"]["description"]
