"""The APIs of DeepL, Google and OpenAI, by the clients that their makers publish."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from asking import HTTP, ask, get, post_form, post_json, url_of
from late import Late
from serving import RunningServer, make_model, serving

from tformer.model.pipeline.translator import Translator
from tformer.model.terms.glossary import Entry, Glossary
from tformer.server.access.tokens import hash_token
from tformer.server.sources import GlossarySource

deepl, deep_translator, openai = Late("deepl"), Late("deep_translator"), Late("openai")
translate_v2, translate_v3 = Late("google.cloud.translate_v2"), Late("google.cloud.translate_v3")
auth, errors = Late("google.auth.credentials"), Late("google.api_core.exceptions")

DOG = "A dog runs on the beach."
HOUSE = "The house is old, but the garden is beautiful."
HUND = "Ein Hund läuft am Strand."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "tokens.toml").write_text(f'[tokens.a]\nsha256 = "{hash_token("secret")}"')
    (folder / "terms.csv").write_text("dog,Köter\n", "utf-8")
    terms = (GlossarySource("company", folder / "terms.csv"),)
    with serving(
        model, http=HTTP, tokens=folder / "tokens.toml", glossaries=terms, dtype="int8"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def offline(model: Path) -> Translator:
    return Translator.load(model, device="cpu", dtype="int8", threads=1)


def expected(offline: Translator, *texts: str, glossary: Glossary | None = None) -> list[str]:
    found = offline.translate(texts, source="en", target="de", glossary=glossary)
    return [each.text for each in found]


# --- DeepL ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[Any]:
    client = deepl.DeepLClient("secret", server_url=url_of(server))
    yield client
    client.close()


def test_deepl_translates_texts_and_lists(client: Any, offline: Translator) -> None:
    one = client.translate_text(DOG, target_lang="DE", formality="prefer_more", context="A story.")
    assert isinstance(one, deepl.TextResult)
    assert [one.text] == expected(offline, DOG)
    assert (one.detected_source_lang, one.billed_characters) == ("EN", len(DOG))
    several = client.translate_text([DOG, HOUSE], source_lang="EN", target_lang="DE")
    assert [each.text for each in several] == expected(offline, DOG, HOUSE)
    assert client.translate_text(HUND, target_lang="EN-US").detected_source_lang == "DE"


def test_deepl_keeps_tags_and_leaves_out_what_is_to_stay(client: Any) -> None:
    page = client.translate_text(f"<p>{DOG}</p>", target_lang="DE", tag_handling="html")
    assert page.text.startswith("<p>") and page.text.endswith("</p>")
    text = 'The <x id="7">garden</x> is <b>old</b>.'
    found = client.translate_text(
        text, source_lang="EN", target_lang="DE", tag_handling="xml", ignore_tags=["x"]
    )
    assert '<x id="7">garden</x>' in found.text and "translate=" not in found.text


def test_deepl_lists_languages_and_counts(client: Any) -> None:
    assert [each.code for each in client.get_source_languages()] == ["DE", "EN"]
    targets = client.get_target_languages()
    assert [each.code for each in targets] == ["DE", "EN-GB", "EN-US"]
    assert not any(each.supports_formality for each in targets)
    before = client.get_usage().character.count
    client.translate_text(DOG, target_lang="DE")
    after = client.get_usage()
    assert (after.character.count or 0) - (before or 0) == len(DOG)
    assert not after.any_limit_reached


def test_deepl_makes_uses_and_deletes_glossaries(client: Any, offline: Translator) -> None:
    made = client.create_glossary("mine", "EN", "DE", {"dog": "Köter", "beach": "Küste"})
    assert (made.name, made.entry_count, made.source_lang) == ("mine", 2, "EN")
    assert [each.glossary_id for each in client.list_glossaries()] == [made.glossary_id]
    assert client.get_glossary(made.glossary_id).ready
    assert client.get_glossary_entries(made) == {"dog": "Köter", "beach": "Küste"}
    terms = Glossary([Entry("dog", "Köter", "en", "de"), Entry("beach", "Küste", "en", "de")])
    (found,) = client.translate_text([DOG], source_lang="EN", target_lang="DE", glossary=made)
    assert [found.text] == expected(offline, DOG, glossary=terms)
    named = client.translate_text(DOG, source_lang="EN", target_lang="DE", glossary="company")
    terms = Glossary([Entry("dog", "Köter")])
    assert [named.text] == expected(offline, DOG, glossary=terms)
    assert [pair.source_lang for pair in client.get_glossary_languages()] == ["de", "en"]
    client.delete_glossary(made)
    with pytest.raises(deepl.GlossaryNotFoundException):
        client.get_glossary(made.glossary_id)


def test_deepl_is_told_what_is_wrong(server: RunningServer, client: Any) -> None:
    with pytest.raises(deepl.DeepLException, match="not supported: 'XX'"):
        client.translate_text(DOG, target_lang="XX")
    with pytest.raises(deepl.DeepLException, match="prefer_more"):
        client.translate_text(DOG, target_lang="DE", formality="more")
    with (
        closing(deepl.DeepLClient("wrong", server_url=url_of(server))) as stranger,
        pytest.raises(deepl.AuthorizationException),
    ):
        stranger.get_usage()
    good = {"text": DOG, "target_lang": "DE"}
    assert post_form(server, "/v2/translate", **good).status == 403
    assert post_form(server, "/v2/translate", auth_key="secret", **good).status == 200
    assert post_form(server, "/v2/translate", auth_key="secret", target_lang="DE").status == 400
    key = {"Authorization": "DeepL-Auth-Key secret", "Content-Type": "application/json"}
    assert ask(server, "POST", "/v2/translate", b" " * (5 << 20), key).status == 413


def test_deepl_is_told_of_a_used_up_budget(model: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[tokens.a]\nsha256 = "{hash_token("secret")}"\ncalls_per_day = 1')
    with (
        serving(model, http=HTTP, tokens=tokens, dtype="int8") as running,
        closing(deepl.DeepLClient("secret", server_url=url_of(running))) as client,
    ):
        client.get_usage()
        with pytest.raises(deepl.QuotaExceededException):
            client.get_usage()


def test_deep_translator_asks_by_both_apis(
    server: RunningServer, offline: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = {"DEEPL_FREE": url_of(server, "/{version}/")}
    monkeypatch.setattr("deep_translator.deepl.BASE_URLS", address)
    by_deepl = deep_translator.DeeplTranslator(source="en", target="de", api_key="secret")
    assert [by_deepl.translate(DOG)] == expected(offline, DOG)
    url = url_of(server, "/")
    by_libre = deep_translator.LibreTranslator(
        source="en", target="de", api_key="secret", custom_url=url
    )
    assert [by_libre.translate(DOG)] == expected(offline, DOG)


# --- Google --------------------------------------------------------------------------------------


def test_googles_client_of_version_2(server: RunningServer, offline: Translator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = translate_v2.Client(
            credentials=auth.AnonymousCredentials(),
            client_options={"api_endpoint": url_of(server)},
        )
    key = {"x-goog-api-key": "secret"}
    client._connection.extra_headers = key
    one = client.translate(DOG, target_language="de", format_="text")
    assert [one["translatedText"]] == expected(offline, DOG)
    assert one["detectedSourceLanguage"] == "en"
    several = client.translate([DOG, HOUSE], "de", source_language="en", format_="text")
    assert [each["translatedText"] for each in several] == expected(offline, DOG, HOUSE)
    assert client.detect_language(HUND)["language"] == "de"
    assert client.get_languages() == [
        {"language": "de", "name": "German"},
        {"language": "en", "name": "English"},
    ]
    with pytest.raises(errors.BadRequest, match="no model translates"):
        client.translate(DOG, target_language="xx")


def test_google_takes_forms_html_and_keys_in_the_address(server: RunningServer) -> None:
    path = "/language/translate/v2"
    reply = post_form(server, f"{path}?key=secret", q=["<b>dog</b>", "house"], target="de")
    texts = [each["translatedText"] for each in reply.json["data"]["translations"]]
    assert len(texts) == 2 and texts[0].startswith("<b>")
    assert get(server, f"{path}?key=secret&q=dog&target=de&source=en").status == 200
    refused = get(server, f"{path}?q=dog&target=de")
    assert (refused.status, refused.json["error"]["errors"][0]["reason"]) == (401, "required")
    assert post_form(server, f"{path}?key=secret", target="de").status == 400


def test_googles_client_of_version_3_asks_over_grpc(
    server: RunningServer, offline: Translator
) -> None:
    parent = "projects/p/locations/global"
    key = (("x-goog-api-key", "secret"),)
    with grpc.insecure_channel(server.address) as channel:
        transport = translate_v3.TranslationServiceClient.get_transport_class("grpc")
        client = translate_v3.TranslationServiceClient(transport=transport(channel=channel))
        order = {
            "contents": [DOG, HOUSE],
            "parent": parent,
            "target_language_code": "de",
            "source_language_code": "en",
            "mime_type": "text/plain",
            "glossary_config": {"glossary": f"{parent}/glossaries/company"},
        }
        found = client.translate_text(request=order, metadata=key)
        texts = [each.translated_text for each in found.translations]
        assert texts == expected(offline, DOG, HOUSE)
        terms = Glossary([Entry("dog", "Köter")])
        texts = [each.translated_text for each in found.glossary_translations]
        assert texts == expected(offline, DOG, HOUSE, glossary=terms)
        detected = client.detect_language(parent=parent, content=HUND, metadata=key)
        assert detected.languages[0].language_code == "de"
        listed = client.get_supported_languages(parent=parent, metadata=key)
        assert [each.language_code for each in listed.languages] == ["de", "en"]
        with pytest.raises(errors.Unauthenticated):
            client.detect_language(parent=parent, content=HUND)


# --- OpenAI --------------------------------------------------------------------------------------

SYSTEM = {"role": "system", "content": "You are a translator. Translate from English to German."}


@pytest.fixture(scope="module")
def chat(server: RunningServer) -> Iterator[Any]:
    with openai.OpenAI(api_key="secret", base_url=url_of(server, "/v1"), max_retries=0) as client:
        yield client


def said(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("en-de", [SYSTEM, said(DOG)]),
        ("gpt-x", [said(f"Translate the following text into German:\n\n{DOG}")]),
        ("en-de", [said(f"Translate from English to German (Deutsch).\n\n```\n{DOG}\n```")]),
        ("en-de", [said(f"Translate to de: {DOG}")]),
        ("en-de", [said(f"Übersetze ins Deutsche auf Deutsch:\n{DOG}")]),
        ("en-de/de", [said(DOG)]),
        (
            "en-de",
            [
                {
                    "role": "system",
                    "content": "You are a professional, authentic translation engine.",
                },
                said(
                    "Translate the following source text to German, output translation directly "
                    f"without any additional text.\nSource Text: {DOG}\n\nTranslated Text:"
                ),
            ],
        ),
    ],
)
def test_a_chat_that_asks_for_a_translation_gets_it(
    chat: Any, offline: Translator, name: str, messages: list[Any]
) -> None:
    answer = chat.chat.completions.create(model=name, messages=messages, temperature=0)
    assert [answer.choices[0].message.content] == expected(offline, DOG)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage and answer.usage.prompt_tokens and answer.usage.completion_tokens


def test_a_chat_streams_line_by_line(chat: Any, offline: Translator) -> None:
    messages: list[Any] = [SYSTEM, said(f"{DOG}\n\n{HOUSE}")]
    stream = chat.chat.completions.create(
        model="en-de", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    deltas = [each.choices[0].delta.content for each in chunks if each.choices]
    dog, house = expected(offline, DOG, HOUSE)
    assert "".join(filter(None, deltas)) == f"{dog}\n\n{house}"
    assert len([text for text in deltas if text]) == 3
    assert chunks[-1].usage and chunks[-1].usage.total_tokens


def test_a_chat_about_anything_else_is_refused_with_a_sentence(chat: Any) -> None:
    for messages in (
        [said("What is the capital of France?")],
        [said("Translate into Klingon:\nA dog.")],
        [said("Tell me about the house in German")],
        [said("Translate into German:\nA dog."), {"role": "assistant", "content": "Hund"}],
        [],
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            chat.chat.completions.create(model="en-de", messages=messages)  # type: ignore[arg-type]
        assert "Error code: 400" in str(refused.value)
    with pytest.raises(openai.BadRequestError, match="nothing else"):
        chat.chat.completions.create(
            model="en-de",
            messages=[SYSTEM, said(DOG)],  # type: ignore[list-item]
            tools=[{"type": "function", "function": {"name": "f"}}],
        )


def test_models_are_listed(server: RunningServer, chat: Any) -> None:
    assert [each.id for each in chat.models.list()] == ["en-de", "en-de/en", "en-de/de"]
    assert chat.models.retrieve("en-de/de").id == "en-de/de"
    with pytest.raises(openai.NotFoundError):
        chat.models.retrieve("none")
    assert get(server, "/v1/models").status == 401
    body = post_json(server, "/v1/chat/completions", {}, Authorization="Bearer wrong").body
    assert json.loads(body)["error"]["type"] == "authentication_error"
