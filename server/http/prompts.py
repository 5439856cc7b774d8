"""Target language and text of a prompt that asks for a translation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tformer.model.errors import UsageError
from tformer.server.http.backend import Backend, language_name
from tformer.server.utf8 import sendable

ONLY_TRANSLATES = (
    "this server translates and nothing else: say into which language, as in "
    "'Translate into German:', and then the text"
)

LONGEST_INSTRUCTION = 600
"""Characters of a message of a user that are looked at for what is asked."""

_TRANSLATES = re.compile(r"\btranslat\w*|\bübersetz\w*|\btradu\w*|翻译|翻譯", re.IGNORECASE)

_HEAD = re.compile(
    r"(?P<head>(?:(?:please|can you|could you)\s+)?"
    r"(?:translate|übersetze?|tradui[sz]\w*|traduc\w*)\b[^\n]*?)(?::[ \t]*\n*|\n+)",
    re.IGNORECASE,
)
"""The instruction at the beginning of a message: up to a colon or the end of the line."""

_LABEL = re.compile(r"^(?:source\s+text|text|input|original)[ \t]*:[ \t]*", re.IGNORECASE)
_OPEN_END = re.compile(
    r"\n+[ \t]*(?:translated\s+text|translation|output)[ \t]*:[ \t]*$", re.IGNORECASE
)
_FENCES = (("```", "```"), ('"""', '"""'), ("<text>", "</text>"), ("'''", "'''"))


@dataclass(frozen=True)
class Prompt:
    """Request of a chat for a translation."""

    text: str
    target: str
    source: str = ""
    """"" where the prompt names none."""


def read_prompt(messages: Any, backend: Backend, target: str = "") -> Prompt:
    """Read the messages of a chat.

    Args:
        messages: as they were sent, the last one of the user.
        backend: with the languages that are served.
        target: language to translate the whole last message to; "" is read from the messages.

    Raises:
        UsageError: they ask for no translation into a language that is served.
    """
    said = _messages(messages)
    role, text = said[-1]
    if role != "user":
        raise UsageError("the last message must be that of the user")
    if target:
        return Prompt(text, target)
    languages = _LanguageNames(backend)
    for instruction in (text for role, text in said if role in ("system", "developer")):
        if found := languages.read(instruction):
            repeated = _from_user(text, languages)
            if repeated and repeated.target == found[0]:
                return repeated
            return Prompt(_content(text), *found)
    if prompt := _from_user(text, languages):
        return prompt
    raise UsageError(ONLY_TRANSLATES)


def _from_user(text: str, languages: _LanguageNames) -> Prompt | None:
    """The instruction and the text of one message; None if it begins with no instruction."""
    match = _HEAD.match(text.lstrip())
    if match and (found := languages.read(match["head"])):
        return Prompt(_content(text.lstrip()[match.end() :]), *found)
    return None


def _content(text: str) -> str:
    """The text without labels and fences around it."""
    text = _OPEN_END.sub("", _LABEL.sub("", text.strip("\r\n")))
    for begin, end in _FENCES:
        inner = text.strip()
        if inner.startswith(begin) and inner.endswith(end) and len(inner) > len(begin + end):
            return inner[len(begin) : -len(end)].strip("\r\n")
    return text


def _messages(messages: Any) -> list[tuple[str, str]]:
    """Role and text of each message.

    Raises:
        UsageError: one has something else.
    """
    if not isinstance(messages, list) or not messages:
        raise UsageError("messages must be a list of at least one")
    return [(_role(message), _text(message)) for message in messages]


def _role(message: Any) -> str:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise UsageError("every message must have a role and content")
    return message["role"]


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    texts = []
    for part in parts:
        if not isinstance(part, dict) or not isinstance(text := part.get("text"), str):
            raise UsageError("messages must be text: this server translates and nothing else")
        texts.append(sendable(text))
    return "".join(texts)


class _LanguageNames:
    """Names of the languages that are served, in prompts."""

    def __init__(self, backend: Backend) -> None:
        self._sources = _by_name(tuple(backend.directions))
        self._targets = _by_name(tuple(backend.targets))

    def read(self, instruction: str) -> tuple[str, str] | None:
        """Target and source ("" for none) of an instruction; None if it asks for no translation."""
        instruction = instruction[:LONGEST_INSTRUCTION]
        if not _TRANSLATES.search(instruction):
            return None
        target = _named(
            instruction, self._targets, r"(?:in)?to|in|target language(?: is)?|auf|ins?|en|vers|al?"
        )
        if not target:
            return None
        source = _named(
            instruction, self._sources, r"from|source language(?: is)?|aus dem|von|de|du|del"
        )
        return target, source if source != target else ""


def _named(instruction: str, names: dict[str, str], before: str) -> str:
    """The language whose name follows one of some words; the last one that does."""
    known = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    pattern = rf"\b(?:{before})\b[\s:=*\"'`(]*(?:the\s+)?(?P<name>{known})\b"
    found = re.findall(pattern, instruction, re.IGNORECASE)
    return names[found[-1].lower()] if found else ""


@lru_cache
def _by_name(codes: tuple[str, ...]) -> dict[str, str]:
    """Codes by code, by English name, and by name in the language itself, in small letters."""
    return {
        name.lower(): code
        for code in codes
        for name in (code, language_name(code), _own_name(code))
    }


def _own_name(code: str) -> str:
    import langcodes

    try:
        return langcodes.Language.get(code).autonym()
    except ImportError:
        return code
