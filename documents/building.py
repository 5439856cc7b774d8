"""Puts segments together from what a format finds in its files.

Text is looked through for messages with variants (`tformer.documents.inline.icu`) and for literals
(`tformer.documents.protection`). Markup around no words stands alone; so does what stands between
two words without a blank, and divides them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from tformer.documents import protection
from tformer.documents.inline.icu import UNREAD, MessageRole, MessageSpan, is_unread, variants
from tformer.documents.inline.readings import IN_TAG, READING, has_reading, words_of_attributes
from tformer.documents.segments import Inline, Mark, PlaceholderKind, Segment, SegmentState

_Piece = str | Mark

_BREAKS = re.compile(
    r"[ \t]*(?:\r\n|\r|\n)\s*|[ ]*\t\s*|(?<=\S) {3,}(?=\S)|\|\*\.[\w*?.; ]+(?:\||\Z)|(?<=\));;"
)
"""Separators in the text of string tables: line breaks, tabs, blanks that make columns, and what
stands between the kinds of files in a dialogue: `Text (*.txt)|*.txt|All (*)|*`."""

_SEPARATORS = re.compile(
    r"(?:(?<=\S)|\A)[ \t\n]+[|\u2022\u00b7\u2192\u21d2\u25b8]+[ \t\n]+(?=\S|\Z)"
)
"""Signs between the entries of a line: a menu, a way through one."""

_BLOCK_TAG = re.compile(
    r"""\{\{ [#/^] .* \}\} | \{\{ -? \s* (?:if|else|end|range|with)\b .* \}\}
      | \{% -? \s* (?:end\w+|if|elif|elsif|else|unless|for|case|when|with|block)\b .* %\}
      | <% (?!=) .* %>""",
    re.VERBOSE | re.DOTALL,
)
"""Tags of a template between which a text is chosen or said again."""

_TWO_QUOTES = "\ufdd0"
"""Character in the place of two apostrophes that say one, which begin no quotation."""

_ELSEWHERE = "\uffff"
"""Placeholder for markup where the syntax of a message is looked for."""

_FORMULA = re.compile(
    r"(?=.*\d)(?:(?<![^\W\d_])[^\W\d_]{1,3}(?![^\W\d_])|(?:"
    # The elements: NATO with the number of a note is no formula.
    r"A[cglmrstu]|B[aeikr]?|C[adeflmorsu]?|Dy|E[ru]|F[er]?|G[ade]|H[efgo]?|I[nr]?|Kr?|L[aiu]|M[gno]"
    r"|N[abdeip]?|Os?|P[abdmortu]?|R[abehnu]|S[bceimnr]?|T[abcehilm]|U|V|W|Xe|Yb?|Z[nr]"
    r")+|[\d.,+=()/\u00b7\u00d7-]+)+"
)
"""H2O, CO2, m2, 10th: what a subscript or superscript in a word belongs to."""


@dataclass(frozen=True)
class _BuildEvent:
    """Something a format found."""

    kind: str
    """text, open, close or alone"""
    raw: str
    """Source in the file; of text, what a reader sees."""
    name: str = ""
    """Name of markup that is opened or closed; the visible form of a standalone placeholder."""
    divides: bool | None = None
    """None where its surroundings tell."""


class Builder:
    """Puts a segment together from what a format finds, one thing after the other.

    Markup that is opened and not closed, or closed and not opened, stands alone.
    """

    def __init__(
        self,
        escape: Callable[[str], str] = str,
        *,
        tags: bool = True,
        breaks: bool = False,
        doubled: bool = False,
        grammar: str = "",
        separator: re.Pattern[str] | None = None,
        join: Callable[[Sequence[_Piece], dict[int, Inline]], str] | None = None,
    ) -> None:
        """Take what is particular about a format.

        Args:
            escape: how it writes plain text, which literals are.
            tags: whether text that looks like a tag is one; else it is a literal.
            breaks: whether line breaks, tabs and columns of blanks mean something.
            doubled: whether apostrophes are doubled, as in Java's MessageFormat.
            grammar: of format strings, as gettext names it: c-format.
            separator: what else divides.
            join: writes pieces that become one placeholder; None to write one after the other.
        """
        self._plain_escape = escape
        self._escape = (lambda text: escape(text.replace("'", "''"))) if doubled else escape
        self._tags = tags
        self._doubled = doubled
        self._grammar = grammar
        self._breaks = _BREAKS if breaks else None
        self._separator = separator
        self._join = join or self._one_after_the_other
        self._events: list[_BuildEvent] = []
        self._parts: list[_Piece] = []
        self._inlines: dict[int, Inline] = {}
        self._undecided: set[int] = set()
        self._open: list[tuple[str, int]] = []
        self._opened_at: dict[int, int] = {}

    def text(self, text: str) -> None:
        """Add text as a reader sees it."""
        if self._events and self._events[-1].kind == "text":
            text = self._events.pop().raw + text
        if text:
            self._events.append(_BuildEvent("text", text))

    def open(self, name: str, raw: str) -> None:
        """Add the beginning of markup around words."""
        self._events.append(_BuildEvent("open", raw, name))

    def close(self, name: str, raw: str) -> None:
        """Add the end of markup around words."""
        self._events.append(_BuildEvent("close", raw, name))

    def alone(self, raw: str, shown: str = "", *, divides: bool | None = None) -> None:
        """Add something that is no text to translate.

        Args:
            raw: what stands in the file.
            shown: what a model sees.
            divides: whether it divides the text; None if it does between two words.
        """
        self._events.append(_BuildEvent("alone", raw, shown, divides))

    def build(
        self,
        id: str,
        *,
        target: str | None = None,
        state: SegmentState = SegmentState.NEW,
        context: str = "",
    ) -> Segment:
        """The segment of all that was added."""
        whole = "".join(e.raw if e.kind == "text" else _ELSEWHERE for e in self._events)
        if _is_unread(whole):
            return self._unread(UNREAD, id, target, state, context)
        for event in self._without_syntax(whole):
            match event.kind:
                case "text":
                    self._add_text(event.raw)
                case "open":
                    self._open_now(event.name, event.raw)
                case "close":
                    self._close_now(event.name, event.raw)
                case _:
                    self._alone_now(event.raw, event.name, event.divides)
        for _, number in self._open:
            self._stand_alone(number)
        self._open.clear()
        self._collapse()
        self._decide()
        text = "".join(map(str, self._parts))
        segment = Segment(id, text, self._inlines, target, state, context)
        if segment.has_words:
            return segment
        left = any(inline.left for inline in self._inlines.values())
        reads = any(map(has_reading, self._inlines.values()))
        return replace(segment, unread=READING if reads else IN_TAG if left else "")

    def _unread(
        self, reason: str, id: str, target: str | None, state: SegmentState, context: str
    ) -> Segment:
        """The segment as one literal, which nobody translates."""
        raw = "".join(
            self._escape(event.raw) if event.kind == "text" else event.raw for event in self._events
        )
        shown = "".join(
            e.raw if e.kind == "text" else e.name * (e.kind == "alone") for e in self._events
        )
        mark = str(Mark(1, PlaceholderKind.ALONE))
        inlines = {1: Inline(raw, shown=shown)}
        return Segment(id, mark, inlines, target, state, context, unread=reason)

    # --- text

    def _without_syntax(self, whole: str) -> Iterator[_BuildEvent]:
        """The events, with the syntax of a message with variants taken out of their whole text."""
        spans = variants(whole) if "{" in whole else None
        outside = [s for s in spans or [] if s.role is not MessageRole.TEXT]
        if not spans or any(_ELSEWHERE in whole[s.start : s.end] for s in outside):
            yield from self._events
            return
        position = 0
        for event in self._events:
            size = len(event.raw) if event.kind == "text" else 1
            if event.kind != "text":
                yield event
            for span in spans if event.kind == "text" else ():
                start, end = max(span.start, position), min(span.end, position + size)
                if start < end:
                    yield self._of_message(span, whole[start:end])
            position += size

    def _of_message(self, span: MessageSpan, text: str) -> _BuildEvent:
        if span.role is MessageRole.SYNTAX:
            return _BuildEvent("alone", self._plain_escape(text), "", True)
        if span.role is MessageRole.TEXT or (text == "''" and self._doubled):
            return _BuildEvent("text", text)
        shown = text
        if span.role is MessageRole.QUOTED:
            shown = "'" if text == "''" else text[1:].removesuffix("'").replace("''", "'")
        return _BuildEvent("alone", self._plain_escape(text), shown, False)

    def _add_text(self, text: str) -> None:
        position = 0
        for match in self._dividers(text):
            self._scan(text[position : match.start()])
            self._alone_now(self._plain_escape(match[0]), match[0], True)
            position = match.end()
        self._scan(text[position:])

    def _dividers(self, text: str) -> Iterator[re.Match[str]]:
        patterns = [p for p in (self._breaks, self._separator, _SEPARATORS) if p]
        found = [match for pattern in patterns for match in pattern.finditer(text)]
        literals = self._literal_spans(text) if found else []
        position = 0
        for match in sorted(found, key=lambda match: match.start()):
            before = bisect_left(literals, (match.start(), 0)) - 1
            is_inside = before >= 0 and match.end() < literals[before][1]
            if match.start() >= position and not is_inside:
                yield match
                position = match.end()

    def _literal_spans(self, text: str) -> list[tuple[int, int]]:
        """Places of literals, in which nothing divides: `a | b` in code or a template."""
        spans = []
        position = 0
        for run in protection.scan(text, self._grammar, escaped=self._tags):
            end = position + len(run.text)
            if run.kind is protection.RunKind.LITERAL:
                spans.append((position, end))
            position = end
        return spans

    def _scan(self, text: str) -> None:
        if self._doubled:
            text = text.replace("''", _TWO_QUOTES)
        for found in protection.scan(text, self._grammar, escaped=self._tags):
            # What is not text stays as it is spelt, with its own quotes: {0,date,d 'at' H}.
            raw = self._plain_escape(found.text.replace(_TWO_QUOTES, "''"))
            shown = found.shown.replace(_TWO_QUOTES, "'")
            if not self._tags and found.kind is not protection.RunKind.TEXT:
                self._alone_now(raw, shown, False)
                continue
            match found.kind:
                case protection.RunKind.TEXT:
                    self._parts.append(shown)
                case protection.RunKind.OPENING:
                    self._open_now("<" + found.name, raw, words_of_attributes(found.text))
                case protection.RunKind.CLOSING:
                    self._close_now("<" + found.name, raw)
                case protection.RunKind.LITERAL:
                    self._alone_now(raw, shown, False)
                case protection.RunKind.TAG:
                    breaks = found.name in protection.BREAKING
                    self._alone_now(raw, "\n" if breaks else "", breaks or None)
                    self._leave(len(self._inlines), words_of_attributes(found.text))

    # --- markup

    def _leave(self, number: int, words: str) -> None:
        if words:
            self._inlines[number] = replace(self._inlines[number], left=words)

    def _open_now(self, name: str, raw: str, left: str = "") -> None:
        number = self._add(Inline(raw, left=left), PlaceholderKind.OPEN)
        self._opened_at[number] = len(self._parts) - 1
        self._open.append((name, number))

    def _close_now(self, name: str, raw: str) -> None:
        if all(opened != name for opened, _ in self._open):
            self._alone_now(raw, "", False)
            return
        while True:
            opened, number = self._open.pop()
            if opened == name:
                break
            self._stand_alone(number)
        self._inlines[number] = replace(self._inlines[number], closing=raw)
        self._parts.append(Mark(number, PlaceholderKind.CLOSE))

    def _alone_now(self, raw: str, shown: str, divides: bool | None = None) -> None:
        if raw.startswith(("{", "<%")) and _BLOCK_TAG.fullmatch(raw):
            shown, divides = "", True
        number = self._add(Inline(raw, shown=shown, divides=bool(divides)), PlaceholderKind.ALONE)
        if divides is None:
            self._undecided.add(number)

    def _add(self, inline: Inline, part: PlaceholderKind) -> int:
        number = len(self._inlines) + 1
        self._inlines[number] = inline
        self._parts.append(Mark(number, part))
        return number

    def _stand_alone(self, number: int) -> None:
        self._parts[self._opened_at[number]] = Mark(number, PlaceholderKind.ALONE)

    # --- afterwards

    def _collapse(self) -> None:
        """Make one placeholder of markup around no words, and of formulas with markup in them."""
        if not any(isinstance(p, Mark) and p.part is PlaceholderKind.OPEN for p in self._parts):
            return
        ends = {p.number: i for i, p in enumerate(self._parts) if _is(p, PlaceholderKind.CLOSE)}
        kept: list[_Piece] = []
        position = 0
        while position < len(self._parts):
            part = self._parts[position]
            if isinstance(part, Mark) and part.part is PlaceholderKind.OPEN:
                end = ends[part.number] + 1
                if all(isinstance(inner, Mark) for inner in self._parts[position:end]):
                    kept.append(self._one(self._parts[position:end]))
                    position = end
                    continue
                if formula := self._formula(kept, position, end):
                    before, inside, after = formula
                    kept[-1:] = [before] if before else []
                    kept.append(self._one(inside))
                    self._parts[end : end + 1] = [after] if after else []
                    ends = {
                        p.number: i
                        for i, p in enumerate(self._parts)
                        if _is(p, PlaceholderKind.CLOSE)
                    }
                    position = end
                    continue
                if self._hangs(kept, self._parts[position:end]):
                    mark = self._one(self._parts[position:end])
                    self._inlines[mark.number] = replace(self._inlines[mark.number], shown="")
                    self._undecided.discard(mark.number)
                    kept.append(mark)
                    position = end
                    continue
            kept.append(part)
            position += 1
        self._parts = kept
        used = {part.number for part in kept if isinstance(part, Mark)}
        self._inlines = {n: inline for n, inline in self._inlines.items() if n in used}

    def _formula(
        self, kept: Sequence[_Piece], start: int, end: int
    ) -> tuple[str, list[_Piece], str] | None:
        """A word in which a part is marked up that cannot be translated: H<sub>2</sub>O."""
        inside = self._parts[start:end]
        content = "".join(part for part in inside if isinstance(part, str))
        left = kept[-1] if kept and isinstance(kept[-1], str) else ""
        if not re.search(r"\w\Z", left) or not content or re.search(r"\s", content):
            return None
        following = self._parts[end] if end < len(self._parts) else ""
        right = following if isinstance(following, str) else ""
        stem = re.search(r"\S+\Z", left)
        rest = re.match(r"\w*", right)
        assert stem and rest
        if not _FORMULA.fullmatch(stem[0] + content + rest[0]):
            return None
        pieces = [stem[0], *inside, *([rest[0]] if rest[0] else [])]
        if not isinstance(following, str):
            return (left[: stem.start()], [stem[0], *inside], "") if not following else None
        return left[: stem.start()], pieces, right[rest.end() :]

    def _hangs(self, kept: Sequence[_Piece], inside: Sequence[_Piece]) -> bool:
        """Return whether markup without a letter hangs on a word: the number of a note."""
        content = "".join(part for part in inside if isinstance(part, str))
        before = next((part for part in reversed(kept) if not _is(part, PlaceholderKind.CLOSE)), "")
        left = before[-1:] if isinstance(before, str) else ""
        is_raised = isinstance(inside[0], Mark) and self._opens_raised(inside[0])
        is_note = is_raised and left in tuple(".,;:!?)'\"\u201d\u2019")
        hangs = left.isalpha() if kept and before is kept[-1] else is_raised and left.isalpha()
        return (hangs or is_note) and not re.search(r"[^\W\d_]|\s|\A[^\w*(\[]", content)

    def _opens_raised(self, mark: Mark) -> bool:
        return self._inlines[mark.number].opening.lower().startswith("<sup")

    def _one(self, pieces: Sequence[_Piece]) -> Mark:
        """One placeholder in the place of several pieces."""
        number = next(part.number for part in pieces if isinstance(part, Mark))
        shown = "".join(part if isinstance(part, str) else self._shown(part) for part in pieces)
        raw = self._join(pieces, self._inlines)
        inner = [part.number for part in pieces if isinstance(part, Mark)]
        divides = any(self._inlines[n].divides for n in inner)
        if any(n in self._undecided for n in inner) or not any(
            _is(p, PlaceholderKind.ALONE) for p in pieces
        ):
            self._undecided.add(number)
        left = " ".join(filter(None, (self._inlines[n].left for n in inner)))
        self._inlines[number] = Inline(raw, shown=shown, divides=divides, left=left)
        return Mark(number, PlaceholderKind.ALONE)

    def _shown(self, mark: Mark) -> str:
        return self._inlines[mark.number].shown if mark.part is PlaceholderKind.ALONE else ""

    def _one_after_the_other(self, pieces: Sequence[_Piece], inlines: dict[int, Inline]) -> str:
        return "".join(
            self._escape(part) if isinstance(part, str) else inlines[part.number].raw(part.part)
            for part in pieces
        )

    def _decide(self) -> None:
        """Let what shows nothing divide the two words that it stands between."""
        for place, part in enumerate(self._parts):
            if not isinstance(part, Mark) or part.number not in self._undecided:
                continue
            inline = self._inlines[part.number]
            if part.part is not PlaceholderKind.ALONE or inline.shown.strip():
                continue
            before = _neighbour(self._parts[:place][::-1])[-1:]
            after = _neighbour(self._parts[place + 1 :])[:1]
            if (before.isalnum() or before in tuple(",.:;!?)")) and after.isalnum():
                self._inlines[part.number] = replace(inline, divides=True)


def _is_unread(whole: str) -> bool:
    """Return whether a text is a message with variants that is broken, or has markup in its
    syntax."""
    if is_unread(whole.replace(_ELSEWHERE, "_")):
        return True
    spans = variants(whole) or [] if _ELSEWHERE in whole else []
    syntax = (whole[span.start : span.end] for span in spans if span.role is MessageRole.SYNTAX)
    return any(_ELSEWHERE in each for each in syntax)


def _is(piece: _Piece, part: PlaceholderKind) -> TypeGuard[Mark]:
    return isinstance(piece, Mark) and piece.part is part


def _neighbour(pieces: Sequence[_Piece]) -> str:
    """The text that comes first, behind the ends of markup around words."""
    for piece in pieces:
        if isinstance(piece, str):
            return piece
        if piece.part is PlaceholderKind.ALONE:
            return ""
    return ""
