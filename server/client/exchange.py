"""Protocol of one `translate` call, without input and output.

The clients differ in how they send and wait; all else is here, once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tformer.model.options import DecodingOptions
from tformer.model.terms.glossary import Glossary
from tformer.model.translation import Translation
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.client.retries import Failure, Retries
from tformer.server.glossaries.wire import config_of
from tformer.server.rpc.messages import options_message, translation_from
from tformer.server.status import code_from
from tformer.server.utf8 import sendable

IN_FLIGHT_CHARACTERS = 1 << 20
"""Characters of the texts that are in flight, at most; a single text may have more."""


@dataclass(frozen=True)
class RequestOptions:
    """Options of every text of one call."""

    model: str
    source: str | None
    target: str | None
    options: DecodingOptions | None
    glossary: Glossary | None = None

    @property
    def is_about_terms(self) -> bool:
        """True if it asks for something that a server of an earlier version would ignore."""
        return bool(self.glossary or (self.options and self.options.required_terms))

    def item(self, text: str) -> pb.StreamTranslateTextRequest:
        """The message that sends a text."""
        prefix = self.options.target_prefix if self.options else ""
        item = pb.StreamItem(content=sendable(text), target_prefix=sendable(prefix))
        return pb.StreamTranslateTextRequest(item=item)

    def config(self) -> pb.StreamTranslateTextRequest:
        """The first message of every stream."""
        return pb.StreamTranslateTextRequest(
            config=pb.StreamConfig(
                source_language_code=self.source or "",
                target_language_code=self.target or "",
                model=self.model,
                options=options_message(self.options or DecodingOptions()),
                glossary_config=config_of(self.glossary) if self.glossary else None,
            )
        )


class Exchange:
    """The texts that have been sent and not answered, the oldest first, and how to go on."""

    def __init__(self, order: RequestOptions, retries: Retries, in_flight: int) -> None:
        """Nothing has been sent; at most ``in_flight`` texts will be unanswered."""
        self._order = order
        self._opening = order.config()
        self._retries = retries
        self._in_flight = in_flight
        self._texts: deque[str] = deque()
        self._characters = 0

    @property
    def all_answered(self) -> bool:
        """True if nothing is in flight."""
        return not self._texts

    @property
    def has_room(self) -> bool:
        """True if one more text may be sent."""
        return len(self._texts) < self._in_flight and self._characters < IN_FLIGHT_CHARACTERS

    def add(self, text: str) -> pb.StreamTranslateTextRequest:
        """The message that sends a text."""
        self._texts.append(text)
        self._characters += len(text)
        return self._order.item(text)

    def opening(self) -> list[pb.StreamTranslateTextRequest]:
        """First messages of a new stream: the configuration, and all unanswered texts."""
        return [self._opening, *map(self._order.item, self._texts)]

    def take(self, response: pb.StreamTranslateTextResponse) -> Translation:
        """The translation of the oldest text, which is then answered.

        Raises:
            Failure: there is an error in its place.
        """
        message = response.translation
        if message.HasField("error"):
            raise Failure(code_from(message.error), message.error)
        self._characters -= len(self._texts.popleft())
        self._retries.reset()
        order = self._order
        return translation_from(message, order.source or "", order.options or DecodingOptions())

    def delay(self, failure: Failure) -> float:
        """Seconds after which to open a new stream.

        Raises:
            TformerError: trying again is of no use, or has been for too long.
        """
        return self._retries.delay(failure)
