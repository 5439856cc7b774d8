"""First rows of tables that name languages: `en`, `German (Germany)`, `Term [de]`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tformer.model.text.languages import code_of

_LANGUAGE = re.compile(r"[a-z]{2}(?:[-_][A-Za-z0-9]{2,8})*|[A-Z]{2}(?:[-_][A-Za-z0-9]{2,8})+")
_COMMON = frozenset({"EN", "DE", "FR", "ES", "IT", "NL", "PL", "PT", "RU", "ZH", "JA"})
"""Codes that may be in capitals; others are more often abbreviations, such as AI or IT."""

_NOTES = ("notes", "note", "comment", "comments", "description", "definition", "bemerkung")
_KEYS = ("id", "key", "no", "no.", "nr", "nr.", "#", "number")
_SOURCES = (
    "source", "source term", "source text", "source phrase", "src", "term", "original", "from",
    "quelle", "quellbegriff", "quelltext", "ausgangstext", "ausgangssprache", "ausgangsbegriff",
    "terme source", "t\u00e9rmino de origen", "origen", "source language",
)  # fmt: skip
_TARGETS = (
    "target", "target term", "target text", "target phrase", "trg", "tgt", "translation", "to",
    "ziel", "zielbegriff", "zieltext", "zielsprache", "\u00fcbersetzung", "terme cible",
    "t\u00e9rmino de destino", "destino", "target language",
)  # fmt: skip

_TERMS = (
    r"(?:terms?|terminus|benennung|begriff|text|words?|value|phrase|string|name|translation"
    r"|\u00fcbersetzung)"
)
_WITH_CODE = re.compile(
    rf"(?:{_TERMS}[\s_.:/-]*[\[(]?(?P<behind>[A-Za-z]{{2}}(?:[-_][A-Za-z]{{2,4}})?)[\])]?"
    rf"|(?P<before>[A-Za-z]{{2}}(?:[-_][A-Z]{{2}})?)[\s_.:/-]+{_TERMS})",
    re.IGNORECASE,
)
_WITH_NAME = re.compile(
    rf"(?:{_TERMS}[\s_]*(?:in|auf|:|-|\(|\[)?[\s_]*)?(?P<name>[^\W\d_]{{4,}})(?P<rest>(?:[\W_].*)?)",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"(?:id|no|nr|pos|info|type|status|gender|context|example|usage|author|date|image|url|tags?|"
    r"(?:part|case)\w*|speech|subject|domain|desc\w*|def\w*|notes?|comments?|kommentar|bemerkung|"
    r"abbrev\w*|synonyms?|forbidden|translatable|reference|source)",
    re.IGNORECASE,
)
"""Words of columns that tell something of a term."""


@dataclass(frozen=True)
class Columns:
    """Columns and languages of a table."""

    source: int = 0
    target: int = 1
    notes: int = 2
    source_language: str | None = None
    target_language: str | None = None
    languages: tuple[tuple[int, str], ...] = ()
    """Every column that is named by a language, where there are more than two."""


def language_of(label: str) -> str | None:
    """The language that the name of a column stands for; None if it is that of something else."""
    label = label.strip().strip("\ufeff")
    if _LANGUAGE.fullmatch(label):
        return label if code_of(label) else None
    if label.isupper() and len(label) == 2:
        return label.lower() if label in _COMMON else None
    if len(label) > 3 and (code := code_of(label)):
        return code
    if match := _WITH_CODE.fullmatch(label):
        return code_of(match["behind"] or match["before"])
    match = _WITH_NAME.fullmatch(label)
    if match and not any(_ABOUT.fullmatch(word) for word in re.split(r"[\W\d_]+", match["rest"])):
        return code_of(match["name"])
    return None


def header(cells: Sequence[str]) -> Columns | None:
    """Columns of a header row, if there is one."""
    names = [" ".join(re.split(r"[\s_]+", c.strip().lower().strip("\ufeff"))) for c in cells]
    notes = next((names.index(name) for name in _NOTES if name in names), 2)
    found = _header_of_languages(cells, names, notes)
    source = next((names.index(name) for name in _SOURCES if name in names), None)
    target = next((names.index(name) for name in _TARGETS if name in names), None)
    if source is not None and target is not None:
        return Columns(source, target, notes)
    return found


def _header_of_languages(cells: Sequence[str], names: Sequence[str], notes: int) -> Columns | None:
    """Columns of a row of languages; None if a cell is something else."""
    found = [(at, code) for at, cell in enumerate(cells) if (code := language_of(cell))]
    if len(found) > 2 and names[found[0][0]] in _KEYS:
        found = found[1:]
    others = set(names) - {names[at] for at, _ in found} - {*_KEYS, *_NOTES, ""}
    if len(found) < 2 or len({code for _, code in found}) < len(found):
        return None
    if others and found[1][0] != 1 and not any(map(_is_about_a_term, names)):
        return None
    first, second = found[:2]
    if notes == 2:
        taken = {at for at, _ in found}
        notes = next((at for at in range(len(cells)) if at > second[0] and at not in taken), 99)
    several = tuple(found) if len(found) > 2 else ()
    return Columns(first[0], second[0], notes, first[1], second[1], several)


def _is_about_a_term(name: str) -> bool:
    """Return whether a name is one that only a header has."""
    words = re.split(r"[\W\d_]+", name)
    return name in _SOURCES + _NOTES + _KEYS or any(map(_ABOUT.fullmatch, words))
