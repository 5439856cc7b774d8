"""Text that fits into a protobuf string."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def sendable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode, by U+FFFD, as a local translator does."""
    return _SURROGATE.sub("\ufffd", text)
