"""Limits of calls, connections and messages, besides the tokens of the queue."""

from __future__ import annotations

from dataclasses import dataclass

from tformer.model.errors import UsageError

PENDING_FACTOR = 4
"""Calls that gRPC holds before any of our code has seen them, for each that may be under way: what
is beyond that it cancels without a reason, which is worse than our refusal with one."""

DAY = 86_400.0
"""Seconds; nobody waits for longer."""


@dataclass(frozen=True)
class Limits:
    """Numbers of calls and connections.

    Raises:
        UsageError: one is out of its range.
    """

    max_calls: int = 4096
    """Calls under way, streams included, at most; one client gets at most half of them."""
    max_connections: int = 10_000
    max_streams: int = 1000
    """Calls under way on one connection, at most; HTTP/2 calls them streams."""
    max_connection_age: float | None = None
    """Seconds after which a connection is asked to end, so that clients spread; None is never."""
    connection_grace: float | None = None
    """Seconds that calls on such a connection still have; None is as long as they take."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name in ("max_calls", "max_connections", "max_streams"):
            check_range(name, getattr(self, name), 1, 1_000_000)
        for name in ("max_connection_age", "connection_grace"):
            if (seconds := getattr(self, name)) is not None:
                check_range(name, seconds, 1, DAY)

    @property
    def channel_options(self) -> list[tuple[str, int]]:
        """As gRPC has them."""
        options = [
            ("grpc.max_concurrent_streams", self.max_streams),
            ("grpc.max_allowed_incoming_connections", self.max_connections),
            # From 1,000 on gRPC would cancel calls that come faster than they are looked at.
            ("grpc.server.max_pending_requests", self._max_pending),
            ("grpc.server.max_pending_requests_hard_limit", self._max_pending),
            # Those that have waited 30 seconds to be looked at it would cancel as well.
            ("grpc.server_max_unrequested_time_in_server", round(DAY)),
        ]
        if self.max_connection_age is not None:
            options.append(("grpc.max_connection_age_ms", round(self.max_connection_age * 1000)))
        if self.connection_grace is not None:
            options.append(
                ("grpc.max_connection_age_grace_ms", round(self.connection_grace * 1000))
            )
        return options

    @property
    def _max_pending(self) -> int:
        return PENDING_FACTOR * max(self.max_calls, self.max_streams)


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Refuse a setting that is out of its range.

    Raises:
        UsageError: it is.
    """
    if not low <= value <= high:
        option = name.replace("_", "-")
        raise UsageError(f"--{option} must be between {low:g} and {high:g}, not {value}")
