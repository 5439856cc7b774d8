r"""Markup within sentences of reStructuredText.

Roles, literals, references, footnotes and substitutions stay; emphasis and texts of links go
around words. A text in which markup begins and does not end is not understood, and neither is
markup with a backslash in it. ``\ `` is nothing but what keeps markup and a letter apart.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from tformer.documents.building import Builder
from tformer.documents.segments import Segment

_OPENERS = {"'": "'", '"': '"', "(": ")", "[": "]", "{": "}", "<": ">", "\u2018": "\u2019",
            "\u201c": "\u201d", "\u00ab": "\u00bb", "\u2039": "\u203a"}  # fmt: skip
_BEFORE = "\\s'\"(\\[{<\\-/:\u2018\u201c\u201e\u201a\u00ab\u2039\u00bf\u00a1\u2013\u2014"
_BEHIND = "\\s'\")\\]}>\\-/:.,;!?\\\\\u2019\u201d\u00bb\u203a\u2013\u2014"
_END = rf"(?=\Z|[{_BEHIND}])"
_NAME = r"[^\W_]{1,100}(?:[-._+:][^\W_]{1,100}){0,20}"

_START = re.compile(
    rf"""
    (?P<escaped>\\)
    | (?<![^{_BEFORE}]) (?:
        (?P<strong>\*\*)(?=\S) | (?P<emphasis>\*)(?![\s*]) | (?P<literal>``)(?=\S)
      | (?P<role>:(?!:)[\w.+:-]{{1,80}}:`)(?=\S) | (?P<target>_`)(?=\S) | (?P<phrase>`)(?=[^\s`])
      | (?P<substitution>\|)(?=\S)
      | (?P<note>\[(?:\d{{1,9}}|\#[\w.-]{{0,100}}|\*|[^\W\d_][\w.-]{{0,100}})\]_){_END}
      | (?P<name>{_NAME}__?){_END} )
    """,
    re.VERBOSE,
)
_ENDS = {
    "strong": rf"\*\*{_END}",
    "emphasis": rf"\*{_END}",
    "literal": rf"``{_END}",
    "role": rf"`{_END}",
    "target": rf"`{_END}",
    "phrase": rf"`(?:__?|:[\w.+:-]{{1,80}}:)?{_END}",
    "substitution": rf"\|(?:__?)?{_END}",
}
_CLOSING = {kind: re.compile(rf"(?<=\S){end}") for kind, end in _ENDS.items()}
_TITLED = re.compile(r"(?P<text>[^<>]*[^\s<>])(?P<behind>\s+<[^<>]+>)", re.DOTALL)
_TITLED_ROLES = frozenset({"any", "doc", "download", "ref", "std:doc", "std:ref"})
"""Roles of Sphinx of which a text of their own is shown."""

_REFERENCES = re.compile(rf"`([^`<>]{{1,300}})`__?|(?<![\w`])({_NAME})__?(?!\w)")
_TARGETS = re.compile(r":(?:ref|doc|any):`(?:[^`<>]{0,300}<)?([^`<>]{1,300})>?`")


def rest_names(text: str) -> frozenset[str]:
    """Names that a file refers to, as they are compared: links by their text and titles."""
    found = {match[1] or match[2] for match in _REFERENCES.finditer(text)}
    for match in _TARGETS.finditer(text):
        found |= {match[1], match[1].rpartition(":")[2]}
    return frozenset(map(rest_name, found))


def rest_name(text: str) -> str:
    """A name as it is compared."""
    return " ".join(text.replace("\\", "").lower().split())


def rest_segment(content: str, names: Collection[str]) -> Segment | None:
    """Read the text of a block.

    Args:
        content: its lines.
        names: links of these texts are referred to by them, and stay.

    Returns:
        None if it is not surely understood.
    """
    builder = Builder(tags=False)
    position = 0
    while match := _START.search(content, position):
        kind, start = match.lastgroup or "", match.start()
        before = _flat(content[position:start])
        # A note hangs on the word before it, with the blank that it needs.
        blank = before[len(before.rstrip()) :] if kind == "note" and before.strip() else ""
        builder.text(before[: len(before) - len(blank)])
        if kind == "escaped":
            escaped = content[start + 1 : start + 2]
            if not escaped:
                return None
            builder.text("" if escaped.isspace() else escaped)
            position = start + 2
            continue
        if _is_quoted(content, match):
            builder.text(blank + match[0])
            position = match.end()
            continue
        if kind == "note":
            builder.alone(blank + match[0], divides=False)
            position = match.end()
            continue
        end = _add_markup(builder, content, match, names)
        if end is None:
            return None
        position = end
    builder.text(_flat(content[position:]))
    return builder.build("")


def escape_backslashes(text: str) -> str:
    """Plain text in which nothing but a backslash is special."""
    return text.replace("\\", "\\\\")


def escape_rest(text: str) -> str:
    """Plain text of which no character is special."""
    return re.sub(r"[\\*`|_]", r"\\\g<0>", text)


def may_precede(character: str) -> bool:
    """Return whether markup may begin behind a character."""
    return bool(re.fullmatch(rf"[{_BEFORE}]", character))


def may_follow(character: str) -> bool:
    """Return whether markup may end before a character."""
    return bool(re.fullmatch(rf"[{_BEHIND}]", character))


def _is_quoted(content: str, match: re.Match[str]) -> bool:
    """Return whether the signs of markup stand between quotation marks or brackets."""
    before = content[match.start() - 1 : match.start()]
    behind = content[match.end() : match.end() + 1]
    return bool(behind) and _OPENERS.get(before) == behind


def _add_markup(
    builder: Builder, content: str, match: re.Match[str], names: Collection[str]
) -> int | None:
    """Add markup that begins here; the offset behind it, None if it does not end."""
    kind = match.lastgroup or ""
    if kind == "name":
        builder.alone(match[0], match[0].rstrip("_"), divides=False)
        return match.end()
    closing = _CLOSING[kind].search(content, match.end() + 1)
    if not closing:
        return None
    inner = content[match.end() : closing.start()]
    if "\\" in inner and kind != "literal":
        return None
    if kind in ("strong", "emphasis"):
        builder.open(kind, match[0])
        builder.text(_flat(inner))
        builder.close(kind, closing[0])
    else:
        _add_kept(builder, (match[0], inner, closing[0]), names)
    return closing.end()


def _add_kept(builder: Builder, raw: tuple[str, str, str], names: Collection[str]) -> None:
    """Add a role, a literal, a reference or a substitution: only the text of a link is text."""
    opening, inner, closing = raw
    titled = _TITLED.fullmatch(inner)
    is_link = opening == "`" and closing.startswith("`_") and titled is not None
    if is_link and closing == "`_":
        is_link = titled is not None and rest_name(titled["text"]) not in names
    is_role = opening.strip(":`") in _TITLED_ROLES
    if titled and closing != "``" and (is_link or is_role):
        builder.open("link", opening)
        builder.text(_flat(titled["text"]))
        builder.close("link", _flat(titled["behind"]) + closing)
        return
    shown = titled["text"] if titled and opening != "``" else inner
    builder.alone(_flat("".join(raw)), _flat(shown), divides=False)


def _flat(text: str) -> str:
    return text.replace("\n", " ")
