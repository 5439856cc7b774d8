"""Settings of the HTTP side; needs no HTTP library."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tformer.model.errors import UsageError
from tformer.server.access.address import Address

_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s]+")

EVERY_ORIGIN = "*"


@dataclass(frozen=True)
class HttpOptions:
    """Listening address of HTTP and what is served there.

    Raises:
        UsageError: an origin is none, or the address is no HOST:PORT.
    """

    listen: Address
    origins: tuple[str, ...] = ()
    """Origins of web pages that browsers may let call; ``*`` is every one."""
    page: bool = True
    """Serve the page at ``/``."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.listen.path is not None:
            raise UsageError(f"HTTP listens at HOST:PORT alone, not at {self.listen}")
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise UsageError(
                    f"{origin!r} is no origin: write SCHEME://HOST[:PORT], as in "
                    "https://example.org, or '*' for every one"
                )

    def allows(self, origin: str) -> bool:
        """Return whether pages of an origin may call."""
        return origin in self.origins or EVERY_ORIGIN in self.origins
