"""Apple's string catalogues (.xcstrings): what a language lacks is filled in, marked for review.

A string is a segment: its text, or all of its variants (plural, device), which are translated one
by one. It is written as its source is, with the same variants.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument, checked
from tformer.documents.formats.strings import is_technical
from tformer.documents.io.encoding import decode
from tformer.documents.io.json_nodes import JsonNode, nodes_of
from tformer.documents.segments import Segment, SegmentState, parts, render
from tformer.model.errors import InputError
from tformer.model.text.normalization import same_language

_BETWEEN = ""
"""Source in the file of what stands between two variants in a segment: they stand apart there."""


def open_xcstrings(data: bytes, name: str, target: str | None = None) -> TextDocument:
    """Read a string catalogue; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is not JSON, or not a catalogue.
    """
    source = decode(data, name)
    try:
        catalogue = json.loads(source.text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{name}: not a string catalogue: {error}") from error
    if not isinstance(catalogue, dict) or not isinstance(catalogue.get("strings"), dict):
        raise InputError(f"{name}: not a string catalogue: it has no strings")
    own = str(catalogue.get("sourceLanguage", "en"))
    return checked(
        TextDocument(
            source,
            lambda text: _slots(text, own, target),
            declares=lambda _: DocumentLanguages(own),
        )
    )


def _slots(text: str, source: str, target: str | None) -> Iterator[Slot]:
    root = nodes_of(text)
    strings = root["strings"]
    for key, entry in strings.members.items() if strings else ():
        says = entry["shouldTranslate"]
        localizations = entry["localizations"]
        known = dict(localizations.members) if localizations else {}
        language = target or next((code for code in known if code != source), None)
        if language is None or (says and says.raw == "false") or not entry.raw.startswith("{"):
            continue
        code = next((code for code in known if same_language(code, language)), language)
        if not same_language(code, source):
            string = _CatalogString(text, key, entry, known.get(source), known.get(code), code)
            yield from string.slot()


@dataclass(frozen=True)
class _CatalogString:
    """A string of a catalogue."""

    text: str
    key: str
    entry: JsonNode
    source: JsonNode | None
    target: JsonNode | None
    language: str

    def slot(self) -> Iterator[Slot]:
        """The slot of the string, if it has words."""
        values = [_value(unit) for unit in _units(self.source)] or [self.key]
        if all(is_technical(self.key, value) for value in values):
            return
        segment = self._segment(values)
        if segment.has_words:
            yield Slot(segment, lambda text: [self._edit(segment, text)])

    def _segment(self, values: Sequence[str]) -> Segment:
        there = _units(self.target)
        target = "\n".join(_value(unit) for unit in there)
        state = SegmentState.NEW
        if target.strip():
            waits = {"needs_review", "new"} & {_state(unit) for unit in there}
            state = SegmentState.REVIEW if waits else SegmentState.TRANSLATED
        builder = Builder(breaks=True)
        for number, value in enumerate(values):
            if number:
                builder.alone(_BETWEEN, "\n", divides=True)
            builder.text(value)
        segment = builder.build(self.key, target=target, state=state, context=self.key)
        assert sum(_is_between(segment, part) for part in parts(segment.text)) >= len(values) - 1
        return segment

    def _edit(self, segment: Segment, text: str) -> Edit:
        localization = self._localization(segment, text)
        if self.target:
            return Edit(self.target.start, self.target.end, localization)
        member = f"{json.dumps(self.language)} : {localization}"
        localizations = self.entry["localizations"]
        if localizations:
            return self._added(localizations, member)
        inside = member.replace("\n", "\n  ")
        return self._added(self.entry, f'"localizations" : {{\n  {inside}\n}}')

    def _added(self, node: JsonNode, member: str) -> Edit:
        """A member at the end of an object, indented as the others are."""
        last = max((m.end for m in node.members.values()), default=node.start + 1)
        margin = _margin(self.text, node.start)
        lines = (
            ("," if node.members else "") + f"\n{margin}  " + member.replace("\n", f"\n{margin}  ")
        )
        end = last if node.members else node.end - 1
        return Edit(last, end, lines if node.members else f"{lines}\n{margin}")

    def _localization(self, segment: Segment, text: str) -> str:
        """The localization of the source, with the translated texts."""
        pieces = _pieces(segment, text)
        units = _units(self.source)
        if not units or not self.source:
            return (
                '{\n  "stringUnit" : {\n    "state" : "needs_review",\n    "value" : '
                f"{json.dumps(pieces[0], ensure_ascii=False)}\n  }}\n}}"
            )
        raw, shift = self.source.raw, self.source.start
        for unit, piece in reversed(list(zip(units, pieces, strict=True))):
            edits = [(unit["value"], json.dumps(piece, ensure_ascii=False))]
            edits.append((unit["state"], '"needs_review"'))
            for node, new in sorted(edits, key=lambda edit: -(edit[0].start if edit[0] else 0)):
                if node:
                    raw = raw[: node.start - shift] + new + raw[node.end - shift :]
        margin = _margin(self.text, self.source.start)
        return raw if self.target else raw.replace(f"\n{margin}", "\n")


def _units(localization: JsonNode | None) -> list[JsonNode]:
    """The units with a value, at any depth, in their order."""
    if localization is None:
        return []
    found = []
    for key, node in localization.members.items():
        if key == "stringUnit":
            found += [node] if node["value"] else []
        else:
            found += _units(node)
    return found


def _value(unit: JsonNode) -> str:
    value = unit["value"]
    return (value.string or "") if value else ""


def _state(unit: JsonNode) -> str:
    state = unit["state"]
    return (state.string or "") if state else ""


def _is_between(segment: Segment, part: object) -> bool:
    number = getattr(part, "number", None)
    return number is not None and segment.inlines[number].opening == _BETWEEN


def _pieces(segment: Segment, text: str) -> list[str]:
    """The texts of the variants of a translation."""
    pieces = [""]
    for part in parts(text):
        if _is_between(segment, part):
            pieces.append("")
        else:
            pieces[-1] += str(part)
    return [render(segment, piece, str) for piece in pieces]


def _margin(text: str, position: int) -> str:
    """The indentation of the line of a position."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    match = re.match(r"[ \t]*", line)
    return match[0] if match else ""
