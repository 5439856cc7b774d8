"""A span of OpenTelemetry for every call, below that of the caller, where the package is there.

`pip install tformer[telemetry]` brings the interface alone, whose spans go nowhere. Where they go
is up to an SDK and its settings: `opentelemetry-instrument tformer serve` sends them to a
collector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import grpc

try:
    from opentelemetry import propagate, trace
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

# A fault of the caller is none of the server: semantic conventions for gRPC.
_FAULTS = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}


@dataclass(frozen=True)
class Span:
    """One call as OpenTelemetry sees it."""

    span: Any = None
    """None where the package is not there."""

    @property
    def notes(self) -> dict[str, str]:
        """Trace and span id for the log; nothing without a valid span."""
        if self.span is None or not self.span.get_span_context().is_valid:
            return {}
        context = self.span.get_span_context()
        return {
            "trace_id": trace.format_trace_id(context.trace_id),
            "span_id": trace.format_span_id(context.span_id),
        }

    def end(self, code: grpc.StatusCode, request_id: str) -> None:
        """Note how the call has ended."""
        if self.span is not None:
            self.span.set_attribute("rpc.grpc.status_code", code.value[0])
            self.span.set_attribute("tformer.request_id", request_id)
            if code in _FAULTS:
                self.span.set_status(trace.StatusCode.ERROR, code.name)


UNSEEN = Span()
"""Span without OpenTelemetry."""


def is_followed(metadata: Mapping[str, Any]) -> bool:
    """Return whether a call's span is recorded: by an SDK, or by the caller's trace."""
    if not AVAILABLE:
        return False
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return True
    return not _fields(propagate.get_global_textmap()).isdisjoint(metadata)


@lru_cache(maxsize=1)
def _fields(propagator: Any) -> frozenset[str]:
    """Names of the metadata that a propagator reads; every call asks."""
    return frozenset(propagator.fields)


@contextmanager
def span(method: str, metadata: Mapping[str, Any]) -> Iterator[Span]:
    """The span of a call.

    Args:
        method: full name, as package.Service.Method.
        metadata: of the call; its `traceparent` names the span of the caller.
    """
    if not AVAILABLE:
        yield UNSEEN
        return
    service, _, name = method.rpartition(".")
    with trace.get_tracer("tformer.server").start_as_current_span(
        f"{service}/{name}",
        context=propagate.extract({k: v for k, v in metadata.items() if isinstance(v, str)}),
        kind=trace.SpanKind.SERVER,
        attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": name},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        yield Span(current)
