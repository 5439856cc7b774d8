"""TLS of HTTP, with the files that gRPC has, read again when they change."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from typing import Any

from tformer.model.errors import InputError
from tformer.server.access.tls import LOOK_AGAIN, TlsFiles

logger = logging.getLogger(__name__)


class FollowingContext:
    """A context of TLS whose next connection uses the files as they are then."""

    def __init__(
        self, files: TlsFiles, begun: Callable[[], None], *, look_again: float = LOOK_AGAIN
    ) -> None:
        """Read the files.

        Args:
            files: to read, and to read again when they have changed.
            begun: called at the beginning of every handshake.
            look_again: seconds between looks at the files.

        Raises:
            InputError: one cannot be read, or they do not go together.
        """
        self._files = files
        self._begun = begun
        self._look_again = look_again
        self._looked = time.monotonic()
        self._state = files.state
        self._current = self._read()
        self.context = self._current
        """Context for a listening socket."""
        self.context.sni_callback = self._follow

    def _read(self) -> ssl.SSLContext:
        self._files.read()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._files.certificate, self._files.key)
        if self._files.client_ca:
            context.load_verify_locations(self._files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _follow(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        """Give a handshake that begins the newest context; OpenSSL calls this for each."""
        self._begun()
        self._look()
        connection.context = self._current

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < self._look_again:
            return
        self._looked = now
        if (state := self._files.state) == self._state:
            return
        self._state = state
        try:
            self._files.read_again()
            self._current = self._read()
        except (InputError, OSError) as error:
            logger.error("the certificate was not replaced", extra={"error": str(error)})
