"""Files of terms: CSV, TSV and TBX.

TBX is read in both of its dialects, of 2008 (`martif`) and of 2019 (`tbx`), and in all directions:
what a concept is called in one language becomes what it is called in another. Preferred terms come
first; deprecated and superseded ones are found in a source but not used in a target.
"""

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from tformer.documents.io.table_headers import Columns, language_of
from tformer.documents.io.tables import Row, read_csv, read_tsv
from tformer.documents.io.xml_elements import LocatedElement, elements
from tformer.documents.registry import read_bytes
from tformer.model.errors import InputError
from tformer.model.terms.glossary import Entry

SUFFIXES = (".csv", ".tsv", ".tbx")

MOST_TERMS = 200
"""Terms of one concept of TBX, over all languages, at most; each is paired with each."""


def is_file_name(text: str) -> bool:
    """Return whether a name is that of a file of terms, not of a glossary that a server has."""
    return "/" in text or text.lower().endswith(SUFFIXES)


def read_glossary(path: Path) -> list[Entry]:
    """Read a glossary; what it is, its suffix says: .csv, .tsv or .tbx.

    Raises:
        InputError: it cannot be read or is malformed, with the line.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: a glossary ends in .csv, .tsv or .tbx")
    data = read_bytes(path)
    if suffix == ".tbx":
        return list(_of_tbx(data, str(path)))
    return list(_of_table(data, str(path), suffix))


def _of_table(data: bytes, name: str, suffix: str) -> Iterator[Entry]:
    columns, rows = (read_csv if suffix == ".csv" else read_tsv)(data, name)
    for row in rows:
        if columns.languages:
            yield from _of_row(columns, row)
            continue
        for side, term in (("source", row.source), ("target", row.target)):
            if not term:
                raise InputError(f"{name}:{row.line}: the {side} of a term is missing")
        yield Entry(row.source, row.target, *_languages_of(columns, row))


def _languages_of(columns: Columns, row: Row) -> tuple[str | None, str | None, str]:
    """Languages and notes of a row; a table without a header may have two codes behind a pair."""
    named = columns.source_language, columns.target_language
    if named == (None, None) and columns.notes == 2 and len(row.cells) == 4:
        codes = tuple(map(language_of, row.cells[2:]))
        if codes[0] and codes[1] and max(map(len, row.cells[2:])) < 6:
            return codes[0], codes[1], ""
    return *named, row.notes


def _of_row(columns: Columns, row: Row) -> Iterator[Entry]:
    """Entries of a row in more than two languages, in all directions; cells may be empty."""
    terms = [(code, row.cells[at]) for at, code in columns.languages if at < len(row.cells)]
    for (code, term), (other_code, other) in permutations(terms, 2):
        if term and other:
            yield Entry(term, other, code, other_code, row.notes)


# --- TBX -----------------------------------------------------------------------------------------


class _Name(NamedTuple):
    """A name of a concept."""

    language: str
    text: str
    rank: int
    """0 for a preferred term, 1 for any, 2 for one that should not be used."""


# Those of TBX of 2008, of 2019, and of TBX-Min.
_CONCEPTS = {"termEntry", "conceptEntry", "entry"}
_SECTIONS = {"langSet", "langSec", "langGroup"}
_NOTES_OF_TERMS = {"termNote", "admin"}
_STATUS = {"administrativeStatus", "normativeAuthorization", "termStatus"}

_RANKS = {
    "preferredTerm": 0,
    "preferred": 0,
    "notRecommended": 2,
    "deprecatedTerm": 2,
    "deprecated": 2,
    "supersededTerm": 2,
    "superseded": 2,
    "forbidden": 2,
    "obsolete": 2,
    "prohibited": 2,
    "rejected": 2,
    "doNotUse": 2,
    "do not use": 2,
    "not recommended": 2,
}


def _of_tbx(data: bytes, name: str) -> Iterator[Entry]:
    found = elements(data, name, roots={"martif", "tbx", "TBX"}, wanted=_CONCEPTS)
    for concept in found:
        names = sorted(_names(concept, name), key=lambda one: one.rank)
        if len(names) > MOST_TERMS:
            raise InputError(f"{name}:{concept.line}: one concept has over {MOST_TERMS} terms")
        note = _note(concept.element)
        for one, other in permutations(names, 2):
            if one.language != other.language and other.rank < 2:
                yield Entry(one.text, other.text, one.language, other.language, note)


def _names(concept: LocatedElement, name: str) -> Iterator[_Name]:
    for section in concept.element:
        if section.tag not in _SECTIONS:
            continue
        language = section.get("xml:lang") or section.get("lang")
        if not language:
            raise InputError(
                f"{name}:{concept.line}: not TBX: a {section.tag} without a language (xml:lang)"
            )
        for group in section:
            term = group.find(".//term")
            text = "".join(term.itertext()).strip() if term is not None else ""
            if text:
                yield _Name(language, text, _rank(group))


def _rank(group: Element) -> int:
    for element in group.iter():
        kind = element.get("type", "") if element.tag in _NOTES_OF_TERMS else element.tag
        if kind in _STATUS or (element.tag == "admin" and "status" in kind.lower()):
            said = (element.text or "").strip()
            return _RANKS.get(said.partition("-")[0], _RANKS.get(said.lower(), 1))
    return 1


def _note(concept: Element) -> str:
    for element in concept.iter():
        if element.tag in ("note", "definition") or element.get("type") == "definition":
            return " ".join("".join(element.itertext()).split())
    return ""
