"""Bodies of requests: bounded in size and time, as parameters."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from tformer.model.errors import UsageError
from tformer.server.status import PayloadTooLarge, TooSlow
from tformer.server.utf8 import sendable

PATIENCE = 30.0
"""Seconds that a body may take to come."""

MOST_FIELDS = 20_000
"""Fields of a form, at most; more than the texts that a call takes."""

_LONE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")
"""Signs of a surrogate in JSON, which no answer and no message can have."""

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


@dataclass(frozen=True)
class Upload:
    """A file of a form."""

    name: str
    """Name that the client gave it; never a path of ours."""
    data: bytes


@dataclass(frozen=True)
class Parameters:
    """Parameters of a request, by name."""

    values: Mapping[str, Any]
    """Values of JSON; lists of strings of a form."""
    is_json: bool = False
    files: Mapping[str, Upload] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """The value, the first of a form; None if there is none."""
        value = self.values.get(name)
        return value if self.is_json or not value else value[0]

    def text(self, name: str, default: str = "") -> str:
        """A value that must be a text.

        Raises:
            UsageError: it is none.
        """
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, bool | int | float):
            return json.dumps(value)
        if not isinstance(value, str):
            raise UsageError(f"{name} must be a text")
        return sendable(value)

    def texts(self, name: str) -> list[str]:
        """A value that must be a text or a list of texts; none is no texts.

        Raises:
            UsageError: it is neither.
        """
        value = self.values.get(name)
        if value is None:
            return []
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) for each in values):
            raise UsageError(f"{name} must be a text or a list of texts")
        return [sendable(each) for each in values]

    def flag(self, name: str, default: bool = False) -> bool:
        """A value that must be true or false, or 1 or 0.

        Raises:
            UsageError: it is neither.
        """
        value = self.text(name, "1" if default else "0").lower()
        if value not in ("0", "1", "true", "false"):
            raise UsageError(f"{name} must be true or false")
        return value in ("1", "true")

    def number(self, name: str, default: int) -> int:
        """A value that must be a whole number.

        Raises:
            UsageError: it is none.
        """
        value = self.text(name)
        try:
            return int(value) if value else default
        except ValueError:
            raise UsageError(f"{name} must be a whole number") from None


async def read_body(request: web.BaseRequest, most: int) -> bytes:
    """The body of a request.

    Args:
        request: whose body has not been read.
        most: bytes, at most, after decompression.

    Raises:
        PayloadTooLarge: it has more.
        TooSlow: it does not come in time.
        UsageError: it is damaged.
    """
    _check_length(request, most)
    return bytes(await _in_time(_collected(request.content.iter_any(), most)))


async def read_parameters(request: web.BaseRequest, most: int) -> Parameters:
    """The parameters of JSON, a form, or a form with files, and of the query.

    Args:
        request: whose body has not been read.
        most: bytes of the body, at most, after decompression.

    Raises:
        PayloadTooLarge: it has more.
        TooSlow: it does not come in time.
        UsageError: it is damaged.
    """
    kind = request.content_type
    if kind == MULTIPART:
        _check_length(request, most)
        return await _in_time(_multipart(request, most))
    body = await read_body(request, most)
    if kind == "application/json" or kind.endswith("+json"):
        return Parameters(_json_object(body), is_json=True)
    fields = [*request.query.items(), *(_form(body) if kind == FORM else ())]
    return Parameters(_listed(fields))


def json_value(body: bytes) -> Any:
    """The value of JSON.

    Raises:
        UsageError: it is none.
    """
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass")
        value = json.loads(text)
        return _sendable(value) if _LONE.search(text) else value
    except (ValueError, RecursionError):
        raise UsageError("the body is not JSON in UTF-8") from None


def _sendable(value: Any) -> Any:
    """A value of JSON whose texts, names among them, can all be sent."""
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, list):
        return [_sendable(each) for each in value]
    if isinstance(value, dict):
        return {sendable(name): _sendable(each) for name, each in value.items()}
    return value


def _json_object(body: bytes) -> dict[str, Any]:
    value = json_value(body)
    if not isinstance(value, dict):
        raise UsageError("the body must be a JSON object")
    return value


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise UsageError(
            f"the body is not a form in UTF-8 of at most {MOST_FIELDS:,} fields"
        ) from None


def _listed(fields: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


async def _multipart(request: web.BaseRequest, most: int) -> Parameters:
    fields = list(request.query.items())
    files: dict[str, Upload] = {}
    left = most
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise UsageError("a form must not have parts within parts")
            data = bytes(await _collected(_chunks(part), left))
            left -= len(data)
            if part.filename is not None:
                files[part.name or ""] = Upload(part.filename, data)
            else:
                fields.append((part.name or "", data.decode("utf-8")))
            if len(fields) + len(files) > MOST_FIELDS:
                raise UsageError(f"a form may have {MOST_FIELDS:,} fields")
    except (ValueError, AssertionError) as error:
        raise UsageError("the body is not a form in UTF-8") from error
    return Parameters(_listed(fields), files=files)


async def _chunks(part: BodyPartReader) -> Any:
    while chunk := await part.read_chunk():
        yield chunk


async def _collected(chunks: Any, most: int) -> bytearray:
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > most:
            raise PayloadTooLarge(f"a request may have {most:,} bytes: send it in parts")
    return data


def _check_length(request: web.BaseRequest, most: int) -> None:
    if (request.content_length or 0) > most:
        raise PayloadTooLarge(f"a request may have {most:,} bytes: send it in parts")


async def _in_time(reading: Any) -> Any:
    try:
        async with asyncio.timeout(PATIENCE):
            return await reading
    except TimeoutError:
        raise TooSlow(f"the body did not come within {PATIENCE:g} seconds") from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise UsageError("the body is damaged") from None
