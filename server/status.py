"""Errors to status and back.

TformerError
├── UsageError          INVALID_ARGUMENT
├── ServerError         see its subclasses
│   ├── Overloaded      RESOURCE_EXHAUSTED, with RetryInfo
│   ├── ShuttingDown    UNAVAILABLE
│   ├── UnknownModel    NOT_FOUND
│   ├── UnknownGlossary NOT_FOUND
│   ├── UnknownFile     NOT_FOUND
│   ├── NoToken         UNAUTHENTICATED
│   ├── PayloadTooLarge RESOURCE_EXHAUSTED, without RetryInfo
│   ├── TooSlow         DEADLINE_EXCEEDED
│   ├── TextFailed      as the text has failed
│   └── NotAllowed      PERMISSION_DENIED
├── DeviceError         RESOURCE_EXHAUSTED, without RetryInfo: of memory, for a single sentence
└── others              INTERNAL
MemoryError             RESOURCE_EXHAUSTED, with RetryInfo
"""

from __future__ import annotations

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from tformer.model.errors import DeviceError, ServerError, TformerError, UsageError
from tformer.server.limits import DAY


class Overloaded(ServerError):
    """There is no room; come again after ``retry_after`` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = min(retry_after, DAY)


class ShuttingDown(ServerError):
    """The server takes no new work."""


class UnknownModel(ServerError):
    """There is no model of that name."""


class UnknownGlossary(ServerError):
    """There is no glossary of that name."""


class UnknownFile(ServerError):
    """There is no such translated file, or no longer."""


class NoToken(ServerError):
    """The caller has not said who it is, or not in a way that can be believed."""


class NotAllowed(ServerError):
    """The caller is known, and may not do this."""


class PayloadTooLarge(ServerError):
    """A body of HTTP is larger than the server reads."""


class TooSlow(ServerError):
    """A body of HTTP did not come in time."""


class TextFailed(ServerError):
    """One of the texts could not be translated, in an API that has no errors of single texts."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


_CODES: dict[type[TformerError], grpc.StatusCode] = {
    UsageError: grpc.StatusCode.INVALID_ARGUMENT,
    Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ShuttingDown: grpc.StatusCode.UNAVAILABLE,
    UnknownModel: grpc.StatusCode.NOT_FOUND,
    UnknownGlossary: grpc.StatusCode.NOT_FOUND,
    UnknownFile: grpc.StatusCode.NOT_FOUND,
    NoToken: grpc.StatusCode.UNAUTHENTICATED,
    NotAllowed: grpc.StatusCode.PERMISSION_DENIED,
    PayloadTooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    TooSlow: grpc.StatusCode.DEADLINE_EXCEEDED,
    DeviceError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}

NO_MEMORY_SECONDS = 1.0
"""Seconds after which others may have given memory back."""

LONGEST = 500
"""Characters of a message, which may quote the caller: gRPC carries some kilobytes at the end of a
call, and this twice."""

DETAILS_KEY = "grpc-status-details-bin"
"""Metadata key under which gRPC carries a google.rpc.Status beside code and message."""


def code_of(error: BaseException) -> grpc.StatusCode:
    """The status code that says what kind of error it is."""
    if isinstance(error, DecodeError):
        return grpc.StatusCode.INVALID_ARGUMENT
    if isinstance(error, TextFailed):
        return code_from(error.status)
    if isinstance(error, MemoryError):
        return grpc.StatusCode.RESOURCE_EXHAUSTED
    return _CODES.get(type(error), grpc.StatusCode.INTERNAL)  # type: ignore[arg-type]


def status_of(error: BaseException) -> Status:
    """An error as it is told to a client; of a defect it learns nothing but that it is one."""
    if isinstance(error, TextFailed):
        return error.status
    code = code_of(error)
    status = Status(code=code.value[0], message=_message(error))
    if isinstance(error, Overloaded | MemoryError):
        delay = Duration()
        delay.FromNanoseconds(round(getattr(error, "retry_after", NO_MEMORY_SECONDS) * 1e9))
        status.details.add().Pack(RetryInfo(retry_delay=delay))
    return status


def _message(error: BaseException) -> str:
    if isinstance(error, DecodeError):
        return "the message cannot be read: it is damaged, or a text is not UTF-8"
    if isinstance(error, TformerError):
        message = str(error)
        return message if len(message) <= LONGEST else f"{message[:LONGEST]}…"
    if isinstance(error, MemoryError):
        return "the server has not enough memory for this"
    return "a defect of the server; its log tells more"


def code_from(status: Status) -> grpc.StatusCode:
    """The code of a status that came in a message."""
    return _BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)


def retry_delay(status: Status) -> float | None:
    """Seconds after which the server wants to be asked again, if it says so."""
    for detail in status.details:
        info = RetryInfo()
        if detail.Unpack(info):
            return info.retry_delay.ToNanoseconds() / 1e9
    return None
