"""The methods of the service, asked over a real connection, with stock gRPC stubs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.documents.formats.html import html_of
from tformer.documents.translation import Answer, translate_segments
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.text.offsets import word_pairs
from tformer.model.translation import Translation
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.rpc.messages import options_message
from tformer.server.status import DETAILS_KEY, LONGEST

SHORT = pb.DecodingOptions(beam_size=2, max_length=8)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [
        make_model(folder / "en-de"),
        make_model(folder / "romance", seed=4, languages=("en", "fr", "it")),
    ]


@pytest.fixture(scope="module")
def server(models: list[Path]) -> Iterator[RunningServer]:
    with serving(*models, dtype="int8") as running:
        yield running


@pytest.fixture(scope="module")
def channel(server: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> TranslationServiceStub:
    return TranslationServiceStub(channel)


@pytest.fixture(scope="module")
def offline(models: list[Path]) -> Translator:
    return Translator.load(models[0], device="cpu", dtype="int8", threads=1)


def request(*contents: str, **fields: object) -> pb.TranslateTextRequest:
    chosen: dict[str, object] = {"target_language_code": "de", "options": SHORT, **fields}
    return pb.TranslateTextRequest(contents=contents, **chosen)  # type: ignore[arg-type]


def stream(
    items: list[tuple[str, str]], **config: object
) -> Iterator[pb.StreamTranslateTextRequest]:
    chosen: dict[str, object] = {"target_language_code": "de", "options": SHORT, **config}
    yield pb.StreamTranslateTextRequest(config=pb.StreamConfig(**chosen))  # type: ignore[arg-type]
    for number, content in items:
        yield pb.StreamTranslateTextRequest(item=pb.StreamItem(id=number, content=content))


def expected(
    offline: Translator, *texts: str, source: str | None = None, **options: object
) -> list[Translation]:
    chosen = {"beam_size": 2, "max_length": 8, **options}
    decoding = DecodingOptions(**chosen)  # type: ignore[arg-type]
    return list(offline.translate(texts, source=source, target="de", options=decoding))


def error_of(call: object) -> tuple[grpc.StatusCode, str]:
    assert isinstance(call, grpc.RpcError)
    return call.code(), call.details()  # type: ignore[attr-defined]


# --- translating ---------------------------------------------------------------------------------


def test_translations_are_those_of_the_offline_engine_in_order(
    stub: TranslationServiceStub, offline: Translator
) -> None:
    texts = ["", *SENTENCES, " ".join(SENTENCES), "  \t", "Wo? Da.\nDort."]
    response = stub.TranslateText(request(*texts, source_language_code="en"), timeout=30)
    offline_texts = [t.text for t in expected(offline, *texts, source="en")]
    assert [t.translated_text for t in response.translations] == offline_texts
    assert len(set(offline_texts)) > 6
    assert response.model == "en-de"


def test_a_translation_carries_what_there_is_to_know(
    stub: TranslationServiceStub, offline: Translator
) -> None:
    options = pb.DecodingOptions(beam_size=3, n_best=2, length_penalty=0.0, max_length=5)
    response = stub.TranslateText(request("the dog", options=options), timeout=30)
    (found,) = response.translations
    (wanted,) = expected(
        offline, "the dog", beam_size=3, n_best=2, length_penalty=0.0, max_length=5
    )
    assert [h.text for h in found.hypotheses] == [h.text for h in wanted.hypotheses]
    assert found.score == pytest.approx(wanted.hypotheses[0].score, rel=1e-5)
    assert (found.detected_language_code, found.target_language_code) == ("en", "de")
    assert list(found.warnings) == list(wanted.warnings)
    assert found.usage.source_tokens == wanted.source_tokens
    assert found.usage.target_tokens == wanted.target_tokens
    assert 0 <= found.usage.queue_seconds < 30 and 0 < found.usage.compute_seconds < 30
    assert response.usage == found.usage


def test_what_has_no_word_is_copied(stub: TranslationServiceStub) -> None:
    (found,) = stub.TranslateText(request("..."), timeout=30).translations
    assert (found.translated_text, found.finish_reason) == ("...", pb.FINISH_REASON_COPIED)


def test_a_source_that_was_named_is_not_detected(stub: TranslationServiceStub) -> None:
    (found,) = stub.TranslateText(request("x", source_language_code="en"), timeout=30).translations
    assert found.detected_language_code == ""


def test_regions_and_case_are_ignored(stub: TranslationServiceStub) -> None:
    asked = request("x", source_language_code="en-GB", target_language_code="DE")
    (found,) = stub.TranslateText(asked, timeout=30).translations
    assert found.target_language_code == "de"


def test_the_first_model_with_the_languages_is_used(stub: TranslationServiceStub) -> None:
    response = stub.TranslateText(
        request("x", source_language_code="en", target_language_code="it"), timeout=30
    )
    assert response.model == "romance"


def test_ten_thousand_empty_texts(stub: TranslationServiceStub) -> None:
    response = stub.TranslateText(request(*[""] * 10_000), timeout=30)
    assert len(response.translations) == 10_000
    assert {t.translated_text for t in response.translations} == {""}


def test_nul_and_control_characters_are_text(stub: TranslationServiceStub) -> None:
    response = stub.TranslateText(request("\x00", "a\x00b"), timeout=30)
    assert response.translations[0].translated_text == "\x00"
    assert not response.translations[1].HasField("error")


# --- streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_ready", [False, True])
def test_a_stream_answers_every_item_once(
    stub: TranslationServiceStub, offline: Translator, as_ready: bool
) -> None:
    texts = [*SENTENCES, "", " ".join(SENTENCES)] * 3
    items = [(str(number), text) for number, text in enumerate(texts)]
    answers = list(stub.StreamTranslateText(stream(items, as_ready=as_ready), timeout=30))
    found = [(answer.id, answer.translation.translated_text) for answer in answers]
    wanted = [(str(n), t.text) for n, t in enumerate(expected(offline, *texts))]
    assert (found == wanted) or (as_ready and sorted(found) == sorted(wanted))


def test_as_ready_lets_a_short_text_overtake_a_long_one(stub: TranslationServiceStub) -> None:
    options = pb.DecodingOptions(beam_size=2, min_length=40, max_length=40)
    items = [("long", " ".join(SENTENCES)), ("empty", "")]
    answers = stub.StreamTranslateText(stream(items, as_ready=True, options=options), timeout=30)
    assert [answer.id for answer in answers] == ["empty", "long"]


def test_a_stream_answers_an_item_before_the_next_is_sent(stub: TranslationServiceStub) -> None:
    import queue

    requests: queue.SimpleQueue[pb.StreamTranslateTextRequest | None] = queue.SimpleQueue()
    for first in stream([("0", "one")]):
        requests.put(first)
    answers = stub.StreamTranslateText(iter(requests.get, None), timeout=30)
    for number in range(3):
        assert next(answers).id == str(number)
        following = pb.StreamItem(id=str(number + 1), content="more")
        requests.put(pb.StreamTranslateTextRequest(item=following))
    requests.put(None)
    assert [answer.id for answer in answers] == ["3"]


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        pytest.param([], "config", id="nothing"),
        pytest.param([pb.StreamTranslateTextRequest()], "config", id="empty message"),
        pytest.param(list(stream([]))[:1] * 2, "item", id="two configs"),
        pytest.param(list(stream([], target_language_code="tlh")), "tlh", id="unknown language"),
    ],
)
def test_a_stream_that_is_wrong_is_refused(
    stub: TranslationServiceStub, messages: list[pb.StreamTranslateTextRequest], message: str
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        list(stub.StreamTranslateText(iter(messages), timeout=30))
    code, details = error_of(raised.value)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message in details


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        pytest.param(
            request("x", target_language_code="tlh"), "INVALID_ARGUMENT", "tlh", id="language"
        ),
        pytest.param(
            request("x", target_language_code="tlh", model="en-de"),
            "INVALID_ARGUMENT",
            "en, de",
            id="language of the model",
        ),
        pytest.param(
            request("x", source_language_code="de"),
            "INVALID_ARGUMENT",
            "both 'de'",
            id="same language",
        ),
        pytest.param(request("x", model="none"), "NOT_FOUND", "en-de, romance", id="model"),
        pytest.param(
            request("x", mime_type="text/tlh"), "INVALID_ARGUMENT", "text/plain", id="mime type"
        ),
        pytest.param(
            request("x", source_language_code="en-" + "x" * 100_000),
            "INVALID_ARGUMENT",
            "source_language_code has 100003 characters",
            id="endless language",
        ),
        pytest.param(
            request("x", options=pb.DecodingOptions(beam_size=0)),
            "INVALID_ARGUMENT",
            "beam_size",
            id="no beam",
        ),
        pytest.param(
            request("x", options=pb.DecodingOptions(beam_size=5)),
            "INVALID_ARGUMENT",
            "at most 4",
            id="beam too wide",
        ),
        pytest.param(
            request("x", options=pb.DecodingOptions(length_penalty=float("nan"))),
            "INVALID_ARGUMENT",
            "length_penalty",
            id="NaN",
        ),
    ],
)
def test_the_impossible_is_refused(
    stub: TranslationServiceStub, asked: pb.TranslateTextRequest, code: str, message: str
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.TranslateText(asked, timeout=30)
    assert error_of(raised.value)[0].name == code
    assert message in error_of(raised.value)[1]
    trailing = dict(raised.value.trailing_metadata())
    assert Status.FromString(trailing[DETAILS_KEY]).message == error_of(raised.value)[1]
    assert trailing["x-request-id"]


@pytest.mark.parametrize("message", [b"\xff\xff", b"\x0a\x02\xff\xfe"], ids=["noise", "not UTF-8"])
def test_a_message_that_cannot_be_read_is_the_callers_fault(
    channel: grpc.Channel, message: bytes
) -> None:
    call = channel.unary_unary("/tformer.v1.TranslationService/TranslateText")
    with pytest.raises(grpc.RpcError) as raised:
        call(message, timeout=30)
    code, details = error_of(raised.value)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "UTF-8" in details


def test_a_message_that_is_too_large_is_refused(stub: TranslationServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.TranslateText(request("x" * (5 << 20)), timeout=30)
    assert error_of(raised.value)[0] == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_unknown_method_is_said_to_be_one(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/tformer.v1.TranslationService/Sing")(b"", timeout=30)
    assert error_of(raised.value)[0] == grpc.StatusCode.UNIMPLEMENTED


# --- everything else -----------------------------------------------------------------------------


def test_languages_are_detected(stub: TranslationServiceStub) -> None:
    asked = pb.DetectLanguageRequest(content="Wo ist der Bahnhof?")
    (language,) = stub.DetectLanguage(asked, timeout=30).languages
    assert language.language_code == "de"
    assert 0.5 < language.confidence <= 1
    only = pb.DetectLanguageRequest(content="Wo ist der Bahnhof?", model="romance")
    assert stub.DetectLanguage(only, timeout=30).languages[0].language_code != "de"
    nothing = pb.DetectLanguageRequest(content="42")
    assert not stub.DetectLanguage(nothing, timeout=30).languages


def test_languages_are_listed(stub: TranslationServiceStub) -> None:
    everything = stub.ListSupportedLanguages(pb.ListSupportedLanguagesRequest(), timeout=30)
    assert [language.language_code for language in everything.languages] == ["de", "en", "fr", "it"]
    one = stub.ListSupportedLanguages(pb.ListSupportedLanguagesRequest(model="en-de"), timeout=30)
    assert [language.language_code for language in one.languages] == ["de", "en"]


def test_models_are_listed_and_described(stub: TranslationServiceStub) -> None:
    listed = stub.ListModels(pb.ListModelsRequest(), timeout=30).models
    assert [model.name for model in listed] == ["en-de", "romance"]
    assert stub.GetModel(pb.GetModelRequest(name="romance"), timeout=30) == listed[1]
    assert stub.GetModel(pb.GetModelRequest(), timeout=30) == listed[0]
    assert (listed[0].device, listed[0].dtype, listed[0].max_beam_size) == ("cpu", "int8", 4)
    assert len(listed[0].fingerprint) == 64
    with pytest.raises(grpc.RpcError) as raised:
        stub.GetModel(pb.GetModelRequest(name="none"), timeout=30)
    assert error_of(raised.value)[0] == grpc.StatusCode.NOT_FOUND


def test_a_message_that_quotes_the_caller_is_cut(stub: TranslationServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.GetModel(pb.GetModelRequest(name="ü" * 1_000_000), timeout=30)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert len(refused.value.details()) == LONGEST + 1


@pytest.mark.parametrize(
    "service", ["", "tformer.v1.TranslationService", "tformer.v1.TranslationService/romance"]
)
def test_health_is_told_for_service_and_model(channel: grpc.Channel, service: str) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_knows_the_service(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = reflection_pb2.ServerReflectionRequest(
        file_containing_symbol="tformer.v1.TranslationService"
    )
    (answer,) = stub.ServerReflectionInfo(iter([asked]), timeout=30)
    assert answer.file_descriptor_response.file_descriptor_proto


def test_a_request_id_comes_back(stub: TranslationServiceStub) -> None:
    def request_id(*given: tuple[str, str]) -> str:
        _, call = stub.ListModels.with_call(pb.ListModelsRequest(), metadata=given, timeout=30)
        return str(dict(call.trailing_metadata())["x-request-id"])

    assert request_id(("x-request-id", "abc-1")) == "abc-1"
    assert request_id(("x-request-id", "not fit")) != "not fit"
    assert request_id() != request_id()


# --- HTML ----------------------------------------------------------------------------------------

PAGE = """<!DOCTYPE html>
<h1 title="A dog runs on the beach.">Where is the <b>railway</b> station?</h1>
<script>let text = "the house is old";</script>
<p>The house is old, but the garden is <a href="/x?a=1&amp;b=2">beautiful</a>.<br>
<!-- kept --><p translate="no">Wo ist der Bahnhof?</p>
"""


def test_a_page_keeps_its_tags_and_its_text_becomes_that_of_the_translator(
    stub: TranslationServiceStub, offline: Translator
) -> None:
    asked = pb.TranslateTextRequest(
        contents=[PAGE, "", "<p>1 &lt; 2", "A dog runs on the beach."],
        target_language_code="de",
        mime_type="text/html",
        options=options_message(DecodingOptions(beam_size=2, max_length=9)),
    )
    page, empty, numbers, text = stub.TranslateText(asked, timeout=60).translations

    options = DecodingOptions(beam_size=2, max_length=9, alignments=True)

    def translate(texts: Sequence[str]) -> Iterator[Answer]:
        for source, found in zip(
            texts, offline.translate(texts, source="en", target="de", options=options), strict=True
        ):
            links = found.hypotheses[0].alignment
            yield Answer(found.text, word_pairs(source, found.text, links or ()))

    document = html_of(PAGE)
    segments = translate_segments(document.segments, translate)
    expected = document.with_translations({s.segment.id: s.text for s in segments})
    assert page.translated_text == expected.decode()
    for kept in ("<b>", 'href="/x?a=1&amp;b=2"', "<!-- kept -->", "<script>let text", "Bahnhof?"):
        assert kept in page.translated_text
    assert (page.detected_language_code, page.target_language_code) == ("en", "de")
    assert page.usage.source_tokens > text.usage.source_tokens > 0
    assert empty.translated_text == "" and numbers.translated_text == "<p>1 &lt; 2"
    assert numbers.finish_reason == pb.FINISH_REASON_COPIED
    assert text.usage.target_tokens > 0


def test_pages_come_through_a_stream_too(stub: TranslationServiceStub) -> None:
    items = [("1", "<p>A dog <i>runs</i> on the beach.")]
    (answer,) = stub.StreamTranslateText(stream(items, mime_type="text/html"), timeout=60)
    assert answer.translation.translated_text.startswith("<p>")
    assert "<i>" in answer.translation.translated_text


@pytest.mark.parametrize("option", ["alignments", "token_scores", "n_best"])
def test_a_page_has_no_parts_of_a_sentence(stub: TranslationServiceStub, option: str) -> None:
    options = pb.DecodingOptions(**{option: 2 if option == "n_best" else True})
    with pytest.raises(grpc.RpcError) as raised:
        stub.TranslateText(request("<p>dog", mime_type="text/html", options=options))
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_warnings_are_for_programs_too(stub: TranslationServiceStub) -> None:
    options = pb.DecodingOptions(max_length=8, beam_size=1)
    asked = request("the old dog, " * 100, options=options)
    (found,) = stub.TranslateText(asked, timeout=60).translations
    codes = {details.code for details in found.warning_details}
    # The tiny network says bytes that are no characters, which are left out.
    assert codes == {pb.WARNING_CODE_CUT, pb.WARNING_CODE_LIMIT, pb.WARNING_CODE_GUARD}
    assert [details.message for details in found.warning_details] == list(found.warnings)
