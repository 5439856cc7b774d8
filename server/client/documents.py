"""Messages of a document that is translated on a server, without input and output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tformer.model.options import DecodingOptions
from tformer.model.translation import Notice
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.client.retries import Failure
from tformer.server.glossaries.wire import config_of
from tformer.server.rpc.messages import options_message, warning_from
from tformer.server.utf8 import sendable

if TYPE_CHECKING:
    from tformer.model.terms.glossary import Glossary

CHUNK = 1 << 18
"""Bytes of a document in one message."""

Progress = Callable[[int, int], None]
"""Told how many segments have been translated, and how many there are."""


@dataclass(frozen=True)
class TranslatedFile:
    """A document that came back from a server."""

    data: bytes
    name: str
    """Name for the file: letter.de.docx."""
    format: str
    source_language: str | None
    """Detected language; None where it was named."""
    target_language: str
    segments: int
    """Segments that were translated."""
    warnings: tuple[Notice, ...] = ()


@dataclass
class DocumentExchange:
    """Messages to send, and those received."""

    config: pb.DocumentConfig
    data: bytes
    progress: Progress
    _about: pb.TranslatedDocument | None = None
    _chunks: list[bytes] = field(default_factory=list)

    def requests(self) -> Iterator[pb.StreamTranslateDocumentRequest]:
        """Messages to send, from the first."""
        self._about = None
        self._chunks.clear()
        yield pb.StreamTranslateDocumentRequest(config=self.config)
        for start in range(0, len(self.data), CHUNK):
            yield pb.StreamTranslateDocumentRequest(chunk=self.data[start : start + CHUNK])

    def take(self, response: pb.StreamTranslateDocumentResponse) -> None:
        """Take note of an answer."""
        kind = response.WhichOneof("payload")
        if kind == "progress":
            self.progress(response.progress.segments_done, response.progress.segments)
        elif kind == "document":
            self._about = response.document
        elif kind == "chunk":
            self._chunks.append(response.chunk)

    def result(self) -> TranslatedFile:
        """The document, once the stream has ended.

        Raises:
            Failure: it has ended before the whole file was there.
        """
        data, about = b"".join(self._chunks), self._about
        if about is None or len(data) != about.content_bytes:
            raise Failure.ended_early()
        return TranslatedFile(
            data=data,
            name=about.name,
            format=about.format,
            source_language=about.detected_language_code or None,
            target_language=about.target_language_code,
            segments=about.segments,
            warnings=tuple(warning_from(each.message, each) for each in about.warnings),
        )


def document_config(
    name: str,
    format: str | None,
    model: str,
    source: str | None,
    target: str | None,
    options: DecodingOptions | None,
    glossary: Glossary | None,
) -> pb.DocumentConfig:
    """Configuration of the translation of a document, as a message."""
    return pb.DocumentConfig(
        source_language_code=source or "",
        target_language_code=target or "",
        model=model,
        name=sendable(name),
        format=format or "",
        options=options_message(options or DecodingOptions()),
        glossary_config=config_of(glossary) if glossary else None,
    )
