"""Mixed load: every accepted text is answered once, as offline, and nothing is left behind.

`TFORMER_TEST_REQUESTS=100000 pytest -m slow tests/test_server_load.py` is the long run.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.model.options import DecodingOptions
from tformer.model.translator import Translator
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.messages import options_message

CONCURRENT = 32

TEXTS = ["", "...", "dog", *SENTENCES, " ".join(SENTENCES[:3]), "the old dog, " * 20]
OPTIONS = [
    DecodingOptions(beam_size=1, max_length=6),
    DecodingOptions(beam_size=2, max_length=10, n_best=2),
    DecodingOptions(beam_size=4, max_length=4, length_penalty=0),
    DecodingOptions(beam_size=3, min_length=2, max_length=12),
]


class Mix:
    """Sends requests of all kinds and compares what comes back with the offline translation."""

    def __init__(self, stub: Any, offline: Translator, seed: int) -> None:
        self.ended: Counter[str] = Counter()
        self._stub = stub
        self._draw = random.Random(seed)
        self._expected = {
            (text, options): translation.text
            for options in OPTIONS
            for text, translation in zip(
                TEXTS, offline.translate(TEXTS, target="de", options=options), strict=True
            )
        }

    async def send(self, number: int) -> None:
        """``number`` requests, some at a time."""
        places = asyncio.Semaphore(CONCURRENT)

        async def one() -> None:
            async with places:
                self.ended[await self._one()] += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(number):
                tasks.create_task(one())

    async def _one(self) -> str:
        texts = self._draw.choices(TEXTS, k=self._draw.randint(1, 4))
        options = self._draw.choice(OPTIONS)
        kind = self._draw.random()
        try:
            if kind < 0.02:
                return await self._malformed(texts)
            if kind < 0.07:
                return await self._unary(texts, options, timeout=self._draw.uniform(0.0005, 0.02))
            if kind < 0.17:
                return await self._cancelled(texts, options)
            if kind < 0.5:
                return await self._stream(texts, options)
            return await self._unary(texts, options)
        except grpc.aio.AioRpcError as error:
            return error.code().name

    async def _unary(self, texts: list[str], options: DecodingOptions, timeout: float = 60) -> str:
        request = pb.TranslateTextRequest(
            contents=texts, target_language_code="de", options=options_message(options)
        )
        response = await self._stub.TranslateText(request, timeout=timeout)
        self._compare(texts, options, [t.translated_text for t in response.translations])
        return "OK"

    async def _stream(self, texts: list[str], options: DecodingOptions) -> str:
        as_ready = self._draw.random() < 0.5
        config = pb.StreamConfig(
            target_language_code="de", options=options_message(options), as_ready=as_ready
        )

        async def messages() -> AsyncIterator[pb.StreamTranslateTextRequest]:
            yield pb.StreamTranslateTextRequest(config=config)
            for number, text in enumerate(texts):
                item = pb.StreamItem(id=str(number), content=text)
                yield pb.StreamTranslateTextRequest(item=item)

        answers = [a async for a in self._stub.StreamTranslateText(messages(), timeout=60)]
        if as_ready:
            answers.sort(key=lambda answer: int(answer.id))
        assert [answer.id for answer in answers] == [str(n) for n in range(len(texts))]
        self._compare(texts, options, [answer.translation.translated_text for answer in answers])
        return "OK"

    async def _cancelled(self, texts: list[str], options: DecodingOptions) -> str:
        request = asyncio.create_task(self._unary(texts, options))
        await asyncio.sleep(self._draw.uniform(0, 0.05))
        request.cancel()
        try:
            return await request
        except asyncio.CancelledError:
            return "CANCELLED"

    async def _malformed(self, texts: list[str]) -> str:
        request = pb.TranslateTextRequest(contents=texts, target_language_code="tlh")
        await self._stub.TranslateText(request, timeout=60)
        return "OK"

    def _compare(self, texts: list[str], options: DecodingOptions, found: list[str]) -> None:
        assert found == [self._expected[text, options] for text in texts]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture
def server(model: Path) -> Iterator[RunningServer]:
    with serving(model) as running:
        yield running


def put_under_load(server: RunningServer, model: Path, number: int, seed: int) -> Counter[str]:
    offline = Translator.load(model, device="cpu", dtype="float32")

    async def main() -> Counter[str]:
        async with grpc.aio.insecure_channel(server.address) as channel:
            mix = Mix(TranslationServiceStub(channel), offline, seed)
            await mix.send(number)
            return mix.ended

    ended = asyncio.run(main())
    assert sum(ended.values()) == number
    assert ended.keys() <= {"OK", "CANCELLED", "DEADLINE_EXCEEDED", "INVALID_ARGUMENT"}
    assert_nothing_is_left(server)
    return ended


def assert_nothing_is_left(server: RunningServer) -> None:
    async def look() -> list[object]:
        for _ in range(500):
            (served,) = server.server._models
            worker = served.worker
            left = [
                served.users,
                server.server._admission.tokens,
                server.server._calls._active,
                len(worker._places),
                len(worker._queue),
                worker._work.num_running + worker._work.num_waiting,
            ]
            if not any(left):
                break
            await asyncio.sleep(0.02)
        return [number for number in left if number]

    assert server.do(look) == []


def test_mixed_load(server: RunningServer, model: Path) -> None:
    ended = put_under_load(server, model, 250, seed=1)
    assert ended["OK"] > 150
    assert len(ended) == 4


@pytest.mark.slow
def test_much_mixed_load_takes_no_memory(server: RunningServer, model: Path) -> None:
    number = int(os.environ.get("TFORMER_TEST_REQUESTS", "4000"))
    put_under_load(server, model, number // 2, seed=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    put_under_load(server, model, number // 2, seed=3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1.1 * before
