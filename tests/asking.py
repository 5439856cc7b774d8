"""Requests of HTTP to a server of a test, one a connection."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from serving import RunningServer

from tformer.server.access.address import Address
from tformer.server.http.options import HttpOptions

HTTP = HttpOptions(Address("127.0.0.1", 0))

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BOUNDARY = "a-line-between"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def url_of(running: RunningServer, path: str = "") -> str:
    return f"http://{running.server.http_address}{path}"


def connect(running: RunningServer) -> http.client.HTTPConnection:
    address = running.server.http_address
    assert address
    return http.client.HTTPConnection(address.host, address.port, timeout=120)


def ask(
    running: RunningServer,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    connection = connect(running)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def get(running: RunningServer, path: str, **headers: str) -> Reply:
    return ask(running, "GET", path, headers=headers)


def post_json(running: RunningServer, path: str, value: object, **headers: str) -> Reply:
    sent = {"Content-Type": "application/json", **headers}
    return ask(running, "POST", path, json.dumps(value).encode(), sent)


def post_form(running: RunningServer, path: str, **fields: object) -> Reply:
    return ask(running, "POST", path, urlencode(fields, doseq=True).encode(), FORM)


def post_files(
    running: RunningServer,
    path: str,
    fields: Mapping[str, str],
    files: Mapping[str, tuple[str, bytes]],
    **headers: str,
) -> Reply:
    parts = [(f'form-data; name="{name}"', value.encode("utf-8")) for name, value in fields.items()]
    parts += [
        (f'form-data; name="{name}"; filename="{file}"', data)
        for name, (file, data) in files.items()
    ]
    body = b"".join(
        f"--{BOUNDARY}\r\nContent-Disposition: {kind}\r\n\r\n".encode() + data + b"\r\n"
        for kind, data in parts
    )
    sent = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", **headers}
    return ask(running, "POST", path, body + f"--{BOUNDARY}--\r\n".encode(), sent)
