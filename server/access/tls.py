"""The certificate of a server, and who may come in with one of his own.

The files are looked at when a handshake begins, at most once a second: a certificate that has been
renewed serves the next connection, without a restart. Files that do not go together, as while they
are being replaced, are not used: the ones before stay, and the log says why.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from tformer.model.errors import InputError
from tformer.model.files import FileState, refuse_special, state_of

logger = logging.getLogger(__name__)

_BY_DATE = (9, 10)
"""Codes of OpenSSL: not yet valid, expired."""

LOOK_AGAIN = 1.0
"""Seconds between looks at the files."""


@dataclass(frozen=True)
class TlsFiles:
    """PEM files that make a server one that can be trusted."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    """CA of client certificates (mutual TLS); None asks for none."""

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Read the files into a gRPC configuration.

        Raises:
            InputError: one cannot be read, or they do not go together.
        """
        pair = _read(self.key), _read(self.certificate)
        client_ca = _read(self.client_ca) if self.client_ca else None
        self._check()
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=client_ca)

    def read_again(self) -> grpc.ServerCertificateConfiguration:
        """Read the files while a server serves, which waits for no pipe.

        Raises:
            InputError: as in :meth:`read`; one is a pipe, or nobody would accept the certificate at
                this time.
        """
        for file in (self.certificate, self.key, self.client_ca):
            refuse_special(file)
        new = self.read()
        if why := why_not_valid(self.certificate, self.key):
            raise InputError(f"{self.certificate}: {why}")
        return new

    @property
    def state(self) -> tuple[FileState | None, ...]:
        """Identity of what each holds; None for one that is not there."""
        files = (self.certificate, self.key, self.client_ca)
        return tuple(state_of(file) for file in files if file is not None)

    def _check(self) -> None:
        """Let another reader of such files tell what is wrong: gRPC does not."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # Nobody is there to type the password of a key.
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.certificate}: is not a certificate that goes with {self.key} ({error})"
            ) from error
        try:
            if self.client_ca:
                context.load_verify_locations(self.client_ca)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.client_ca}: is not a certificate ({error})") from error


def why_not_valid(certificate: Path, key: Path) -> str:
    """Say why nobody would accept a certificate at this time; "" if it can be accepted.

    A client that trusts it looks at it, in memory: Python can read the dates in no other way.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key, password=lambda: b"")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    calling = client.wrap_bio(back, there)
    answering = server.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (calling, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message if error.verify_code in _BY_DATE else ""
            except ssl.SSLError:
                return ""
    return ""


class Certificates:
    """Server credentials that follow their files."""

    def __init__(
        self, files: TlsFiles, begun: Callable[[], None], *, look_again: float | None = None
    ) -> None:
        """Read the files.

        Args:
            files: to read, and to read again when they have changed.
            begun: called at the beginning of every handshake, in a thread of gRPC.
            look_again: seconds between looks at the files.

        Raises:
            InputError: one cannot be read, or they do not go together.
        """
        self._files = files
        self._begun = begun
        self._look_again = LOOK_AGAIN if look_again is None else look_again
        self._state = files.state
        self._looked = time.monotonic()
        self._first = files.read()
        if why := why_not_valid(files.certificate, files.key):
            logger.error("clients will not accept the certificate", extra={"error": why})

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the files."""
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            self._fetch,  # type: ignore[arg-type]  # None is an answer too
            require_client_authentication=self._files.client_ca is not None,
        )

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Answer gRPC at the beginning of a handshake; None keeps the certificate."""
        self._begun()
        now = time.monotonic()
        if now - self._looked < self._look_again:
            return None
        self._looked = now
        state = self._files.state
        if state == self._state:
            return None
        self._state = state
        try:
            new = self._files.read_again()
        except (InputError, OSError) as error:
            logger.error("the certificate was not replaced", extra={"error": str(error)})
            return None
        logger.info("the certificate was replaced", extra={"file": str(self._files.certificate)})
        return new


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
