"""`grpc.health.v1.Health`: of the server, its service and its models.

The servicer of grpcio-health-checking forgets all who watch a name when one of them leaves, and
refuses by an error, which keeps the message that it refuses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2

Health = health_pb2.HealthCheckResponse

MOST_WATCHERS = 1000
"""Most watchers; others are told to poll."""


LONGEST_NAME = 1000
"""Bytes of the longest message; strangers may ask, and there are no names as long as that."""


class HealthService:
    """The health of names, for who asks and who watches."""

    def __init__(self) -> None:
        """No names yet."""
        self._status: dict[str, int] = {}
        self._changed = asyncio.Condition()
        self._watchers = 0
        self._is_shutting_down = False

    def handler(self) -> grpc.GenericRpcHandler:
        """Methods for gRPC, which are given bytes: what cannot be read is no defect of ours."""
        write = Health.SerializeToString
        methods: dict[str, Any] = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check, None, write),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch, None, write),
        }
        return grpc.method_handlers_generic_handler(health.SERVICE_NAME, methods)

    async def _check(self, message: bytes, context: Any) -> Any:
        """The status of a name."""
        name = _name(message, context)
        if name in self._status:
            return Health(status=self._status[name])
        if name is not None:
            context.set_code(grpc.StatusCode.NOT_FOUND)
        return None

    async def _watch(self, message: bytes, context: Any) -> AsyncIterator[Any]:
        """The status of a name, now and whenever it changes."""
        name = _name(message, context)
        del message  # who watches would keep it
        if name is None:
            return
        if self._watchers >= MOST_WATCHERS:
            context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
            context.set_details("too many watch: ask instead")
            return
        self._watchers += 1
        try:
            told = None
            while True:
                status = self._status.get(name, Health.SERVICE_UNKNOWN)
                if status != told:
                    told = status
                    yield Health(status=status)
                    continue
                async with self._changed:
                    if self._status.get(name, Health.SERVICE_UNKNOWN) == told:
                        await self._changed.wait()
        finally:
            self._watchers -= 1

    async def set(self, service: str, status: int) -> None:
        """Give a name a status; once the server shuts down none changes."""
        if not self._is_shutting_down:
            await self._set({service: status})

    async def enter_graceful_shutdown(self) -> None:
        """Nothing is served any more."""
        self._is_shutting_down = True
        await self._set(dict.fromkeys(self._status, Health.NOT_SERVING))

    async def _set(self, status: dict[str, int]) -> None:
        async with self._changed:
            self._status.update(status)
            self._changed.notify_all()


def _name(message: bytes, context: Any) -> str | None:
    """The name that a message asks for; None, and the call has a status, if there is none."""
    try:
        if len(message) <= LONGEST_NAME:
            return health_pb2.HealthCheckRequest.FromString(message).service
        context.set_details("the name is too long")
    except DecodeError:
        context.set_details("the message cannot be read")
    context.set_code(grpc.StatusCode.INVALID_ARGUMENT)
    return None
