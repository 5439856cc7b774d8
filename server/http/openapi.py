"""Description of our JSON interface in OpenAPI: `python -m tformer.server.http.openapi`.

It is generated from the contract, with its comments, and checked in; a test generates it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.http.routes import OWN_ROUTES, STREAM_PATH, OwnRoute

FILE = Path(__file__).parent / "openapi.json"

SERVICE = pb.DESCRIPTOR.services_by_name["TranslationService"]

_SCALARS: dict[int, dict[str, str]] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_INT32: {"type": "integer"},
    FieldDescriptor.TYPE_INT64: {"type": "string", "format": "int64"},
    FieldDescriptor.TYPE_UINT64: {"type": "string", "format": "uint64"},
}
"""Types of JSON, by protobuf's mapping."""

_BLOCK = re.compile(r"^(?:message|enum|service) (\w+) {")
_PART = re.compile(r"^\s+(?:rpc (\w+)|(?:optional |repeated )?[\w.]+ (\w+) = \d+|([A-Z_]+) = \d+)")


class Openapi:
    """Builds the description."""

    def __init__(self, proto: str) -> None:
        """Read the comments of a contract."""
        self._comments = dict(_comments(proto))
        self._schemas: dict[str, Any] = {}

    def document(self) -> dict[str, Any]:
        """The description as a value of JSON."""
        paths: dict[str, Any] = {}
        for route in OWN_ROUTES:
            paths.setdefault(route.path, {})[route.verb.lower()] = self._operation(route)
        paths[STREAM_PATH] = {"post": self._stream()}
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "tformer",
                "version": "1",
                "description": "Machine translation on the server's own models.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "security": [{}, {"token": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
                "schemas": {name: self._schemas[name] for name in sorted(self._schemas)},
            },
        }

    def _operation(self, route: OwnRoute) -> dict[str, Any]:
        method = SERVICE.methods_by_name[route.method]
        found: dict[str, Any] = {
            "operationId": route.method,
            "description": self._comments.get(("TranslationService", route.method), ""),
            "responses": self._responses("application/json", self._reference(method.output_type)),
        }
        if parameters := list(self._parameters(route, method.input_type)):
            found["parameters"] = parameters
        if route.verb == "POST":
            found["requestBody"] = _body(self._reference(method.input_type))
        return found

    def _parameters(self, route: OwnRoute, message: Descriptor) -> Iterator[dict[str, Any]]:
        inside = re.findall(r"{(\w+)}", route.path)
        for name in (*inside, *route.query):
            yield {
                "name": name,
                "in": "path" if name in inside else "query",
                "required": name in inside,
                "description": self._comments.get((message.name, name), ""),
                "schema": self._type(message.fields_by_name[name]),
            }

    def _stream(self) -> dict[str, Any]:
        method = SERVICE.methods_by_name["StreamTranslateText"]
        schema = {
            "type": "object",
            "properties": {
                "config": self._reference(pb.StreamConfig.DESCRIPTOR),
                "items": {"type": "array", "items": self._reference(pb.StreamItem.DESCRIPTOR)},
            },
        }
        return {
            "operationId": method.name,
            "description": "Translates items and answers each by an event, in order or as ready.",
            "requestBody": _body(schema),
            "responses": self._responses("text/event-stream", self._reference(method.output_type)),
        }

    def _responses(self, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
        error = {"type": "object", "properties": {"error": self._error()}}
        return {
            "200": {"description": "Done.", "content": {kind: {"schema": schema}}},
            "default": {
                "description": "Refused.",
                "content": {"application/json": {"schema": error}},
            },
        }

    def _error(self) -> dict[str, Any]:
        self._schemas["Error"] = {
            "type": "object",
            "properties": {
                "code": {"type": "integer", "description": "Status of HTTP."},
                "status": {"type": "string", "description": "Status of gRPC."},
                "message": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        }
        return {"$ref": "#/components/schemas/Error"}

    def _reference(self, described: Any) -> dict[str, Any]:
        name = described.name
        if name not in self._schemas:
            self._schemas[name] = {}  # a message may contain itself
            make = self._enum if isinstance(described, EnumDescriptor) else self._message
            self._schemas[name] = make(described)
        return {"$ref": f"#/components/schemas/{name}"}

    def _enum(self, described: EnumDescriptor) -> dict[str, Any]:
        return {"type": "string", "enum": [value.name for value in described.values]}

    def _message(self, described: Descriptor) -> dict[str, Any]:
        if described.full_name == "google.protobuf.Any":
            return {"type": "object"}
        properties = {}
        for field in described.fields:
            schema = self._type(field)
            if comment := self._comments.get((described.name, field.name)):
                schema = {"description": comment, **schema}
            properties[field.json_name] = schema
        return {"type": "object", "properties": properties}

    def _type(self, field: FieldDescriptor) -> dict[str, Any]:
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            one = self._reference(field.message_type)
        elif field.type == FieldDescriptor.TYPE_ENUM:
            one = self._reference(field.enum_type)
        else:
            one = dict(_SCALARS[field.type])
        return {"type": "array", "items": one} if field.is_repeated else one


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _comments(proto: str) -> Iterator[tuple[tuple[str, str], str]]:
    """The comment before every part of a block, by the names of both."""
    block, lines = "", list[str]()
    for line in proto.splitlines():
        stripped = line.strip()
        if stripped.startswith("//"):
            lines.append(stripped.removeprefix("//").strip())
            continue
        if begun := _BLOCK.match(line):
            block = begun[1]
        elif part := _PART.match(line):
            yield (block, next(filter(None, part.groups()))), " ".join(lines)
        lines = []


def generate() -> str:
    """The description as text."""
    proto = (files("tformer.protos") / "v1" / "translation.proto").read_text("utf-8")
    return json.dumps(Openapi(proto).document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(generate(), "utf-8")
