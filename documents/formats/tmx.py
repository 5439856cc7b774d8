"""TMX 1.1 to 1.4: every unit that is said in the source language is a segment.

Of the variants of a unit, one is the source and one the target. Targets that are there are kept;
what is translated anew goes into an empty variant of the target language or makes one, and the
variant is marked with tformer's name, as `changeid` or as `creationid`, until a person's tool
writes another one there. Variants in further languages stay as they are.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument, checked
from tformer.documents.io import xml
from tformer.documents.io.encoding import decode
from tformer.documents.io.xml import Token, TokenKind
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Segment, SegmentState, render
from tformer.model.errors import InputError
from tformer.model.text.normalization import same_language

MACHINE = "tformer"
"""Author of a variant that no person has seen."""

ANY_LANGUAGE = "*all*"
"""Source language in a header when every unit has its own."""


_WRAPPED = re.compile(r"[ \t]*\r?\n[ \t]{2,}")
"""Pattern of a line break that only indents what follows."""


def open_tmx(data: bytes, name: str, target: str | None = None) -> TextDocument:
    """Read TMX; see `tformer.documents.registry.open_document`.

    Args:
        data: the file.
        name: what to call it in a message.
        target: the language to translate into; None for the one other language of the file.

    Raises:
        InputError: it is not well-formed XML, not TMX, or does not tell the target language.
    """
    source = decode(data, name, xml.declared_encoding)
    return checked(
        TextDocument(
            source,
            lambda text: _slots(text, name, target),
            xml.reference,
            declares=lambda text: _declares(text, name),
        )
    )


def _declares(text: str, name: str) -> DocumentLanguages:
    """The source language of the header."""
    said = _TmxReader(xml.scan(text, name), name).source_language
    return DocumentLanguages(None if said == ANY_LANGUAGE else said)


def _slots(text: str, name: str, target: str | None) -> Iterator[Slot | LeftPart]:
    reader = _TmxReader(xml.scan(text, name), name)
    units = [unit for unit in reader.units() if unit]
    written = _target_language(reader.source_language, units, target, name)
    for number, variants in enumerate(units, start=1):
        if unit := _unit(reader, variants, written, number):
            yield Slot(unit.segment(), unit.edits)
            for inside in xml.within(reader.tokens, unit.source.seg, "sub"):
                text_of_code = "".join(t.text for t in inside if t.kind is TokenKind.TEXT)
                reason = "it stands within native code"
                yield LeftPart(inside[0].start, inside[-1].end, reason, text_of_code)


@dataclass(frozen=True)
class _Variant:
    """A `tuv`, as places in the tokens."""

    language: str
    start: int
    """Its first tag."""
    seg: int
    """The first tag of its segment."""
    unit_id: str
    unit_source: str
    """The language that its unit names as the source; "" if it names none."""


def _target_language(
    source: str, units: Sequence[Sequence[_Variant]], target: str | None, name: str
) -> str:
    """The target language, as the file spells it if it does."""
    spelled = dict.fromkeys(v.language for variants in units for v in variants)
    if target is not None:
        return next((code for code in spelled if same_language(code, target)), target)
    others = [code for code in spelled if not same_language(code, source)]
    if source == ANY_LANGUAGE and units:
        others = [code for code in spelled if code != units[0][0].language]
    if len(others) == 1 or not units:
        return others[0] if others else ""
    there = f"holds {', '.join(others)}" if others else f"is all in {source}"
    raise InputError(f"{name}: {there}: name the language to translate into")


@dataclass(frozen=True)
class _TmxUnit:
    """A source and its target."""

    tokens: Sequence[Token]
    id: str
    source: _Variant
    target: _Variant | None
    language: str
    """Target language."""

    def segment(self) -> Segment:
        builder = Builder(xml.escape, breaks=True)
        for token in _contents(self.tokens, self.source.seg):
            if token.kind is TokenKind.TEXT:
                for text, is_return in xml.at_returns(token):
                    if is_return:
                        builder.alone(text, "\n", divides=True)
                    else:
                        builder.text(_WRAPPED.sub(" ", text))
            elif token.name in ("hi", "bpt") and token.kind is TokenKind.OPEN:
                builder.open(_pair(token), token.raw)
            elif token.name in ("hi", "ept") and token.kind is TokenKind.CLOSE:
                builder.close(_pair(token), token.raw)
            elif token.kind is not TokenKind.OTHER:
                builder.alone(token.raw)
        target = "" if self.target is None else text_of(self.tokens, self.target.seg)
        return builder.build(self.id, target=target, state=self._state())

    def edits(self, text: str) -> Iterator[Edit]:
        inner = render(self.segment(), text, xml.escape)
        if self.target is None:
            yield self._new_target(inner)
            return
        variant = self.tokens[self.target.start]
        marked = xml.with_attribute(variant.raw, "changeid", MACHINE)
        yield Edit(variant.start, variant.end, marked)
        first = self.tokens[self.target.seg]
        last = self.tokens[xml.end_of(self.tokens, self.target.seg) - 1]
        opening = f"{first.raw.removesuffix('/>').rstrip()}>" if first is last else first.raw
        yield Edit(first.start, last.end, f"{opening}{inner}</{_written_name(first)}>")

    def _state(self) -> SegmentState:
        if self.target is None or _is_blank(self.tokens, self.target.seg):
            return SegmentState.NEW
        says = self.tokens[self.target.start].attributes
        by = says.get("changeid") or says.get("creationid")
        return SegmentState.REVIEW if by == MACHINE else SegmentState.TRANSLATED

    def _new_target(self, inner: str) -> Edit:
        """A variant behind that of the source, written as that one is."""
        first = self.tokens[self.source.start]
        tuv, seg = _written_name(first), _written_name(self.tokens[self.source.seg])
        attribute = "xml:lang" if "xml:lang" in first.attributes else "lang"
        before = self.tokens[self.source.start - 1]
        indent = before.raw if before.kind is TokenKind.TEXT and not before.raw.strip() else ""
        at = self.tokens[xml.end_of(self.tokens, self.source.start) - 1].end
        language = xml.escape(self.language).replace('"', "&quot;")
        opening = f'<{tuv} {attribute}="{language}" creationid="{MACHINE}">'
        return Edit(at, at, f"{indent}{opening}<{seg}>{inner}</{seg}></{tuv}>")


def _contents(tokens: Sequence[Token], seg: int) -> Iterator[Token]:
    """Tokens of a segment; an element of native code is one token, its tags included."""
    end = xml.end_of(tokens, seg) - 1
    position = seg + 1
    while position < end:
        token, behind = tokens[position], position + 1
        if token.kind is TokenKind.OPEN and token.name != "hi":
            behind = xml.end_of(tokens, position)
            raw = "".join(t.raw for t in tokens[position:behind])
            kind = {"bpt": TokenKind.OPEN, "ept": TokenKind.CLOSE}.get(token.name, TokenKind.EMPTY)
            token = Token(kind, token.name, raw, token.start, token.attributes)
        elif token.kind is TokenKind.EMPTY and token.name in ("bpt", "ept"):
            kind = TokenKind.OPEN if token.name == "bpt" else TokenKind.CLOSE
            token = Token(kind, token.name, token.raw, token.start, token.attributes)
        yield token
        position = behind


def text_of(tokens: Sequence[Token], seg: int) -> str:
    """Text of a segment, without native code."""
    return "".join(t.text for t in _contents(tokens, seg) if t.kind is TokenKind.TEXT)


def _is_blank(tokens: Sequence[Token], seg: int) -> bool:
    """Return whether a segment has neither text nor code in it."""
    return all(t.kind is TokenKind.OTHER or not t.raw.strip() for t in _contents(tokens, seg))


def _pair(token: Token) -> str:
    """Key that an opening and its closing have in common."""
    return "hi" if token.name == "hi" else f"pt {token.attributes.get('i', '')}"


def _written_name(token: Token) -> str:
    """The name of an element with its prefix."""
    return token.raw[1:].rstrip("/>").split()[0].split(">")[0]


def _unit(
    reader: "_TmxReader", variants: Sequence[_Variant], target: str, number: int
) -> _TmxUnit | None:
    """A unit with its source and target told apart; None if it has no source."""
    stated = variants[0].unit_source or reader.source_language
    others = [v for v in variants if not same_language(v.language, target)]
    if stated == ANY_LANGUAGE:
        source = next(iter(others), None)
    else:
        source = next((v for v in others if same_language(v.language, stated)), None)
    if source is None:
        return None
    made = next((v for v in variants if same_language(v.language, target)), None)
    return _TmxUnit(reader.tokens, source.unit_id or str(number), source, made, target)


class _TmxReader:
    """Finds the units of a file."""

    def __init__(self, tokens: Sequence[Token], name: str) -> None:
        self.tokens = tokens
        self._name = name
        root = next(token for token in tokens if token.kind in (TokenKind.OPEN, TokenKind.EMPTY))
        if root.name != "tmx":
            raise InputError(f"{name}: not TMX: the first element is {root.raw[:60]!r}")
        header = next((token for token in tokens if token.name == "header"), None)
        if header is None or not header.attributes.get("srclang"):
            raise InputError(f"{name}: not TMX: no header that names a source language (srclang)")
        self.source_language = header.attributes["srclang"]

    def units(self) -> Iterator[list[_Variant]]:
        """The variants of every unit."""
        for position, token in enumerate(self.tokens):
            if token.name != "tu" or token.kind not in (TokenKind.OPEN, TokenKind.EMPTY):
                continue
            variants = list(self._variants(position))
            if not variants:
                raise self._error(position, "a tu without a tuv")
            yield variants

    def _variants(self, unit: int) -> Iterator[_Variant]:
        says = self.tokens[unit].attributes
        for start in xml.children(self.tokens, unit):
            if self.tokens[start].name != "tuv":
                continue
            own = self.tokens[start].attributes
            language = own.get("xml:lang") or own.get("lang")
            if not language:
                raise self._error(start, "a tuv without a language (xml:lang)")
            places = xml.children(self.tokens, start)
            seg = next((at for at in places if self.tokens[at].name == "seg"), None)
            if seg is None:
                raise self._error(start, "a tuv without a seg")
            yield _Variant(language, start, seg, says.get("tuid", ""), says.get("srclang", ""))

    def _error(self, position: int, what: str) -> InputError:
        line = "".join(t.raw for t in self.tokens[:position]).count("\n") + 1
        return InputError(f"{self._name}:{line}: not TMX: {what}")
