"""ICU MessageFormat, and the choices of Java's: tells the text of a message from its syntax.

Grammar: the documentation of ICU's MessagePattern. An apostrophe quotes before a brace, and before
# within a plural; two are one. What is not a message of that grammar is None, not an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto


class MessageRole(Enum):
    """Role of a part of a message."""

    TEXT = auto()
    QUOTED = auto()
    """Text that apostrophes protect: `'{'`, `''`."""
    ARGUMENT = auto()
    """An argument without variants: `{name}`, `{when, date, short}`."""
    NUMBER = auto()
    """The # of a plural."""
    SYNTAX = auto()
    """Keywords and braces around variants: `{n, plural, one {`, `} other {`, `}}`."""


@dataclass(frozen=True)
class MessageSpan:
    """A part of a message; all together are the message."""

    role: MessageRole
    start: int
    end: int


_ARGUMENT = re.compile(r"\{\s*([^\s{},'#]+)\s*(?:,\s*(\w+)\s*)?", re.ASCII)
_SELECTOR = re.compile(r"\s*(?:offset\s*:\s*-?\d+\s+)?(=-?[\d.]+|[^\s{},'#=]+)\s*\{")
_NUMBER = re.compile(r"#(?:(?:st|nd|rd|th)(?![^\W\d_]))?")
"""Pattern of the number of a plural, with the ending that English has for its rank."""

_INTERPOLATION = re.compile(r"\{\{\s*[\w.$-]+\s*\}\}")
"""Pattern of an argument of i18next, which some libraries read beside messages."""

_LIMIT = re.compile(r"\s*[-+]?(?:\d[\d.]*|\u221e)\s*[#<\u2264]")
_WITH_VARIANTS = {"plural", "select", "selectordinal"}
_QUOTED_BRACE = re.compile(r"'[{}]")
_SURELY_QUOTED = re.compile(r"'[{}][^'\n]{0,60}'|''")
"""Pattern of quotation where no argument tells that a text is a message."""
_DEEPEST = 20


_BEGINS = re.compile(
    r"\{\s*\w+\s*,\s*(?:plural|select|selectordinal)\s*(?:,|\w+\s*\{)|\{\s*\d+\s*,\s*choice\s*,"
)
"""Pattern of the beginning of a message with variants; a comma is easily forgotten."""

UNREAD = "it is a message with variants that is not understood"


def is_unread(text: str) -> bool:
    """Return whether a text begins a message with variants whose syntax is broken."""
    return "{" in text and bool(_BEGINS.search(text)) and variants(text) is None


class _NotAMessage(Exception):
    """The text does not follow the grammar."""


def variants(text: str) -> list[MessageSpan] | None:
    """The parts of a message that has variants, or braces in quotes; None if it has neither, or is
    no message."""
    kinds = {*_WITH_VARIANTS, "choice"}
    if not any(kind in text for kind in kinds) and not _QUOTED_BRACE.search(text):
        return None
    parser = _Parser(text)
    try:
        end = parser.message(0, 0, plural=False)
    except _NotAMessage:
        return None
    roles = {span.role for span in parser.spans}
    quoted = [text[s.start : s.end] for s in parser.spans if s.role is MessageRole.QUOTED]
    if MessageRole.ARGUMENT not in roles and not all(map(_SURELY_QUOTED.fullmatch, quoted)):
        quoted = []
    quotes = quoted and _QUOTED_BRACE.search(text)
    if end != len(text) or not (MessageRole.SYNTAX in roles or quotes):
        return None
    return _merged(parser.spans)


class _Parser:
    """Recursive descent."""

    def __init__(self, text: str) -> None:
        self.spans: list[MessageSpan] = []
        self._text = text

    def _add(self, role: MessageRole, start: int, end: int) -> int:
        if start < end:
            self.spans.append(MessageSpan(role, start, end))
        return end

    def message(self, at: int, depth: int, *, plural: bool, ends: str = "}") -> int:
        """Read text and arguments up to what ends the message, or the end of all."""
        text = self._text
        if depth > _DEEPEST:
            raise _NotAMessage
        while at < len(text):
            character = text[at]
            if character == "{":
                at = self._argument(at, depth)
            elif character in ends:
                if depth == 0:
                    raise _NotAMessage
                return at
            elif character == "#" and plural:
                number = _NUMBER.match(text, at)
                at = self._add(MessageRole.NUMBER, at, number.end() if number else at + 1)
            elif character == "'" and self._quotes(at, plural):
                at = self._add(MessageRole.QUOTED, at, self._end_of_quoted(at))
            else:
                at = self._add(MessageRole.TEXT, at, at + 1)
        if depth:
            raise _NotAMessage
        return at

    def _quotes(self, at: int, plural: bool) -> bool:
        following = self._text[at + 1 : at + 2]
        return following in ("'", "{", "}") or (following == "#" and plural)

    def _end_of_quoted(self, at: int) -> int:
        if self._text[at + 1] == "'":
            return at + 2
        end = at + 1
        while (end := self._text.find("'", end)) >= 0:
            if self._text[end + 1 : end + 2] != "'":
                return end + 1
            end += 2
        return len(self._text)

    def _argument(self, at: int, depth: int) -> int:
        if other := _INTERPOLATION.match(self._text, at):
            return self._add(MessageRole.ARGUMENT, at, other.end())
        head = _ARGUMENT.match(self._text, at)
        if not head:
            raise _NotAMessage
        end = head.end()
        following = self._text[end : end + 1]
        if head[2] in _WITH_VARIANTS and following == ",":
            return self._variants(at, end + 1, depth, plural=head[2] != "select")
        if head[2] == "choice" and following == ",":
            return self._choices(at, end + 1, depth)
        if following not in ("}", ",") or not following:
            raise _NotAMessage
        return self._add(MessageRole.ARGUMENT, at, self._end_of_style(end))

    def _end_of_style(self, at: int) -> int:
        """Behind the brace that closes an argument; a style may have braces and quotes."""
        depth = 1
        while at < len(self._text):
            character = self._text[at]
            if character == "'" and self._quotes(at, False):
                at = self._end_of_quoted(at)
                continue
            depth += {"{": 1, "}": -1}.get(character, 0)
            at += 1
            if depth == 0:
                return at
        raise _NotAMessage

    def _variants(self, begin: int, at: int, depth: int, *, plural: bool) -> int:
        number = 0
        while selector := _SELECTOR.match(self._text, at):
            number += 1
            self._add(MessageRole.SYNTAX, begin, selector.end())
            begin = self.message(selector.end(), depth + 1, plural=plural)
            at = begin + 1
        end = at + len(self._text[at:]) - len(self._text[at:].lstrip())
        if not number or self._text[end : end + 1] != "}":
            raise _NotAMessage
        return self._add(MessageRole.SYNTAX, begin, end + 1)

    def _choices(self, begin: int, at: int, depth: int) -> int:
        """Read the variants of Java's ChoiceFormat: `0#no files|1#one file|1<many files`."""
        while limit := _LIMIT.match(self._text, at):
            self._add(MessageRole.SYNTAX, begin, limit.end())
            begin = self.message(limit.end(), depth + 1, plural=False, ends="|}")
            if self._text[begin] == "}":
                return self._add(MessageRole.SYNTAX, begin, begin + 1)
            at = begin + 1
        raise _NotAMessage


def _merged(spans: list[MessageSpan]) -> list[MessageSpan]:
    """Spans, those of one role side by side as one; syntax too, where a variant is empty."""
    merged: list[MessageSpan] = []
    for span in spans:
        joins = span.role in (MessageRole.TEXT, MessageRole.SYNTAX)
        if merged and merged[-1].role is span.role and joins:
            merged[-1] = MessageSpan(span.role, merged[-1].start, span.end)
        else:
            merged.append(span)
    return merged
