"""Classification of failed calls, and retries."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.status_pb2 import Status

from tformer.model.errors import ServerError, TformerError, UsageError
from tformer.server.status import DETAILS_KEY, retry_delay

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0

_NOT_SENT = "Internal error from Core"
"""Details that gRPC for asyncio gives a call that ended while a request was being sent."""


@dataclass(eq=False)
class Failure(Exception):
    """A call, or an item of a stream, that was not answered."""

    code: grpc.StatusCode
    status: Status

    @classmethod
    def of(cls, error: Any) -> Failure:
        """Read a grpc.RpcError, whose type does not tell that it is a call too."""
        details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
        if details:
            return cls(error.code(), Status.FromString(details))
        if error.code() is grpc.StatusCode.INTERNAL and error.details() == _NOT_SENT:
            return cls.ended_early()
        return cls(error.code(), Status(message=error.details() or ""))

    @classmethod
    def ended_early(cls) -> Failure:
        """A stream that ended as if all were well, with texts unanswered."""
        message = "the server ended the stream before it had answered everything"
        return cls(grpc.StatusCode.UNAVAILABLE, Status(message=message))

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
        if self.code is grpc.StatusCode.UNIMPLEMENTED:
            return ServerError(f"{address}: this server is of a version that does not know how")
        return ServerError(f"{address}: {self.code.name}: {self.status.message}")


class Retries:
    """When to try again, and when to give up."""

    def __init__(self, address: str, patience: float) -> None:
        """Nothing has failed yet; without an answer for ``patience`` seconds the end has come."""
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
