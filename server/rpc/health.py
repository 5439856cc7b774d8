"""`grpc.health.v1.Health`: of the server, its service and its models.

The servicer of grpcio-health-checking forgets all who watch a name when one of them leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

Health = health_pb2.HealthCheckResponse

MOST_WATCHERS = 1000
"""Most watchers; others are told to poll."""


class HealthService(health_pb2_grpc.HealthServicer):
    """The health of names, for who asks and who watches."""

    def __init__(self) -> None:
        """No names yet."""
        self._status: dict[str, int] = {}
        self._changed = asyncio.Condition()
        self._watchers = 0
        self._is_shutting_down = False

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:
        """The status of a name."""
        if request.service not in self._status:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return Health(status=self._status[request.service])

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[Any]:
        """The status of a name, now and whenever it changes."""
        if self._watchers >= MOST_WATCHERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch: ask instead")
        self._watchers += 1
        try:
            told = None
            while True:
                status = self._status.get(request.service, Health.SERVICE_UNKNOWN)
                if status != told:
                    told = status
                    yield Health(status=status)
                    continue
                async with self._changed:
                    if self._status.get(request.service, Health.SERVICE_UNKNOWN) == told:
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
