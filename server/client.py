"""The other side: translate with a server as with a `Translator`, without torch.

    with Client("127.0.0.1:50051") as client:
        for translation in client.translate(lines, target="de"):
            print(translation.text)

Texts go through a stream, a bounded number of them ahead of the translation that is taken next.
When the server cannot answer now, because it restarts or its queue is full, what has not been
answered is sent again after a while.
"""

from __future__ import annotations

import asyncio
import queue
import random
import re
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from tformer.model.errors import InputError, ServerError, TformerError, UsageError
from tformer.model.options import DecodingOptions
from tformer.model.translation import Translation
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.messages import options_message, translation_from
from tformer.server.status import DETAILS_KEY, code_from, retry_delay

IN_FLIGHT = 256
"""Texts that have been sent and whose translations have not been taken, at most."""

IN_FLIGHT_CHARACTERS = 1 << 20
"""Characters of these, at most; a single text may have more."""

PATIENCE = 30.0
"""Seconds without any answer after which a server is given up."""

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0

# A lone surrogate has no UTF-8; a local translator takes it as U+FFFD too.
_SURROGATE = re.compile("[\ud800-\udfff]")

_CHANNEL_OPTIONS = [
    # Answers are bounded by what was asked.
    ("grpc.max_receive_message_length", -1),
    # Our own back-off says when to try again; a channel that waits longer would thwart it.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
]


@dataclass(frozen=True)
class Identity:
    """How a client knows the server, and the server the client."""

    token: str | None = None
    """Bearer token."""
    ca: Path | None = None
    """PEM file of the authority that signed the server's certificate; None speaks plain text."""
    certificate: Path | None = None
    """PEM file of the client's own certificate, for mutual TLS."""
    key: Path | None = None
    """Its private key."""

    def credentials(self) -> grpc.ChannelCredentials | None:
        """What gRPC makes of the files; None for plain text.

        Raises:
            InputError: one cannot be read.
        """
        if self.ca is None:
            return None
        return grpc.ssl_channel_credentials(
            _read(self.ca),
            _read(self.key) if self.key else None,
            _read(self.certificate) if self.certificate else None,
        )

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What is sent with every call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


@dataclass(eq=False)
class Failure(Exception):
    """A call, or an item of a stream, that was not answered."""

    code: grpc.StatusCode
    status: Status

    @classmethod
    def of(cls, error: Any) -> Failure:
        """What a grpc.RpcError says; its type does not tell that it is a call too."""
        details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
        if details:
            return cls(error.code(), Status.FromString(details))
        return cls(error.code(), Status(message=error.details() or ""))

    @property
    def retry_after(self) -> float | None:
        """Seconds after which to try again; None if that is of no use."""
        delay = retry_delay(self.status)
        if delay is None and self.code is grpc.StatusCode.UNAVAILABLE:
            return 0.0
        return delay

    def error(self, address: str) -> TformerError:
        """As it is told to the user."""
        if self.code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND):
            return UsageError(f"{address}: {self.status.message}")
        return ServerError(f"{address}: {self.code.name}: {self.status.message}")


class _Retries:
    """When to try again, and when to give up."""

    def __init__(self, address: str, patience: float) -> None:
        self._address = address
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """An answer came."""
        self._failures = 0
        self._answered = time.monotonic()

    def delay(self, failure: Failure) -> float:
        """Seconds to wait: twice as long each time, with some chance, so that clients spread.

        Raises:
            TformerError: trying again is of no use, or has been for too long.
        """
        wanted = failure.retry_after
        if wanted is None:
            raise failure.error(self._address)
        own = min(FIRST_DELAY * 2**self._failures, LONGEST_DELAY) * random.uniform(0.5, 1.0)
        delay = max(wanted, own)
        if time.monotonic() + delay - self._answered > self._patience:
            raise failure.error(self._address)
        self._failures += 1
        return delay


class _Window:
    """The texts that have been sent and not answered, the oldest first."""

    def __init__(self, in_flight: int) -> None:
        self._in_flight = in_flight
        self._texts: deque[str] = deque()
        self._characters = 0

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def has_room(self) -> bool:
        return len(self) < self._in_flight and self._characters < IN_FLIGHT_CHARACTERS

    def add(self, text: str) -> pb.StreamTranslateTextRequest:
        self._texts.append(text)
        self._characters += len(text)
        return _item(text)

    def answered(self) -> None:
        self._characters -= len(self._texts.popleft())

    def again(self) -> list[pb.StreamTranslateTextRequest]:
        return [_item(text) for text in self._texts]


class _Order:
    """What is asked of the server about every text of one call."""

    def __init__(
        self, model: str, source: str | None, target: str | None, options: DecodingOptions | None
    ) -> None:
        self._source = source or ""
        self.config = pb.StreamTranslateTextRequest(
            config=pb.StreamConfig(
                source_language_code=self._source,
                target_language_code=target or "",
                model=model,
                options=options_message(options or DecodingOptions()),
            )
        )

    def translation(self, response: pb.StreamTranslateTextResponse) -> Translation:
        """The translation in a response.

        Raises:
            Failure: there is an error in its place.
        """
        message = response.translation
        if message.HasField("error"):
            raise Failure(code_from(message.error), message.error)
        return translation_from(message, self._source)


class Client:
    """A server, as a translator."""

    def __init__(
        self,
        address: str,
        *,
        identity: Identity | None = None,
        model: str = "",
        patience: float = PATIENCE,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        """A client; nothing is sent before it is used.

        Args:
            address: HOST:PORT or unix:PATH.
            identity: who it is; None is nobody, over plain text.
            model: name of the model; "" lets the server choose.
            patience: seconds without an answer after which the server is given up.
            in_flight: texts that may be sent ahead of the translation that is taken next.

        Raises:
            InputError: a certificate cannot be read.
        """
        self.address = address
        self._model = model
        self._patience = patience
        self._in_flight = in_flight
        identity = identity or Identity()
        self._metadata = identity.metadata()
        credentials = identity.credentials()
        self._channel = (
            grpc.secure_channel(address, credentials, _CHANNEL_OPTIONS)
            if credentials
            else grpc.insecure_channel(address, _CHANNEL_OPTIONS)
        )
        self._stub: Any = TranslationServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages of the server's models.

        Raises:
            TformerError: the server does not tell.
        """
        return tuple(language.language_code for language in self._languages)

    @property
    def source_languages(self) -> tuple[str, ...]:
        """Those of them that can be translated from."""
        return tuple(each.language_code for each in self._languages if each.support_source)

    @property
    def target_languages(self) -> tuple[str, ...]:
        """Those of them that can be translated into."""
        return tuple(each.language_code for each in self._languages if each.support_target)

    @cached_property
    def _languages(self) -> list[pb.SupportedLanguage]:
        request = pb.ListSupportedLanguagesRequest(model=self._model)
        return list(self._ask(self._stub.ListSupportedLanguages, request).languages)

    def models(self) -> list[pb.Model]:
        """The models that the server has, its default first.

        Raises:
            TformerError: the server does not tell.
        """
        return list(self._ask(self._stub.ListModels, pb.ListModelsRequest()).models)

    def translate(
        self,
        texts: Iterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        options: DecodingOptions | None = None,
    ) -> Iterator[Translation]:
        """Translate texts; as many translations come out, in the same order.

        ``texts`` is read as translations are taken, in the same thread.

        Raises:
            UsageError: the server does not know a language, a model, or so wide a beam.
            ServerError: it cannot be reached, refuses, or has been busy for too long.
        """
        order = _Order(self._model, source, target, options)
        window = _Window(self._in_flight)
        retries = _Retries(self.address, self._patience)
        remaining = iter(texts)
        stream = self._open(order, window)
        try:
            while True:
                while window.has_room and (text := next(remaining, None)) is not None:
                    stream.send(window.add(text))
                if not window:
                    stream.finish()
                    return
                try:
                    translation = order.translation(stream.receive())
                except Failure as failure:
                    stream.close()
                    time.sleep(retries.delay(failure))
                    stream = self._open(order, window)
                else:
                    window.answered()
                    retries.reset()
                    yield translation
        finally:
            stream.close()

    def _open(self, order: _Order, window: _Window) -> _Stream:
        """A stream to which all that was not answered has been sent."""
        return _Stream(self._stub, self._metadata, [order.config, *window.again()])

    def _ask(self, method: Callable[..., Any], request: Message) -> Any:
        """The answer to a question that may be asked again."""
        retries = _Retries(self.address, self._patience)
        while True:
            try:
                return method(request, timeout=self._patience, metadata=self._metadata)
            except grpc.RpcError as error:
                time.sleep(retries.delay(Failure.of(error)))


class _Stream:
    """A call of StreamTranslateText; gRPC reads what is sent in a thread of its own."""

    def __init__(
        self,
        stub: Any,
        metadata: tuple[tuple[str, str], ...],
        first: list[pb.StreamTranslateTextRequest],
    ) -> None:
        self._requests: queue.SimpleQueue[pb.StreamTranslateTextRequest | None]
        self._requests = queue.SimpleQueue()
        for request in first:
            self.send(request)
        requests = iter(self._requests.get, None)
        self._call = stub.StreamTranslateText(requests, metadata=metadata)

    def send(self, request: pb.StreamTranslateTextRequest) -> None:
        self._requests.put(request)

    def receive(self) -> pb.StreamTranslateTextResponse:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise Failure.of(error) from None
        except StopIteration:
            raise _ended_early() from None

    def finish(self) -> None:
        """Tell the server that all is well; everything has been answered."""
        self._requests.put(None)
        with suppress(grpc.RpcError):
            next(self._call, None)

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()


class AsyncClient:
    """A server, as a translator for programs that use asyncio."""

    def __init__(
        self,
        address: str,
        *,
        identity: Identity | None = None,
        model: str = "",
        patience: float = PATIENCE,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        """A client, with the arguments of `Client`; make it where the event loop runs."""
        self.address = address
        self._model = model
        self._patience = patience
        self._in_flight = in_flight
        identity = identity or Identity()
        self._metadata = identity.metadata()
        credentials = identity.credentials()
        self._channel = (
            grpc.aio.secure_channel(address, credentials, _CHANNEL_OPTIONS)
            if credentials
            else grpc.aio.insecure_channel(address, _CHANNEL_OPTIONS)
        )
        self._stub: Any = TranslationServiceStub(self._channel)  # type: ignore[no-untyped-call]

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

    async def translate(
        self,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        options: DecodingOptions | None = None,
    ) -> AsyncIterator[Translation]:
        """As `Client.translate`."""
        order = _Order(self._model, source, target, options)
        window = _Window(self._in_flight)
        retries = _Retries(self.address, self._patience)
        remaining = _asynchronous(texts)
        stream = self._open(order, window)
        try:
            while True:
                while window.has_room and (text := await anext(remaining, None)) is not None:
                    stream.send(window.add(text))
                if not window:
                    await stream.finish()
                    return
                try:
                    translation = order.translation(await stream.receive())
                except Failure as failure:
                    stream.close()
                    await asyncio.sleep(retries.delay(failure))
                    stream = self._open(order, window)
                else:
                    window.answered()
                    retries.reset()
                    yield translation
        finally:
            stream.close()

    def _open(self, order: _Order, window: _Window) -> _AsyncStream:
        return _AsyncStream(self._stub, self._metadata, [order.config, *window.again()])


class _AsyncStream:
    """A call of StreamTranslateText whose requests are sent while answers are awaited."""

    def __init__(
        self,
        stub: Any,
        metadata: tuple[tuple[str, str], ...],
        first: list[pb.StreamTranslateTextRequest],
    ) -> None:
        self._requests: asyncio.Queue[pb.StreamTranslateTextRequest | None] = asyncio.Queue()
        for request in first:
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
            raise _ended_early()
        return response

    async def finish(self) -> None:
        self._requests.put_nowait(None)
        with suppress(grpc.RpcError):
            await self._call.read()

    def close(self) -> None:
        self._call.cancel()


async def _asynchronous(texts: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    if isinstance(texts, AsyncIterable):
        async for text in texts:
            yield text
    else:
        for text in texts:
            yield text


def _item(text: str) -> pb.StreamTranslateTextRequest:
    content = _SURROGATE.sub("\ufffd", text)
    return pb.StreamTranslateTextRequest(item=pb.StreamItem(content=content))


def _ended_early() -> Failure:
    message = "the server ended the stream before it had answered everything"
    return Failure(grpc.StatusCode.UNAVAILABLE, Status(message=message))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
