"""Reflection: the contract, for clients that have nothing generated.

The methods are those of grpcio-reflection; they are given bytes, so that a message that cannot be
read, or is larger than any name, is the mistake of whoever sent it and no defect of the server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection, reflection_pb2

from tformer.model.errors import UsageError

Request = reflection_pb2.ServerReflectionRequest
Response = reflection_pb2.ServerReflectionResponse

LONGEST = 1000
"""Bytes of the largest message; it comes back in the answer, and no name is as long as that."""


def reflection_handler(services: Sequence[str]) -> grpc.GenericRpcHandler:
    """Methods for gRPC that describe services, which are given by their full names."""
    servicer: Any = reflection.aio.ReflectionServicer((*services, reflection.SERVICE_NAME))

    async def info(messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
        try:
            async for answer in servicer.ServerReflectionInfo(_requests(messages), context):
                yield answer
        except (DecodeError, UsageError):
            context.set_code(grpc.StatusCode.INVALID_ARGUMENT)
            context.set_details("the message cannot be read, or is too large")

    write = Response.SerializeToString
    methods: dict[str, Any] = {
        "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(info, None, write)
    }
    return grpc.method_handlers_generic_handler(reflection.SERVICE_NAME, methods)


async def _requests(messages: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for message in messages:
        if len(message) > LONGEST:
            raise UsageError("too large")
        yield Request.FromString(message)
