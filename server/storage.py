"""Limit on the memory that uploaded documents take, with a share for each client."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tformer.model.errors import UsageError
from tformer.server.status import Overloaded

COME_AGAIN = 5.0
"""Seconds after which a document in work may have made room."""


@dataclass
class Storage:
    """Bytes of documents in work: a bound for each, and one for all of them together.

    A client that has some gets more only while as much as it would then have stays free, as
    `Admission` has it for tokens.
    """

    document_bytes: int = 32 << 20
    """Largest document."""
    total_bytes: int = 128 << 20
    """Bytes of all documents in work."""
    used: int = 0
    _held: Counter[str] = field(default_factory=Counter)

    def open(self, client: str) -> StoredBytes:
        """Room for one document of a client; use it as a context manager."""
        return StoredBytes(self, client)

    def take(self, amount: int, client: str) -> None:
        """Hold so many bytes for a client.

        Raises:
            Overloaded: there is no room for it now.
        """
        free = self.total_bytes - self.used - amount
        held = self._held.get(client, 0)
        if free < 0 or (held and held + amount > free):
            raise Overloaded(
                f"documents in work take {self.used:,} of {self.total_bytes:,} bytes, "
                f"{held:,} of them for this client: no room for another now",
                COME_AGAIN,
            )
        self.used += amount
        self._held[client] += amount

    def leave(self, amount: int, client: str) -> None:
        """Give bytes back."""
        self.used -= amount
        self._held[client] -= amount
        if not self._held[client]:
            del self._held[client]


@dataclass
class StoredBytes:
    """Room that is held for one document."""

    storage: Storage
    client: str
    held: int = 0

    def grow(self, size: int) -> None:
        """Hold room for a document of so many bytes.

        Raises:
            UsageError: no document may be as large.
            Overloaded: there is no room for it now.
        """
        if size > (most := self.storage.document_bytes):
            raise UsageError(f"a document may have {most:,} bytes, unpacked, and not {size:,}")
        if size <= self.held:
            return
        if self.held:  # of this document itself, which does not compete with itself
            self.storage.leave(self.held, self.client)
            self.held = 0
        self.storage.take(size, self.client)
        self.held = size

    def __enter__(self) -> StoredBytes:
        return self

    def __exit__(self, *error: object) -> None:
        if self.held:
            self.storage.leave(self.held, self.client)
        self.held = 0
