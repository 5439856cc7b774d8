"""XLIFF 1.x and 2.x: every unit is a segment, or every segment of a unit.

Existing translations are kept: they are segments of the state TRANSLATED, or REVIEW where the file
says that they need one. What is translated anew goes into the target, which is made if there is
none, and is marked: `needs-review-translation` in XLIFF 1, `translated` in XLIFF 2, where the next
state is `reviewed`. Units that say translate="no" are no segments.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument, checked
from tformer.documents.formats.xliff_limits import limits_of
from tformer.documents.formats.xliff_parts import PartedTarget, is_segment, missing_parts
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.left_parts import LeftPart
from tformer.documents.limits import TextLimit
from tformer.documents.segments import Segment, SegmentState, render
from tformer.model.errors import InputError

# Inline elements around words. All others stand alone, with what is in them: native code.
_AROUND = {"g", "mrk", "pc"}

# Elements that begin or end markup around words, with the attributes by which they know each other.
_BEGINS = {"bpt": ("rid", "id"), "bx": ("rid", "id"), "sc": ("id",), "sm": ("id",)}
_ENDS = {"ept": ("rid", "id"), "ex": ("rid", "id"), "ec": ("startRef",), "em": ("startRef",)}

_BREAK = re.compile(r"<br\b|line[_-]?break|xlf:lb|\\n", re.IGNORECASE)
_PAIRED = re.compile(r"(START|CLOSE)_(\w+?)(?:_\d+)?")

_NOT_YET = {"", "new", "initial", "needs-translation"}
_DONE = {"final", "signed-off", "reviewed"}


def open_xliff(data: bytes, name: str) -> TextDocument:
    """Read XLIFF; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is not well-formed XML, or not XLIFF.
    """
    source = decode(data, name, xml.declared_encoding)
    return checked(
        TextDocument(
            source,
            lambda text: _slots(text, name),
            xml.reference,
            declares=lambda text: _declares(xml.scan(text, name)),
            skeleton=lambda text: _sources(text, name),
            labels=lambda text, language: _labels(xml.scan(text, name), language),
        )
    )


def _declares(tokens: Sequence[Token]) -> DocumentLanguages:
    """The languages of the first file, and those of other files and of single units."""
    found: list[tuple[str | None, str | None]] = []
    root: Mapping[str, str] = {}
    for token in tokens:
        if token.name in ("xliff", "file") and token.kind is TokenKind.OPEN:
            says = {**root, **token.attributes}
            root = root or says
            source = says.get("source-language") or says.get("srcLang")
            found.append((source, says.get("target-language") or says.get("trgLang")))
    for position in _texts_of_units(tokens):
        own = tokens[position].attributes.get("xml:lang") or None
        found.append((None, own) if tokens[position].name == "target" else (own, None))
    named = [DocumentLanguages(*pair) for pair in dict.fromkeys(found) if any(pair)]
    return replace(named[0], others=tuple(named[1:])) if named else DocumentLanguages()


def _texts_of_units(tokens: Sequence[Token]) -> Iterator[int]:
    """Positions of sources and targets, without those of proposals (`alt-trans`, `match`)."""
    proposals = 0
    for position, token in enumerate(tokens):
        if token.name in ("alt-trans", "match"):
            proposals += {TokenKind.OPEN: 1, TokenKind.CLOSE: -1}.get(token.kind, 0)
        elif token.name in _TEXTS and token.kind in _BEGINNINGS and not proposals:
            yield position


_TEXTS = {"source", "seg-source", "target"}
_BEGINNINGS = (TokenKind.OPEN, TokenKind.EMPTY)


def _with_spaces(tokens: Sequence[Token]) -> set[int]:
    """Positions of the tags within which white space is kept as it is."""
    found: set[int] = set()
    kept = [False]
    for position, token in enumerate(tokens):
        if token.kind is TokenKind.OPEN:
            said = token.attributes.get("xml:space")
            kept.append(kept[-1] if said is None else said == "preserve")
            if kept[-1]:
                found.add(position)
        elif token.kind is TokenKind.CLOSE:
            kept.pop()
    return found


def _labels(tokens: Sequence[Token], language: str) -> Iterator[Edit]:
    """The target language of every file, or in XLIFF 2 of all, where it is not said."""
    root = next(token for token in tokens if token.kind is TokenKind.OPEN)
    is_2 = root.attributes.get("version", "").startswith("2")
    name, element = ("trgLang", "xliff") if is_2 else ("target-language", "file")
    for token in tokens:
        if (
            token.kind is TokenKind.OPEN
            and token.name == element
            and not token.attributes.get(name)
        ):
            yield Edit(token.start, token.end, xml.with_attribute(token.raw, name, language))


def _sources(text: str, name: str) -> list[tuple[str, str, list[str]]]:
    """Sources of the units of a file, with the markup in them."""
    segments = [unit.segment() for unit in _units(xml.scan(text, name), name)]
    return [
        (each.id, each.text, [f"{i.opening}|{i.closing}" for i in each.inlines.values()])
        for each in segments
    ]


def _slots(text: str, name: str) -> Iterator[Slot | LeftPart]:
    tokens = xml.scan(text, name)
    for unit in _units(tokens, name):
        yield Slot(unit.segment(), unit.edits)
        yield from unit.left_parts()
        if divided := unit.divided():
            yield from missing_parts(divided)


def _units(tokens: Sequence[Token], name: str) -> Iterator[_XliffUnit]:
    root = next(token for token in tokens if token.kind in (TokenKind.OPEN, TokenKind.EMPTY))
    version = root.attributes.get("version", "")
    if root.name != "xliff" or not version.startswith(("1.", "2.")):
        raise InputError(f"{name}: not XLIFF 1 or 2: the first element is {root.raw[:60]!r}")
    units = _Units(tokens, name)
    yield from units.of_version_1() if version.startswith("1.") else units.of_version_2()


@dataclass(frozen=True)
class _XliffUnit:
    """A source and its target, as places in the tokens."""

    tokens: Sequence[Token]
    id: str
    source: int
    target: int | None
    after: int
    """Behind what a missing target goes."""
    state: SegmentState
    mark: tuple[str, str]
    """The attribute that says what a machine made, and its value."""
    marked: int | None
    """The tag that has it; None for the target itself."""
    approved: int | None = None
    """The tag that says that a person approved of the target."""
    keeps_space: bool = False
    """True if the white space of the source is to be kept (`xml:space`)."""
    limit: TextLimit | None = None
    """Length that the target may have."""

    def divided(self) -> PartedTarget | None:
        """The unit with its segments, if some of them may have a translation."""
        if self.target is None or self.state is SegmentState.NEW or self.marked is not None:
            return None
        marks = [(self.target, *self.mark)]
        if self.approved is not None:
            marks.append((self.approved, "approved", "no"))

        def part(position: int, number: str) -> Segment:
            content = self._content(position)
            return content.build(f"{self.id}/{number}", target="", state=SegmentState.NEW)

        return PartedTarget(self.tokens, self.source, self.target, marks, part)

    def left_parts(self) -> Iterator[LeftPart]:
        """Texts within native code, such as the alternative text of a picture."""
        for inside in xml.within(self.tokens, self.source, "sub"):
            text = "".join(t.text for t in inside if t.kind is TokenKind.TEXT)
            yield LeftPart(inside[0].start, inside[-1].end, "it stands within native code", text)

    def segment(self) -> Segment:
        content = self._content(self.source)
        segment = content.build(self.id, target=self._target_text(), state=self.state)
        return replace(segment, limit=self.limit)

    def _content(self, source: int) -> Builder:
        builder = Builder(xml.escape, breaks=True)
        position = source + 1
        end = xml.end_of(self.tokens, source) - 1
        parted = {
            xml.end_of(self.tokens, place) - 1
            for place in range(position, end)
            if _begins_segment(self.tokens[place])
        }
        while position < end:
            token = self.tokens[position]
            behind = position + 1
            if token.kind is TokenKind.TEXT:
                for text, is_return in xml.at_returns(token):
                    if is_return:
                        builder.alone(text, "\n", divides=True)
                    else:
                        builder.text(text if self.keeps_space else _WRAPPED.sub(" ", text))
            elif token.kind is TokenKind.CLOSE and position in parted:
                builder.alone(token.raw, divides=True)
            elif token.kind is TokenKind.CLOSE:
                builder.close(token.name, token.raw)
            elif token.kind is not TokenKind.OTHER:
                behind = self._add(builder, position)
            elif token.raw.startswith("<?"):
                builder.alone(token.raw)
            position = behind
        return builder

    def _add(self, builder: Builder, position: int) -> int:
        """Add an element, or its beginning; returns what stands behind it."""
        token = self.tokens[position]
        behind = self._end_of_protected(position)
        says = token.attributes
        if behind:
            shown = "".join(
                t.text for t in self.tokens[position:behind] if t.kind is TokenKind.TEXT
            )
            builder.alone(self._raw(position, behind), shown)
            return behind
        if token.kind is TokenKind.OPEN and token.name in _AROUND:
            if _begins_segment(token):
                builder.alone(token.raw, divides=True)
            else:
                builder.open(token.name, token.raw)
            return position + 1
        behind = xml.end_of(self.tokens, position)
        raw = self._raw(position, behind)
        pair = _PAIRED.fullmatch(says.get("id", "")) if token.name in ("x", "ph") else None
        if (pair and pair[1] == "START") or token.name in _BEGINS:
            name = pair[2] if pair else _partner(says, _BEGINS[token.name])
            builder.open(f" {name}", raw)
        elif pair or token.name in _ENDS:
            name = pair[2] if pair else _partner(says, _ENDS[token.name])
            builder.close(f" {name}", raw)
        else:
            breaks = says.get("ctype") == "lb" or (
                bool(_BREAK.search(html.unescape(raw)))
                and not says.get("ctype", "x-").startswith("x-html")
            )
            builder.alone(raw, "\n" if breaks else "", divides=breaks or None)
        return behind

    def _raw(self, start: int, end: int) -> str:
        return "".join(token.raw for token in self.tokens[start:end])

    def _end_of_protected(self, position: int) -> int | None:
        """End of a range that is not for translation, if one begins here."""
        token = self.tokens[position]
        says = token.attributes
        if says.get("translate") != "no" and says.get("mtype") != "protected":
            return None
        if token.kind is TokenKind.OPEN:
            return xml.end_of(self.tokens, position)
        for place in range(position, len(self.tokens)):
            if self.tokens[place].name == "em" and (
                self.tokens[place].attributes.get("startRef") == says.get("id")
            ):
                return xml.end_of(self.tokens, place)
        return None

    def edits(self, text: str) -> Iterator[Edit]:
        inner = render(self.segment(), text, xml.escape)
        if self.marked is not None:
            yield self._with_attribute(self.marked, *self.mark)
        if self.approved is not None:
            yield self._with_attribute(self.approved, "approved", "no")
        if self.target is None:
            yield self._new_target(inner)
            return
        first = self.tokens[self.target]
        last = self.tokens[xml.end_of(self.tokens, self.target) - 1]
        opening = (
            first.raw if self.marked is not None else xml.with_attribute(first.raw, *self.mark)
        )
        if first is last:
            opening = f"{opening.removesuffix('/>').rstrip()}>"
        yield Edit(first.start, last.end, f"{opening}{inner}</{self._name()}>")

    def _target_text(self) -> str:
        if self.target is None:
            return ""
        end = xml.end_of(self.tokens, self.target)
        return "".join(t.text for t in self.tokens[self.target : end] if t.kind is TokenKind.TEXT)

    def _name(self) -> str:
        """That of a target, with the prefix that the source has."""
        written = self.tokens[self.source].raw[1:].split(">")[0].split()[0].rstrip("/")
        return written.removesuffix("source").removesuffix("seg-") + "target"

    def _with_attribute(self, position: int, name: str, value: str) -> Edit:
        tag = self.tokens[position]
        return Edit(tag.start, tag.end, xml.with_attribute(tag.raw, name, value))

    def _new_target(self, inner: str) -> Edit:
        opening = f"<{self._name()}>"
        if self.marked is None:
            opening = xml.with_attribute(opening, *self.mark)
        before = self.tokens[self.source - 1]
        indent = before.raw if before.kind is TokenKind.TEXT and not before.raw.strip() else ""
        at = self.tokens[self.after - 1].end
        return Edit(at, at, f"{indent}{opening}{inner}</{self._name()}>")


_WRAPPED = re.compile(r"[ \t]*\r?\n[ \t]{2,}")
"""A line break that only indents what follows."""


def _begins_segment(token: Token) -> bool:
    return token.kind is TokenKind.OPEN and is_segment(token)


def _partner(attributes: Mapping[str, str], names: Sequence[str]) -> str:
    """Key that the beginning and the end of markup have in common."""
    return next((attributes[name] for name in names if name in attributes), "")


class _Units:
    """Finds the units of a file."""

    def __init__(self, tokens: Sequence[Token], name: str) -> None:
        self._tokens = tokens
        self._name = name
        self._with_spaces = _with_spaces(tokens)
        self._limits = limits_of(tokens)

    def of_version_1(self) -> Iterator[_XliffUnit]:
        for position in self._translatable("trans-unit"):
            found = self._by_name(position)
            source, target = found.get("source"), found.get("target")
            if source is None:
                raise self._without_source(position)
            unit = self._tokens[position]
            stated = self._tokens[target].attributes.get("state", "") if target else ""
            done = unit.attributes.get("approved") == "yes" or stated in _DONE | {"translated"}
            yield _XliffUnit(
                self._tokens,
                unit.attributes.get("id", ""),
                found.get("seg-source", source),
                target,
                xml.end_of(self._tokens, found.get("seg-source", source)),
                self._state(target, stated, done or stated == ""),
                ("state", "needs-review-translation"),
                None,
                position if unit.attributes.get("approved") == "yes" else None,
                found.get("seg-source", source) in self._with_spaces,
                self._limits.get(position),
            )

    def of_version_2(self) -> Iterator[_XliffUnit]:
        for position in self._translatable("unit"):
            unit = self._tokens[position].attributes.get("id", "")
            for number, inner in enumerate(xml.children(self._tokens, position), start=1):
                segment = self._tokens[inner]
                if segment.name != "segment":
                    continue
                found = self._by_name(inner)
                source, target = found.get("source"), found.get("target")
                if source is None:
                    raise self._without_source(inner)
                stated = segment.attributes.get("state", "initial")
                yield _XliffUnit(
                    self._tokens,
                    f"{unit}/{segment.attributes.get('id', number)}",
                    source,
                    target,
                    xml.end_of(self._tokens, source),
                    self._state(target, stated, stated in _DONE),
                    ("state", "translated"),
                    inner,
                    keeps_space=source in self._with_spaces,
                    limit=self._limits.get(inner),
                )

    def _translatable(self, name: str) -> Iterator[int]:
        """Offsets of the elements of a name that are to be translated."""
        says = [True]
        for position, token in enumerate(self._tokens):
            if token.kind is TokenKind.OPEN:
                said = token.attributes.get("translate")
                says.append(says[-1] if said is None else said == "yes")
                if token.name == name and says[-1]:
                    yield position
            elif token.kind is TokenKind.CLOSE:
                says.pop()

    def _by_name(self, position: int) -> dict[str, int]:
        found: dict[str, int] = {}
        for inner in xml.children(self._tokens, position):
            found.setdefault(self._tokens[inner].name, inner)
        return found

    def _state(self, target: int | None, stated: str, done: bool) -> SegmentState:
        has_text = target is not None and any(
            token.kind is TokenKind.TEXT and token.raw.strip()
            for token in self._tokens[target : xml.end_of(self._tokens, target)]
        )
        if not has_text or (stated in _NOT_YET - {"", "initial"}):
            return SegmentState.NEW
        return SegmentState.TRANSLATED if done else SegmentState.REVIEW

    def _without_source(self, position: int) -> InputError:
        token = self._tokens[position]
        line = "".join(t.raw for t in self._tokens[:position]).count("\n") + 1
        return InputError(f"{self._name}:{line}: not XLIFF: a {token.name} without a source")
