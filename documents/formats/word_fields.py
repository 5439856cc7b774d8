"""Fields of Word: instructions between marks, and the result that was shown last.

The result of some is text of the document, a link or a reference; that of others a program makes
anew: a date, a page number, the name of a customer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tformer.documents.io import xml
from tformer.documents.io.xml import Token, TokenKind


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READ = _names(
    "HYPERLINK REF STYLEREF QUOTE TITLE SUBJECT KEYWORDS COMMENTS DOCPROPERTY INCLUDETEXT AUTOTEXT "
    "FORMTEXT IF TOC TOA INDEX"
)
"""Fields whose results are words of the document."""

_MADE = _names(
    "DATE TIME CREATEDATE SAVEDATE PRINTDATE EDITTIME PAGE PAGEREF NUMPAGES SECTION SECTIONPAGES "
    "NUMWORDS NUMCHARS FILESIZE REVNUM SEQ LISTNUM AUTONUM AUTONUMLGL AUTONUMOUT NOTEREF "
    "MERGEFIELD MERGEREC MERGESEQ NEXT NEXTIF SKIPIF SET ADDIN CITATION BIBLIOGRAPHY AUTHOR "
    "LASTSAVEDBY USERNAME USERINITIALS USERADDRESS FILENAME TEMPLATE EQ SYMBOL ADVANCE "
    "FORMCHECKBOX FORMDROPDOWN BARCODE DISPLAYBARCODE MERGEBARCODE INCLUDEPICTURE LINK EMBED "
    "CONTROL PRIVATE PRINT RD TA DOCVARIABLE INFO GREETINGLINE ADDRESSBLOCK = DDE DDEAUTO SHAPE"
)
"""Fields whose results are made anew, or are no words."""

_SAYING = _names("IF QUOTE XE TC MACROBUTTON FILLIN ASK GOTOBUTTON COMPARE")
"""Fields whose instructions hold words that a reader sees at some time."""


_TIP = re.compile(r'\\o\s*"([^"]+)"')


@dataclass(frozen=True)
class Field:
    """A field that begins and ends in the same paragraph."""

    end: int
    """Index behind its last run."""
    kind: str
    """First word of its instructions."""
    instructions: str
    result: tuple[int, int] | None
    """Tokens of its result if that is text of the document."""
    shown: str
    """Text of its result."""

    @property
    def left(self) -> Iterator[tuple[str, str]]:
        """Words that stay though a reader sees them, each with the reason."""
        if self.kind in _SAYING and ('"' in self.instructions or self.kind == "MACROBUTTON"):
            yield self.instructions.strip(), f"it stands in the instructions of a field {self.kind}"
        if self.kind == "HYPERLINK" and (tip := _TIP.search(self.instructions)):
            yield tip[1], "it is what a link says of itself in its instructions"
        if self.result or self.kind in _MADE | _SAYING or not any(map(str.isalpha, self.shown)):
            return
        reason = "which is not known" if self.kind not in _READ else "which is not closed"
        yield self.shown, f"it is the result of a field {self.kind}, {reason}"


def is_read(instructions: str) -> bool:
    """Return whether the result of a field with these instructions is text of the document."""
    return _kind(instructions) in _READ


def with_marks_apart(tokens: Sequence[Token], position: int, end: int) -> list[Token]:
    """Tokens of a paragraph in which each mark of a field is in a run of its own.

    Most programs write them so; others put text, marks and instructions into one run.
    """
    apart: list[Token] = []
    while position < end:
        token = tokens[position]
        if token.name == "r" and token.kind is TokenKind.OPEN:
            behind = xml.end_of(tokens, position)
            apart += _run_apart(tokens, position, behind)
            position = behind
        else:
            apart.append(token)
            position += 1
    return apart


def _run_apart(tokens: Sequence[Token], position: int, behind: int) -> Sequence[Token]:
    inner = list(xml.children(tokens, position))
    formats = [at for at in inner if tokens[at].name == "rPr"]
    contents = [at for at in inner if at not in formats and tokens[at].raw.strip()]
    if len(contents) < 2 or all(tokens[at].name != "fldChar" for at in contents):
        return tokens[position:behind]
    head = [tokens[position], *(t for at in formats for t in tokens[at : xml.end_of(tokens, at)])]
    runs = ([*head, *tokens[at : xml.end_of(tokens, at)], tokens[behind - 1]] for at in contents)
    return [token for run in runs for token in run]


def find_fields(tokens: Sequence[Token], first: int, end: int) -> dict[int, Field]:
    """Fields of a paragraph, by the index of their first run; those within others too."""
    found: dict[int, Field] = {}
    run = first
    opened: list[list[int]] = []
    """Runs with the marks of the fields that are open: begin, and separate."""
    for position in range(first, end):
        token = tokens[position]
        if token.name == "r" and token.kind is TokenKind.OPEN:
            run = position
        says = token.attributes if token.name == "fldChar" else {}
        mark = next((says[key] for key in says if key.endswith("fldCharType")), None)
        if token.kind is TokenKind.CLOSE:
            continue
        if mark == "begin":
            opened.append([run])
        elif mark == "separate" and opened:
            opened[-1].append(run)
        elif mark == "end" and opened:
            runs = opened.pop()
            found[runs[0]] = _field(tokens, [*runs, run])
    return found


def _field(tokens: Sequence[Token], runs: Sequence[int]) -> Field:
    end = xml.end_of(tokens, runs[-1])
    result = range(xml.end_of(tokens, runs[1]), runs[-1]) if len(runs) > 2 else range(0)
    code_end = runs[1] if len(runs) > 2 else end
    instructions = _text(tokens, range(runs[0], xml.end_of(tokens, code_end)), "instrText")
    shown = _text(tokens, range(xml.end_of(tokens, runs[0]), end), "t")
    kind = _kind(instructions)
    is_text = kind in _READ and any(map(str.isalpha, _text(tokens, result, "t")))
    inside = (result.start, result.stop) if is_text and _is_whole(tokens, runs, result) else None
    return Field(end, kind, instructions, inside, shown)


def _kind(instructions: str) -> str:
    return next(iter(instructions.split()), "").upper()


def _is_whole(tokens: Sequence[Token], runs: Sequence[int], result: range) -> bool:
    """Return whether the marks are runs of their own, side by side, with elements between."""
    return (
        len({*runs}) == len(runs)
        and _is_balanced(tokens, range(runs[0], result.start))
        and _is_balanced(tokens, result)
    )


def _is_balanced(tokens: Sequence[Token], places: range) -> bool:
    depth = 0
    for place in places:
        depth += {TokenKind.OPEN: 1, TokenKind.CLOSE: -1}.get(tokens[place].kind, 0)
        if depth < 0:
            return False
    return depth == 0


def _text(tokens: Sequence[Token], places: range, name: str) -> str:
    """Text of the elements of a name."""
    return "".join(
        tokens[place + 1].text
        for place in places
        if tokens[place].name == name and tokens[place].kind is TokenKind.OPEN
    )
