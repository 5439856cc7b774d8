"""Mixed load: every accepted text is answered once, as offline, and nothing is left behind.

`TFORMER_TEST_REQUESTS=100000 pytest -s -m slow tests/test_server_load.py` is the long run, and
prints what it took.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.terms.glossary import Entry, Glossary
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.glossaries.wire import config_of
from tformer.server.rpc.messages import options_message

CONCURRENT = 32

TEXTS = ["", "...", "dog", *SENTENCES, " ".join(SENTENCES[:3]), "the old dog, " * 20]


class Way(NamedTuple):
    """How to translate."""

    options: DecodingOptions
    glossary: Glossary | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """What requests and the first messages of streams say of it."""
        config = config_of(self.glossary) if self.glossary else None
        options = options_message(self.options)
        return {"target_language_code": "de", "options": options, "glossary_config": config}


TERMS = Glossary([Entry("dog", "Hund"), Entry("old", "alt"), Entry("Strand", "beach")])


def drawn_way(seed: int) -> Way:
    draw = random.Random(seed)
    options = drawn_options(draw)
    if draw.random() < 0.25:
        prefix, required = draw.choice([("D", ()), ("", ("Hund",)), ("Da", ("alt", "am"))])
        options = replace(
            options, target_prefix=prefix, required_terms=required, max_length=16, n_best=1
        )
    return Way(options, TERMS if seed == 7 else None)


def drawn_options(draw: random.Random) -> DecodingOptions:
    beam_size = draw.randint(1, 4)
    max_length = draw.randint(2, 12)
    return DecodingOptions(
        beam_size=beam_size,
        n_best=draw.randint(1, beam_size),
        max_length=max_length,
        min_length=draw.randint(0, max_length),
        length_penalty=draw.choice([0, 0.6, 1.0, 2.5]),
    )


WAYS = [drawn_way(seed) for seed in range(16)]

SHARES = {"malformed": 2, "too late": 5, "cancelled": 10, "stream": 33, "unary": 50}
"""Percent."""

MALFORMED = [
    b"\x0a\x02\xff\xfe",  # a text that is not UTF-8
    b"\x0a\x7f",  # shorter than it says
    pb.TranslateTextRequest(contents=["dog"], target_language_code="tlh").SerializeToString(),
    pb.TranslateTextRequest(options=pb.DecodingOptions(beam_size=-1)).SerializeToString(),
    pb.TranslateTextRequest(contents=["dog"], mime_type="text/tlh").SerializeToString(),
]


class Mix:
    """Sends requests of all kinds and compares what comes back with the offline translation."""

    def __init__(self, channel: grpc.aio.Channel, offline: Translator, seed: int) -> None:
        self.ended: Counter[tuple[str, str]] = Counter()
        self._stub: Any = TranslationServiceStub(channel)  # type: ignore[no-untyped-call]
        # Sends bytes as they are.
        self._raw: Any = channel.unary_unary("/tformer.v1.TranslationService/TranslateText")
        self._draw = random.Random(seed)
        self._expected = {
            (text, way): translation.text
            for way in WAYS
            for text, translation in zip(
                TEXTS,
                offline.translate(TEXTS, target="de", options=way.options, glossary=way.glossary),
                strict=True,
            )
        }

    async def send(self, number: int) -> None:
        """``number`` requests, some at a time."""
        remaining = iter(range(number))

        async def client() -> None:
            for _ in remaining:
                (kind,) = self._draw.choices(list(SHARES), list(SHARES.values()))
                self.ended[kind, await self._one(kind)] += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONCURRENT):
                tasks.create_task(client())

    async def _one(self, kind: str) -> str:
        texts = self._draw.choices(TEXTS, k=self._draw.randint(1, 4))
        way = self._draw.choice(WAYS)
        try:
            if kind == "malformed":
                return await self._malformed()
            if kind == "too late":
                return await self._unary(texts, way, timeout=self._draw.uniform(0.0005, 0.02))
            if kind == "cancelled":
                return await self._cancelled(texts, way)
            if kind == "stream":
                return await self._stream(texts, way)
            return await self._unary(texts, way)
        except grpc.aio.AioRpcError as error:
            return error.code().name

    async def _unary(self, texts: list[str], way: Way, timeout: float = 60) -> str:
        prefixes = [way.options.target_prefix] * len(texts)
        request = pb.TranslateTextRequest(contents=texts, target_prefixes=prefixes, **way.fields)
        response = await self._stub.TranslateText(request, timeout=timeout)
        self._compare(texts, way, [t.translated_text for t in response.translations])
        return "OK"

    async def _stream(self, texts: list[str], way: Way) -> str:
        as_ready = self._draw.random() < 0.5
        config = pb.StreamConfig(as_ready=as_ready, **way.fields)

        async def messages() -> AsyncIterator[pb.StreamTranslateTextRequest]:
            yield pb.StreamTranslateTextRequest(config=config)
            for number, text in enumerate(texts):
                prefix = way.options.target_prefix
                item = pb.StreamItem(id=str(number), content=text, target_prefix=prefix)
                yield pb.StreamTranslateTextRequest(item=item)

        answers = [a async for a in self._stub.StreamTranslateText(messages(), timeout=60)]
        if as_ready:
            answers.sort(key=lambda answer: int(answer.id))
        assert [answer.id for answer in answers] == [str(n) for n in range(len(texts))]
        self._compare(texts, way, [answer.translation.translated_text for answer in answers])
        return "OK"

    async def _cancelled(self, texts: list[str], way: Way) -> str:
        request = asyncio.create_task(self._unary(texts, way))
        await asyncio.sleep(self._draw.uniform(0, 0.05))
        request.cancel()
        try:
            return await request
        except asyncio.CancelledError:
            return "CANCELLED"

    async def _malformed(self) -> str:
        await self._raw(self._draw.choice(MALFORMED), timeout=60)
        return "OK"

    def _compare(self, texts: list[str], way: Way, found: list[str]) -> None:
        assert found == [self._expected[text, way] for text in texts]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture
def server(model: Path) -> Iterator[RunningServer]:
    with serving(model) as running:
        yield running


EXPECTED = {
    "malformed": {"INVALID_ARGUMENT"},
    "too late": {"DEADLINE_EXCEEDED", "OK"},
    "cancelled": {"CANCELLED", "OK"},
    "stream": {"OK"},
    "unary": {"OK"},
}


def put_under_load(
    server: RunningServer, model: Path, number: int, seed: int, dtype: str = "float32"
) -> Counter[tuple[str, str]]:
    offline = Translator.load(model, device="cpu", dtype=dtype, threads=1)

    async def main() -> Counter[tuple[str, str]]:
        async with grpc.aio.insecure_channel(server.address) as channel:
            mix = Mix(channel, offline, seed)
            await mix.send(number)
            return mix.ended

    ended = asyncio.run(main())
    assert sum(ended.values()) == number
    unexpected = {end: n for end, n in ended.items() if end[1] not in EXPECTED[end[0]]}
    assert not unexpected
    assert_nothing_is_left(server)
    return ended


def assert_nothing_is_left(server: RunningServer) -> None:
    async def look() -> list[object]:
        for _ in range(500):
            (served,) = server.server._models
            left = [
                served.users,
                server.server.admission.tokens,
                server.server._calls._active,
                not served.scheduler.scheduler.is_idle,
                len(served.scheduler.scheduler.queue),
                served.scheduler.scheduler.queued_tokens,
                *(thread.tokens for thread in served.scheduler.scheduler.threads),
            ]
            if not any(left):
                break
            await asyncio.sleep(0.02)
        return [number for number in left if number]

    assert server.do(look) == []


def resident_mebibytes() -> float:
    """What this process, in which clients and server are, has of the memory now."""
    if not (statm := Path("/proc/self/statm")).exists():
        pytest.skip("needs /proc to tell how much memory is used")
    gc.collect()
    return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20


def test_mixed_load(model: Path) -> None:
    with serving(model, dtype="int8") as server:
        ended = put_under_load(server, model, 300, seed=1, dtype="int8")
    assert ended["unary", "OK"] > 100 and ended["stream", "OK"] > 60
    assert {code for _, code in ended} == {
        "OK", "CANCELLED", "DEADLINE_EXCEEDED", "INVALID_ARGUMENT"
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(24 * 3600)
def test_much_mixed_load_takes_no_memory(server: RunningServer, model: Path) -> None:
    number = int(os.environ.get("TFORMER_TEST_REQUESTS", "4000"))
    started = time.monotonic()
    put_under_load(server, model, max(1000, number // 10), seed=2)  # caches and buffers fill
    before = resident_mebibytes()
    ended = put_under_load(server, model, number, seed=3)
    after = resident_mebibytes()
    seconds = time.monotonic() - started
    print(f"\n{dict(ended)}\n{seconds:.0f} s; {before:.0f} MiB before, {after:.0f} MiB after")
    assert after < 1.05 * before
