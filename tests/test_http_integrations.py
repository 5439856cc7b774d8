"""Requests of tools that have no published Python client, as their source code makes them.

Weblate, Mastodon, Discourse, Zotero, Subtitle Edit, Nextcloud, Home Assistant and extensions of
browsers; docs/integrations.md says how each is pointed at a server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import HTTP, get, post_form, post_json
from serving import RunningServer, make_model, serving

from tformer.model.pipeline.translator import Translator
from tformer.server.access.tokens import hash_token

DOG = "A dog runs on the beach."
PROMPT_OF_NEXTCLOUD = "Translate the following text from English to German: \n\n"
SYSTEM_OF_NEXTCLOUD = (
    "You are a translations expert that ONLY outputs a valid JSON with the translated text in the "
    'following format: { "translation": "<translated text>" } .'
)
PROMPT_OF_EXTENSIONS = (
    "You are a professional German native translator who needs to fluently translate text into "
    "German."
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    tokens = tmp_path_factory.mktemp("tokens") / "tokens.toml"
    tokens.write_text(f'[tokens.a]\nsha256 = "{hash_token("secret")}"')
    with serving(model, http=HTTP, tokens=tokens, dtype="int8") as running:
        yield running


@pytest.fixture(scope="module")
def translation(model: Path) -> str:
    offline = Translator.load(model, device="cpu", dtype="int8", threads=1)
    (found,) = offline.translate([DOG], source="en", target="de")
    return found.text


def test_weblate(server: RunningServer, translation: str) -> None:
    assert [each["code"] for each in get(server, "/languages").json] == ["de", "en"]
    fields = {"api_key": "secret", "q": DOG, "source": "en", "target": "de"}
    assert post_form(server, "/translate", **fields).json["translatedText"] == translation


def test_mastodon(server: RunningServer) -> None:
    for texts in (f"<p>{DOG}</p>", [f"<p>{DOG}</p>", "Where is it?"]):
        body = {"q": texts, "source": "auto", "target": "de", "format": "html", "api_key": "secret"}
        reply = post_json(server, "/translate", body).json
        assert isinstance(reply["translatedText"], type(texts))
    assert [each["language"] for each in reply["detectedLanguage"]] == ["en", "en"]
    languages = get(server, "/languages").json
    assert {each["code"]: each["targets"] for each in languages} == {"de": ["en"], "en": ["de"]}


def test_discourse(server: RunningServer) -> None:
    found = post_form(server, "/detect", q=DOG, api_key="secret").json
    assert found[0]["language"] == "en"
    fields = {"q": f"<p>{DOG}</p>", "source": "en", "target": "de", "format": "html"}
    assert post_form(server, "/translate", **fields, api_key="secret").json["translatedText"]


def test_zotero_and_subtitle_edit_and_home_assistant(
    server: RunningServer, translation: str
) -> None:
    for more in ({"format": "text"}, {}, {"source": "auto"}):
        body = {"q": DOG, "source": "en", "target": "de", "api_key": "secret", **more}
        assert post_json(server, "/translate", body).json["translatedText"] == translation


def chat(server: RunningServer, **body: Any) -> Any:
    path = "/v1/chat/completions"
    reply = post_json(server, path, {"model": "en-de", **body}, Authorization="Bearer secret")
    return reply.json["choices"][0]["message"]["content"]


def test_nextcloud(server: RunningServer, translation: str) -> None:
    messages = [
        {"role": "system", "content": SYSTEM_OF_NEXTCLOUD},
        {"role": "user", "content": f"{PROMPT_OF_NEXTCLOUD}{DOG}"},
    ]
    properties = {"translation": {"type": "string", "description": "The translated text"}}
    schema = {"name": "T", "strict": True, "schema": {"type": "object", "properties": properties}}
    form = {"type": "json_schema", "json_schema": schema}
    said = chat(server, messages=messages, n=1, max_tokens=1000, response_format=form)
    assert json.loads(said) == {"translation": translation}


def test_extensions_of_browsers(server: RunningServer, translation: str) -> None:
    system = {"role": "system", "content": PROMPT_OF_EXTENSIONS}
    assert chat(server, messages=[system, {"role": "user", "content": DOG}]) == translation
    text = f"Translate to German (output translation only):\n\n{DOG}"
    assert chat(server, messages=[system, {"role": "user", "content": text}]) == translation
