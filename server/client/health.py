"""Health of a server, as `grpc.health.v1` has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tformer.model.errors import InputError, ServerError

SERVING = health_pb2.HealthCheckResponse.SERVING


def check_health(
    address: str,
    *,
    service: str = "",
    timeout: float = 5.0,
    ca: Path | None = None,
    name: str | None = None,
) -> None:
    """Return if a server serves.

    Args:
        address: HOST:PORT or unix:PATH.
        service: that is asked about; "" is the server.
        timeout: seconds to wait for an answer.
        ca: file with the CA of its certificate; None for plain text.
        name: in its certificate, if that is not the host's.

    Raises:
        ServerError: it does not serve, or does not answer in time.
        InputError: the file of the CA cannot be read.
    """
    request = health_pb2.HealthCheckRequest(service=service)
    with _channel(address, ca, name) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            status = stub.Check(request, timeout=timeout).status
        except grpc.RpcError as error:
            raise ServerError(f"{address}: {error.code().name}: {error.details()}") from None
    if status != SERVING:
        state = health_pb2.HealthCheckResponse.ServingStatus.Name(status)
        raise ServerError(f"{address}: {service or 'the server'} is {state}")


def _channel(address: str, ca: Path | None, name: str | None) -> grpc.Channel:
    if ca is None:
        return grpc.insecure_channel(address)
    try:
        credentials = grpc.ssl_channel_credentials(ca.read_bytes())
    except OSError as error:
        raise InputError(f"{ca}: cannot be read ({error.strerror})") from error
    options = [("grpc.ssl_target_name_override", name)] if name else []
    return grpc.secure_channel(address, credentials, options)
