"""The API of LibreTranslate, request by request, and by the client that its makers publish."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from asking import HTTP, ask, get, post_files, post_form, post_json, url_of
from libretranslate_requests import FILE, encoded, shape
from libretranslatepy import LibreTranslateAPI
from serving import RunningServer, make_model, serving

from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.server.access.tokens import hash_token

DOG = "A dog runs on the beach."
HUND = "Ein Hund läuft am Strand."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[RunningServer]:
    with serving(model, http=HTTP, dtype="int8") as running:
        yield running


@pytest.fixture(scope="module")
def offline(model: Path) -> Translator:
    return Translator.load(model, device="cpu", dtype="int8", threads=1)


def expected(offline: Translator, text: str, num: int = 1) -> list[str]:
    options = DecodingOptions(n_best=num)
    (found,) = offline.translate([text], source="en", target="de", options=options)
    return list(dict.fromkeys(hypothesis.text for hypothesis in found.hypotheses))


def test_the_published_client_translates_detects_and_lists(
    server: RunningServer, offline: Translator
) -> None:
    client = LibreTranslateAPI(url_of(server))
    assert client.translate(DOG, "en", "de") == expected(offline, DOG)[0]
    (found,) = client.detect(HUND)
    assert found["language"] == "de" and 90 < found["confidence"] <= 100
    assert client.languages() == [
        {"code": "de", "name": "German", "targets": ["en"]},
        {"code": "en", "name": "English", "targets": ["de"]},
    ]


def test_json_forms_and_multipart_say_the_same(server: RunningServer, offline: Translator) -> None:
    fields = {"q": DOG, "source": "en", "target": "de", "format": "text"}
    text = {"translatedText": expected(offline, DOG)[0]}
    for reply in (
        post_json(server, "/translate", fields),
        post_form(server, "/translate", **fields),
        post_files(server, "/translate", fields, {}),
    ):
        assert (reply.status, reply.json) == (200, text)


def test_a_list_is_answered_by_lists(server: RunningServer, offline: Translator) -> None:
    order = {"q": [DOG, HUND, "🙂"], "source": "auto", "target": "de", "alternatives": 2}
    reply = post_json(server, "/translate", order)
    best, *others = expected(offline, DOG, 3)
    assert reply.json["translatedText"] == [best, HUND, "🙂"]
    assert reply.json["alternatives"] == [others, [], []]
    languages = [found["language"] for found in reply.json["detectedLanguage"]]
    assert languages[:2] == ["en", "de"]
    assert reply.json["detectedLanguage"][2]["confidence"] == 0


def test_a_text_is_answered_by_single_values(server: RunningServer, offline: Translator) -> None:
    order = {"q": DOG, "source": "auto", "target": "de", "alternatives": "3"}
    reply = post_form(server, "/translate", **order)
    best, *others = expected(offline, DOG, 4)
    assert reply.json["translatedText"] == best
    assert reply.json["alternatives"] == others
    assert reply.json["detectedLanguage"]["language"] == "en"
    assert post_form(server, "/translate", q=DOG, source="en", target="en").json == {
        "translatedText": DOG
    }


def test_html_keeps_its_tags(server: RunningServer) -> None:
    order = {"q": f"<p id=a>{DOG}</p>", "source": "en", "target": "de", "format": "html"}
    text = post_json(server, "/translate", order).json["translatedText"]
    assert text.startswith("<p id=a>") and text.endswith("</p>")


GOOD = {"q": DOG, "source": "en", "target": "de"}


@pytest.mark.parametrize(
    ("method", "path", "fields", "status", "error"),
    [
        ("POST", "/translate", {**GOOD, "target": "zz"}, 400, "zz is not supported"),
        ("POST", "/translate", {**GOOD, "source": "zz"}, 400, "zz is not supported"),
        ("POST", "/translate", {**GOOD, "q": ""}, 400, "Invalid request: missing q parameter"),
        ("POST", "/translate", {**GOOD, "source": ""}, 400, "missing source"),
        ("POST", "/translate", {"q": DOG, "source": "en"}, 400, "missing target"),
        ("POST", "/translate", {**GOOD, "format": "pdf"}, 400, "pdf format is not supported"),
        ("POST", "/translate", {**GOOD, "alternatives": "some"}, 400, "whole number"),
        ("POST", "/detect", {}, 400, "missing q"),
        ("POST", "/suggest", GOOD, 403, "suggestions"),
        ("GET", "/translate", {}, 405, ""),
        ("GET", "/detect", {}, 405, ""),
        ("POST", "/languages", {}, 405, ""),
        ("POST", "/health", {}, 405, ""),
    ],
)
def test_what_is_wrong_has_the_status_that_clients_expect(
    server: RunningServer, method: str, path: str, fields: dict[str, str], status: int, error: str
) -> None:
    reply = post_form(server, path, **fields) if method == "POST" else get(server, path)
    assert reply.status == status
    if status != 405:
        assert list(reply.json) == ["error"] and error in reply.json["error"]


@pytest.mark.parametrize("body", [b"[]", b"{", b'"q"', b"\xff", b'{"q": {}}', b"[" * 100_000])
def test_json_that_is_none_of_ours_is_refused(server: RunningServer, body: bytes) -> None:
    reply = ask(server, "POST", "/translate", body, {"Content-Type": "application/json"})
    assert reply.status == 400 and "error" in reply.json


def test_settings_health_and_specification(server: RunningServer) -> None:
    settings = get(server, "/frontend/settings").json
    assert settings["language"]["source"]["code"] == "auto"
    assert not settings["keyRequired"] and not settings["suggestions"]
    assert get(server, "/health").json == {"status": "ok"}


def test_keys(model: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[tokens.a]\nsha256 = "{hash_token("secret")}"\ncalls_per_minute = 2')
    with serving(model, http=HTTP, tokens=tokens, dtype="int8") as running:
        client = LibreTranslateAPI(url_of(running), "secret")
        assert client.translate(DOG, "en", "de")
        assert get(running, "/frontend/settings").json["keyRequired"]
        assert post_json(running, "/translate", {**GOOD, "api_key": "wrong"}).status == 403
        assert post_json(running, "/translate", GOOD).status == 400
        client.detect(DOG)
        with pytest.raises(HTTPError) as refused:
            client.translate(DOG, "en", "de")
        with refused.value as reply:
            assert reply.code == 429 and int(reply.headers["Retry-After"]) > 0


RECORDED = json.loads(FILE.read_text("utf-8"))
DIFFERENCES = {"download of what is not there": (404, None)}
"""Where ours has another status or shape than LibreTranslate; docs/integrations.md tells why."""


@pytest.mark.parametrize("request_of_tool", RECORDED, ids=lambda request: request["name"])
def test_answers_are_those_of_libretranslate(
    server: RunningServer, request_of_tool: dict[str, Any]
) -> None:
    body, headers = encoded(request_of_tool)
    reply = ask(server, request_of_tool["method"], request_of_tool["path"], body, headers)
    expected = DIFFERENCES.get(
        request_of_tool["name"], (request_of_tool["status"], request_of_tool["shape"])
    )
    found = None if request_of_tool["path"] == "/spec" else shape(reply.body)
    assert (reply.status, found) == expected
