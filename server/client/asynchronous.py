"""The client for programs that use asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from types import ModuleType, TracebackType
from typing import Any, ClassVar

import grpc

from tformer.model.options import DecodingOptions
from tformer.model.terms.glossary import Glossary
from tformer.model.translation import Translation
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.client.connection import Connection
from tformer.server.client.documents import (
    DocumentExchange,
    Progress,
    TranslatedFile,
    document_config,
)
from tformer.server.client.exchange import Exchange, RequestOptions
from tformer.server.client.retries import Failure


class AsyncClient(Connection):
    """A server, as a translator for programs that use asyncio; make it where the loop runs."""

    _library: ClassVar[ModuleType] = grpc.aio

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close()

    async def glossaries(self) -> list[pb.Glossary]:
        """As `Client.glossaries`."""
        retries = self._retries()
        request = pb.ListGlossariesRequest()
        while True:
            try:
                found = await self._stub.ListGlossaries(
                    request, timeout=self._patience, metadata=self._metadata
                )
                return list(found.glossaries)
            except grpc.RpcError as error:
                failure = Failure.of(error)
            await asyncio.sleep(retries.delay(failure))

    async def translate(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        options: DecodingOptions | None = None,
        glossary: Glossary | None = None,
    ) -> AsyncIterator[Translation]:
        """As `Client.translate`."""
        order = RequestOptions(self._model, source, target, options, glossary)
        exchange = self._exchange(order)
        if order.is_about_terms:
            await self.glossaries()  # a server that has none to list would ignore it
        remaining = _asynchronous(texts)
        stream = self._open(exchange)
        try:
            while True:
                while exchange.has_room and (text := await anext(remaining, None)) is not None:
                    stream.send(exchange.add(text))
                if exchange.all_answered:
                    await stream.finish()
                    return
                try:
                    translation = exchange.take(await stream.receive())
                except Failure as failure:
                    stream.close()
                    await asyncio.sleep(exchange.delay(failure))
                    stream = self._open(exchange)
                else:
                    yield translation
        finally:
            stream.close()

    async def translate_document(
        self,
        data: bytes,
        name: str = "",
        *,
        format: str | None = None,
        source: str | None = None,
        target: str | None = None,
        options: DecodingOptions | None = None,
        glossary: Glossary | None = None,
        progress: Progress | None = None,
    ) -> TranslatedFile:
        """As `Client.translate_document`."""
        config = document_config(name, format, self._model, source, target, options, glossary)
        exchange = DocumentExchange(config, data, progress or (lambda done, segments: None))
        retries = self._retries()
        while True:
            call = self._stub.StreamTranslateDocument(exchange.requests(), metadata=self._metadata)
            try:
                async for response in call:
                    exchange.take(response)
                return exchange.result()
            except grpc.RpcError as error:
                failure = Failure.of(error)
            except Failure as error:
                failure = error
            finally:
                call.cancel()
            await asyncio.sleep(retries.delay(failure))

    def _open(self, exchange: Exchange) -> _AsyncStream:
        return _AsyncStream(self._stub, self._metadata, exchange.opening())


class _AsyncStream:
    """A call of StreamTranslateText whose requests are sent while answers are awaited."""

    def __init__(
        self,
        stub: Any,
        metadata: tuple[tuple[str, str], ...],
        opening: list[pb.StreamTranslateTextRequest],
    ) -> None:
        self._requests: asyncio.Queue[pb.StreamTranslateTextRequest | None] = asyncio.Queue()
        for request in opening:
            self.send(request)
        self._call = stub.StreamTranslateText(self._sent(), metadata=metadata)

    async def _sent(self) -> AsyncIterator[pb.StreamTranslateTextRequest]:
        while request := await self._requests.get():
            yield request

    def send(self, request: pb.StreamTranslateTextRequest) -> None:
        self._requests.put_nowait(request)

    async def receive(self) -> pb.StreamTranslateTextResponse:
        try:
            response = await self._call.read()
        except grpc.RpcError as error:
            raise Failure.of(error) from None
        if response is grpc.aio.EOF:
            raise Failure.ended_early()
        return response

    async def finish(self) -> None:
        """Tell the server that all is well; everything has been answered."""
        self._requests.put_nowait(None)
        with suppress(grpc.RpcError):
            await self._call.read()

    def close(self) -> None:
        """End the call, and the task that sends requests, which a call that has failed leaves."""
        self._requests.put_nowait(None)
        self._call.cancel()


async def _asynchronous(texts: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    if isinstance(texts, AsyncIterable):
        async for text in texts:
            yield text
    else:
        for text in texts:
            yield text
