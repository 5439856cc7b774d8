"""Large packages that a test file imports when one of its tests runs.

Every worker imports every file to collect its tests, and only one of them runs those.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Late:
    """A package in whose place this stands until something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # of which pytest asks every object of a file
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)
