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

from tformer.documents.io.tables import Columns, Row, read_csv, read_tsv
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
        languages = columns.source_language, columns.target_language
        yield Entry(row.source, row.target, *languages, row.notes)


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
}


def _of_tbx(data: bytes, name: str) -> Iterator[Entry]:
    found = elements(
        data, name, roots={"martif", "tbx", "TBX"}, wanted={"termEntry", "conceptEntry"}
    )
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
        if section.tag not in ("langSet", "langSec"):
            continue
        language = section.get("xml:lang")
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
        kind = element.get("type") if element.tag == "termNote" else element.tag
        if kind in ("administrativeStatus", "normativeAuthorization"):
            return _RANKS.get((element.text or "").strip().partition("-")[0], 1)
    return 1


def _note(concept: Element) -> str:
    for element in concept.iter():
        if element.tag in ("note", "definition") or element.get("type") == "definition":
            return " ".join("".join(element.itertext()).split())
    return ""
