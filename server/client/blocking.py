"""The client for programs that wait for what they ask for."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from types import TracebackType
from typing import Any

import grpc
from google.protobuf.message import Message

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


class Client(Connection):
    """A server, as a translator."""

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
        """Languages that can be translated from."""
        return tuple(each.language_code for each in self._languages if each.support_source)

    @property
    def target_languages(self) -> tuple[str, ...]:
        """Languages that can be translated into."""
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

    def glossaries(self) -> list[pb.Glossary]:
        """The glossaries that the server has, by name.

        Raises:
            TformerError: the server does not tell.
        """
        request = pb.ListGlossariesRequest()
        return list(self._ask(self._stub.ListGlossaries, request).glossaries)

    def translate(
        self,
        texts: Iterable[str],
        *,
        source: str | None = None,
        target: str | None = None,
        options: DecodingOptions | None = None,
        glossary: Glossary | None = None,
    ) -> Iterator[Translation]:
        """Translate texts; as many translations come out, in the same order.

        ``texts`` is read as translations are taken, in the same thread. A `NamedGlossary` is one of
        the server; any other goes along, and may have `MOST_ENTRIES` terms.

        Raises:
            UsageError: the server does not know a language, a model, a glossary, or so wide a beam.
            ServerError: it cannot be reached, refuses, or has been busy for too long.
        """
        order = RequestOptions(self._model, source, target, options, glossary)
        exchange = self._exchange(order)
        if order.is_about_terms:
            self.glossaries()  # a server that has none to list would ignore it
        remaining = iter(texts)
        stream = self._open(exchange)
        try:
            while True:
                while exchange.has_room and (text := next(remaining, None)) is not None:
                    stream.send(exchange.add(text))
                if exchange.all_answered:
                    stream.finish()
                    return
                try:
                    translation = exchange.take(stream.receive())
                except Failure as failure:
                    stream.close()
                    time.sleep(exchange.delay(failure))
                    stream = self._open(exchange)
                else:
                    yield translation
        finally:
            stream.close()

    def translate_document(
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
        """Translate a document of any format that the server reads.

        Args:
            data: content of the file.
            name: of the file; its ending tells the format.
            format: of the file; None to tell by name and content.
            source: language of the file; None to detect it.
            target: language to translate to; None for the only other one.
            options: for decoding.
            glossary: as for `translate`.
            progress: told the segments that are done, and how many there are.

        Raises:
            UsageError: the file cannot be read, or the server does not know a language.
            ServerError: it cannot be reached, refuses, or has been busy for too long.
        """
        config = document_config(name, format, self._model, source, target, options, glossary)
        exchange = DocumentExchange(config, data, progress or (lambda done, segments: None))
        retries = self._retries()
        while True:
            call = self._stub.StreamTranslateDocument(exchange.requests(), metadata=self._metadata)
            try:
                for response in call:
                    exchange.take(response)
                return exchange.result()
            except grpc.RpcError as error:
                failure = Failure.of(error)
            except Failure as error:
                failure = error
            finally:
                call.cancel()
            time.sleep(retries.delay(failure))

    def _open(self, exchange: Exchange) -> _Stream:
        return _Stream(self._stub, self._metadata, exchange.opening())

    def _ask(self, method: Callable[..., Any], request: Message) -> Any:
        """The answer to a question that may be asked again."""
        retries = self._retries()
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
        opening: list[pb.StreamTranslateTextRequest],
    ) -> None:
        self._requests: queue.SimpleQueue[pb.StreamTranslateTextRequest | None]
        self._requests = queue.SimpleQueue()
        for request in opening:
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
            raise Failure.ended_early() from None

    def finish(self) -> None:
        """Tell the server that all is well; everything has been answered."""
        self._requests.put(None)
        with suppress(grpc.RpcError):
            next(self._call, None)

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()
