"""The client against a real server: the contract of a translator, failures, retries."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.model.errors import InputError, ServerError, UsageError
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.translation import Translation
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import (
    TranslationServiceServicer,
    add_TranslationServiceServicer_to_server,
)
from tformer.server.access.tokens import hash_token
from tformer.server.client import AsyncClient, Client, Identity
from tformer.server.status import DETAILS_KEY, Overloaded, status_of

SHORT = DecodingOptions(beam_size=2, max_length=8, n_best=2)

TEXTS = ["", *SENTENCES, " ".join(SENTENCES), " \t ", *SENTENCES[::-1]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[RunningServer]:
    with serving(model, dtype="int8") as running:
        yield running


@pytest.fixture(scope="module")
def offline(model: Path) -> list[Translation]:
    translator = Translator.load(model, device="cpu", dtype="int8", threads=1)
    return list(translator.translate(TEXTS, target="de", options=SHORT))


def assert_same(found: list[Translation], wanted: list[Translation]) -> None:
    assert [[h.text for h in t.hypotheses] for t in found] == [
        [h.text for h in t.hypotheses] for t in wanted
    ]
    assert [t.hypotheses[0].score for t in found] == pytest.approx(
        [t.hypotheses[0].score for t in wanted], rel=1e-5
    )

    def rest(translation: Translation) -> tuple[object, ...]:
        return (
            translation.text,
            translation.source_language,
            translation.target_language,
            translation.warnings,
            translation.finish_reason,
            translation.source_tokens,
        )

    assert [rest(t) for t in found] == [rest(t) for t in wanted]


def test_alignments_and_scores_of_pieces_are_those_of_the_offline_engine(
    server: RunningServer, model: Path
) -> None:
    options = replace(SHORT, alignments=True, token_scores=True)
    translator = Translator.load(model, device="cpu", dtype="int8", threads=1)
    wanted = list(translator.translate(TEXTS, target="de", options=options))
    with Client(server.address) as client:
        found = list(client.translate(TEXTS, target="de", options=options))
        plain = next(client.translate(TEXTS[1:2], target="de", options=SHORT))
    assert_same(found, wanted)
    for a, b in zip(found, wanted, strict=True):
        for hypothesis, reference in zip(a.hypotheses, b.hypotheses, strict=True):
            assert hypothesis.alignment == reference.alignment
            scores, others = hypothesis.piece_scores or (), reference.piece_scores or ()
            assert [span for span, _ in scores] == [span for span, _ in others]
            assert [p for _, p in scores] == pytest.approx([p for _, p in others], rel=1e-4)
    assert any(t.hypotheses[0].alignment for t in wanted)
    assert plain.hypotheses[0].alignment is plain.hypotheses[0].piece_scores is None


@pytest.mark.parametrize("in_flight", [1, 3, 1000])
def test_it_translates_as_the_offline_translator_does(
    server: RunningServer, offline: list[Translation], in_flight: int
) -> None:
    with Client(server.address, in_flight=in_flight) as client:
        assert set(client.languages) == {"en", "de"}
        assert_same(list(client.translate(TEXTS, target="de", options=SHORT)), offline)
        assert list(client.translate([])) == []


def test_the_asynchronous_one_does_too(server: RunningServer, offline: list[Translation]) -> None:
    async def texts() -> AsyncIterator[str]:
        for text in TEXTS:
            yield text

    async def test() -> None:
        async with AsyncClient(server.address, in_flight=5) as client:
            found = [t async for t in client.translate(texts(), target="de", options=SHORT)]
            assert_same(found, offline)
            again = [t async for t in client.translate(TEXTS, target="de", options=SHORT)]
            assert_same(again, offline)

    asyncio.run(test())


def test_a_stream_that_was_read_to_its_end_is_no_failure(server: RunningServer) -> None:
    def ended(code: str) -> float:
        method = "tformer.v1.TranslationService.StreamTranslateText"
        registry = server.server._metrics.registry
        labels = {"method": method, "code": code}
        return registry.get_sample_value("tformer_calls_total", labels) or 0.0

    before = ended("OK"), ended("CANCELLED")
    with Client(server.address) as client:
        list(client.translate(["a dog"], target="de", options=SHORT))
        assert (ended("OK"), ended("CANCELLED")) == (before[0] + 1, before[1])
        next(client.translate(itertools.repeat("a dog"), target="de", options=SHORT))
        deadline = time.monotonic() + 20
        while ended("CANCELLED") == before[1]:
            assert time.monotonic() < deadline


def test_texts_are_read_as_translations_are_taken_and_in_this_thread(
    server: RunningServer,
) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            assert threading.current_thread() is threading.main_thread()
            read += 1
            yield "the dog"

    with Client(server.address, in_flight=8) as client:
        translations = client.translate(endless(), target="de", options=SHORT)
        for taken in range(1, 30):
            next(translations)
            assert read < taken + 8


def test_what_has_no_utf_8_is_replaced(server: RunningServer) -> None:
    with Client(server.address) as client:
        (translation,) = client.translate(["\ud800..\udfff"], target="de")
    assert translation.text == "\ufffd..\ufffd"


def test_the_impossible_is_a_usage_error_at_once(server: RunningServer) -> None:
    with Client(server.address) as client, pytest.raises(UsageError, match="tlh"):
        list(client.translate(["x"], target="tlh"))
    with Client(server.address, model="none") as client, pytest.raises(UsageError, match="none"):
        _ = client.languages


def test_a_server_that_is_not_there_is_given_up_after_a_while() -> None:
    started = time.monotonic()
    with Client("127.0.0.1:1", patience=0.5) as client:
        with pytest.raises(ServerError, match="UNAVAILABLE"):
            list(client.translate(["x"]))
        with pytest.raises(ServerError, match="UNAVAILABLE"):
            _ = client.languages
    assert 0.2 < time.monotonic() - started < 10


def test_a_token_is_sent(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(f'[tokens.alice]\nsha256 = "{hash_token("secret")}"\n')
    with serving(model, tokens=file, dtype="int8") as running:
        with Client(running.address, identity=Identity(token="secret")) as client:
            assert client.models()[0].name == "en-de"
        with Client(running.address) as client, pytest.raises(ServerError, match="UNAUTHENTICATED"):
            client.models()


def test_a_certificate_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none"):
        Client("127.0.0.1:1", identity=Identity(ca=tmp_path / "none"))


# --- a server that misbehaves --------------------------------------------------------------------


class Moody(TranslationServiceServicer):  # type: ignore[misc]
    """Answers so many items of a stream, then fails; each stream has its own mood."""

    def __init__(self, *moods: tuple[int, str]) -> None:
        self.moods = list(moods)
        self.received: list[list[str]] = []

    def StreamTranslateText(self, requests: Any, context: Any) -> Iterator[Any]:
        answers, mood = self.moods.pop(0)
        received: list[str] = []
        self.received.append(received)
        next(requests)
        for request in requests:
            text = request.item.content
            received.append(text)
            if len(received) > answers:
                yield from self.fail(mood, context)
                return
            translation = pb.Translation(
                translated_text=text.upper(), finish_reason=pb.FINISH_REASON_END_OF_SENTENCE
            )
            yield pb.StreamTranslateTextResponse(translation=translation)

    def fail(self, mood: str, context: Any) -> Iterator[Any]:
        if mood == "busy":
            status = status_of(Overloaded("busy", 0.01))
            context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")
        elif mood == "item":
            error = Status(code=grpc.StatusCode.INTERNAL.value[0], message="a defect")
            yield pb.StreamTranslateTextResponse(translation=pb.Translation(error=error))
        elif mood != "ends early":
            context.abort(grpc.StatusCode[mood], mood)


@contextmanager
def serving_moods(moody: Moody) -> Iterator[str]:
    """The address of such a server."""
    with futures.ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        add_TranslationServiceServicer_to_server(moody, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait()


def talk_to(moody: Moody, patience: float = 5.0) -> list[str]:
    with serving_moods(moody) as address, Client(address, patience=patience, in_flight=3) as client:
        return [t.text for t in client.translate("abcdef")]


@pytest.mark.parametrize("mood", ["UNAVAILABLE", "busy", "ends early"])
def test_what_was_not_answered_is_sent_again(mood: str) -> None:
    moody = Moody((2, mood), (0, mood), (100, ""))
    assert talk_to(moody) == list("ABCDEF")
    assert moody.received[0][:3] == list("abc")
    assert moody.received[1][:1] == list("c")
    assert moody.received[2] == list("cdef")


def test_a_stream_that_failed_leaves_no_task_behind() -> None:
    async def translate(address: str) -> tuple[list[str], list[str]]:
        async with AsyncClient(address, patience=5, in_flight=3) as client:
            texts = [translation.text async for translation in client.translate("abcdef")]
            await asyncio.sleep(0.05)
            mine = asyncio.current_task()
            return texts, [repr(task) for task in asyncio.all_tasks() if task is not mine]

    with serving_moods(Moody((2, "UNAVAILABLE"), (0, "ends early"), (100, ""))) as address:
        assert asyncio.run(translate(address)) == (list("ABCDEF"), [])


@pytest.mark.parametrize("mood", ["INTERNAL", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "item"])
def test_what_would_fail_again_is_not_sent_again(mood: str) -> None:
    moody = Moody((2, mood))
    with pytest.raises(ServerError, match="INTERNAL" if mood == "item" else mood):
        talk_to(moody)
    assert len(moody.received) == 1


def test_patience_ends() -> None:
    moody = Moody(*[(0, "UNAVAILABLE")] * 100)
    with pytest.raises(ServerError, match="UNAVAILABLE"):
        talk_to(moody, patience=0.5)
    assert 1 < len(moody.received) < 20


def test_a_restarted_server_is_found_again(model: Path) -> None:
    with serving(model, dtype="int8") as running:
        address = running.server.address
        with Client(running.address, in_flight=2, patience=20) as client:
            translations = client.translate(["the dog"] * 12, target="de", options=SHORT)
            first = [next(translations).text for _ in range(3)]
            running.stop()
            with serving(model, listen=address, dtype="int8"):
                rest = [translation.text for translation in translations]
    assert first + rest == [first[0]] * 12


def test_a_client_needs_no_torch() -> None:
    program = "import sys, tformer.server.client; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"set()\n"


def test_streams_take_turns_between_servers_and_survive_the_loss_of_one(model: Path) -> None:
    """64 streams on two servers, of which one ends at once: no text is lost, none comes twice."""
    texts = [f"{sentence} {i}" for i in range(3) for sentence in SENTENCES]
    with serving(model) as kept, serving(model) as lost:
        (alone,) = ([t.text for t in ask(kept.address, texts)] for _ in range(1))
        both = f"{kept.address},{lost.address}"
        with futures.ThreadPoolExecutor(64) as pool:
            running = [pool.submit(ask, both, texts, lost if i == 40 else None) for i in range(64)]
            results = [[t.text for t in future.result(timeout=120)] for future in running]
    assert results == [alone] * 64


def ask(address: str, texts: list[str], ending: RunningServer | None = None) -> list[Translation]:
    """All translations of a client of its own; in mid-stream a server is ended."""
    found = []
    with Client(address, in_flight=4) as client:
        for translation in client.translate(texts, target="de", options=SHORT):
            found.append(translation)
            if ending and len(found) == 3:
                ending.stop()
    return found
