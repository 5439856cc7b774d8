"""Markup within sentences of AsciiDoc.

Code, passed text, macros, attributes and anchors stay; bold, italic, marked and quoted words and
the texts of links are around words. A text with an escaped sign, a macro that is not closed, or
brackets within brackets is not understood.
"""

from __future__ import annotations

import re

from tformer.documents.building import Builder
from tformer.documents.segments import Segment

_MACROS = (
    # The target of these may be an address, with colons.
    r"(?:(?:link|xref|mailto|image|icon|kbd|btn|menu|pass|stem|latexmath|asciimath|footnote"
    r"|footnoteref|anchor|indexterm2?):(?![\s:])[^\s\[\]]{0,2000}"
    r"|[a-z][a-z0-9_-]{1,30}:(?![\s:])[^\s\[\]:]{0,300})"
)
_START = re.compile(
    rf"""
    (?P<hardbreak>[ ]\+\n)
  | (?P<escaped>\\(?=[*_`\#^~+{{<\[\\]|\w+:))
  | (?P<passed>\+\+\+|\+\+) | (?P<term>\(\(\(?)
  | (?P<attribute>\{{[\w][^{{}}\s]{{0,200}}\}})
  | (?P<cross><<(?=[^<>\s]))
  | (?P<anchor>\[\[[^\[\]\n]{{1,300}}\]\])
  | (?P<curved>"`(?=\S)|'`(?=\S))
  | (?P<url>(?<![\w/])(?:https?|ftp|irc)://[^\s\[\]<>]{{1,2000}}\[)
  | (?P<macro>(?<![\w:]){_MACROS}\[)
  | (?P<double>``|\*\*|__|\#\#)(?=\S)
  | (?P<raised>[~^](?=[^\s~^]{{1,60}}[~^]))
  | (?<![\w;:}}]) (?P<attributes>\[[^\[\]\n]{{1,200}}\])? (?P<single>[`*_\#+])(?=\S)
    """,
    re.VERBOSE,
)
_SINGLES = {
    sign: re.compile(rf"(?<=\S){re.escape(sign)}(?!\w)(?!{re.escape(sign)})") for sign in "`*_#+"
}
_LINK = re.compile(r"(?:link|xref|url):|https?://|ftp://|irc://")
_NO_LABEL = re.compile(r"[=\"\[\]<>\\]|\A\s*\Z")
_DEEPEST = 4
"""Levels of markup in markup."""


class _NotUnderstood(Exception):
    """Markup that is not surely understood."""


def asciidoc_segment(content: str) -> Segment | None:
    """Read the text of a block; None if it is not surely understood."""
    builder = Builder(tags=False)
    try:
        _Scanner(builder, content, 0).add()
    except _NotUnderstood:
        return None
    return builder.build("")


class _Scanner:
    """Reader of the markup of a text."""

    def __init__(self, builder: Builder, content: str, depth: int) -> None:
        self._builder = builder
        self._content = content
        self._depth = depth
        self._absent: set[str] = set()
        """Signs that are not there behind the position any more."""

    def add(self) -> None:
        """Add all of the text to the segment."""
        if self._depth > _DEEPEST:
            raise _NotUnderstood
        position, plain = 0, 0
        while match := _START.search(self._content, position):
            end = self._markup(match, plain)
            position = match.end() if end is None else end
            plain = plain if end is None else end
        self._builder.text(_flat(self._content[plain:]))

    def _markup(self, match: re.Match[str], plain: int) -> int | None:
        """Add the plain text before markup, and it; the offset behind it, None if it is plain
        text."""
        kind = match.lastgroup or ""
        if kind in ("escaped", "term", "passed"):
            return self._passed(match, plain)
        if kind in ("attribute", "anchor", "hardbreak"):
            self._text_before(match, plain)
            breaks = kind == "hardbreak"
            shown = "\n" if breaks else match[0] if kind == "attribute" else ""
            self._builder.alone(match[0], shown, divides=breaks)
            return match.end()
        if kind in ("cross", "url", "macro"):
            return self._reference(match, plain)
        return self._formatted(match, plain)

    def _passed(self, match: re.Match[str], plain: int) -> int:
        """Text that is passed on as it is, and terms of an index."""
        closing = match[0].replace("(", ")")
        end = self._content.find(closing, match.end())
        if match.lastgroup == "escaped" or end < 0:
            raise _NotUnderstood
        self._text_before(match, plain)
        end += len(closing)
        shown = "" if match[0] == "(((" else self._content[match.end() : end - len(closing)]
        self._builder.alone(_flat(self._content[match.start() : end]), _flat(shown), divides=False)
        return end

    def _reference(self, match: re.Match[str], plain: int) -> int:
        """A link, a cross reference or another macro."""
        closing = ">>" if match.lastgroup == "cross" else "]"
        end = self._content.find(closing, match.end())
        if end < 0:
            raise _NotUnderstood
        self._text_before(match, plain)
        opening, inner = match[0], self._content[match.end() : end]
        if closing == ">>":
            target, comma, inner = inner.partition(",")
            opening += target + comma
        elif "[" in inner or inner.endswith("\\"):
            raise _NotUnderstood
        # Behind a comma in the label of an address stands the subject of the mail.
        is_address = opening.startswith("mailto:") and "," not in inner
        is_link = closing == ">>" or is_address or _LINK.match(opening)
        if is_link and not _NO_LABEL.search(inner):
            self._label(opening, inner, closing)
        else:
            whole = _flat(opening + inner + closing)
            self._builder.alone(whole, _flat(_shown(opening, inner)), divides=False)
        return end + len(closing)

    def _label(self, opening: str, inner: str, closing: str) -> None:
        text = inner.removesuffix("^")
        self._builder.open("link", opening)
        _Scanner(self._builder, text, self._depth + 1).add()
        self._builder.close("link", inner[len(text) :] + closing)

    def _formatted(self, match: re.Match[str], plain: int) -> int | None:
        """Code stays, and so does what is raised or lowered; other signs are around words."""
        sign = match["single"] or match["double"] or match["raised"] or match["curved"]
        closing = self._end_of(sign, match)
        if closing is None:
            return None
        start, end = closing
        self._text_before(match, plain)
        inner = self._content[match.end() : start]
        ending = self._content[start:end]
        if sign in ("`", "``", "+", "~", "^"):
            if sign == "`" and "`" in inner:
                raise _NotUnderstood
            self._builder.alone(_flat(match[0] + inner + ending), _flat(inner), divides=False)
            return end
        self._builder.open(sign, match[0])
        _Scanner(self._builder, inner, self._depth + 1).add()
        self._builder.close(sign, ending)
        return end

    def _end_of(self, sign: str, match: re.Match[str]) -> tuple[int, int] | None:
        if sign in self._absent:
            return None
        begin = match.end() + 1
        if match["single"]:
            found = _SINGLES[sign].search(self._content, begin)
            span = found.span() if found else None
        else:
            ending = sign[::-1]
            at = self._content.find(ending, begin)
            span = (at, at + len(ending)) if at >= 0 else None
        if span is None:
            self._absent.add(sign)
        return span

    def _text_before(self, match: re.Match[str], plain: int) -> None:
        self._builder.text(_flat(self._content[plain : match.start()]))


def _shown(opening: str, inner: str) -> str:
    """Text that a reader sees for a macro, as far as the file tells."""
    name = opening.partition(":")[0]
    if name in ("kbd", "btn", "stem", "latexmath", "asciimath", "pass"):
        return inner
    if name in ("link", "xref", "menu", "mailto") or "://" in opening:
        return inner or opening.removesuffix("[").removeprefix(f"{name}:")
    return opening[2:] + inner if opening.startswith("<<") else ""


def _flat(text: str) -> str:
    return text.replace("\n", " ")
