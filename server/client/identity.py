"""Credentials of a client, and its trust in the server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc

from tformer.model.errors import InputError


@dataclass(frozen=True)
class Identity:
    """Token and certificates of a client, and the CA of the server."""

    token: str | None = None
    """Bearer token."""
    ca: Path | None = None
    """PEM file of the authority that signed the server's certificate; None speaks plain text."""
    certificate: Path | None = None
    """PEM file of the client's own certificate, for mutual TLS."""
    key: Path | None = None
    """Its private key."""

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Channel credentials of gRPC; None for plain text.

        Raises:
            InputError: one cannot be read.
        """
        if self.ca is None:
            return None
        return grpc.ssl_channel_credentials(
            _read(self.ca),
            _read(self.key) if self.key else None,
            _read(self.certificate) if self.certificate else None,
        )

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Metadata of every call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
