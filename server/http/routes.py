"""Paths of our JSON interface; needs no HTTP library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OwnRoute:
    """A method of the contract at a path."""

    verb: str
    path: str
    method: str
    """Name in tformer.v1.TranslationService."""
    query: tuple[str, ...] = ()
    """Parameters of the query that are fields of the message."""


STREAM_PATH = "/v1/translate/stream"

OWN_ROUTES = (
    OwnRoute("POST", "/v1/translate", "TranslateText"),
    OwnRoute("POST", "/v1/translate/document", "TranslateDocument"),
    OwnRoute("POST", "/v1/translate/detect", "DetectLanguage"),
    OwnRoute("GET", "/v1/translate/languages", "ListSupportedLanguages", ("model",)),
    OwnRoute("GET", "/v1/translate/models", "ListModels"),
    OwnRoute("GET", "/v1/translate/models/{name}", "GetModel"),
    OwnRoute("GET", "/v1/translate/glossaries", "ListGlossaries"),
    OwnRoute("GET", "/v1/translate/glossaries/{name}", "GetGlossary"),
    OwnRoute("GET", "/v1/translate/usage", "GetUsage"),
)
