"""Translation memories in files: TMX and TSV."""

import re
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from xml.etree.ElementTree import Element

from tformer.documents.io.tables import read_tsv
from tformer.documents.io.xml_elements import LocatedElement, elements
from tformer.documents.registry import read_bytes
from tformer.model.errors import InputError
from tformer.model.terms.translation_memory import Unit

_ALONE = frozenset({"br", "it", "ph", "ut", "x"})
"""Native code that is no end of a pair."""

MOST_VARIANTS = 100
"""Languages of one unit of TMX, at most; each is paired with each."""


def read_memory(path: Path) -> list[Unit]:
    """Read a translation memory; what it is, its suffix says: .tmx or .tsv.

    TMX is of use in all directions between its languages. Of TSV, rows without a translation are
    left out; see `tformer.documents.io.tables` for its header.

    Raises:
        InputError: it cannot be read or is malformed, with the line.
    """
    suffix = path.suffix.lower()
    if suffix not in (".tmx", ".tsv"):
        raise InputError(f"{path}: a translation memory ends in .tmx or .tsv")
    data = read_bytes(path)
    return list((_of_tmx if suffix == ".tmx" else _of_tsv)(data, str(path)))


def _of_tsv(data: bytes, name: str) -> Iterator[Unit]:
    columns, every_row = read_tsv(data, name)
    rows = list(every_row)
    if rows and not any(row.target for row in rows):
        raise InputError(f"{name}: no line has a source, a tab and a translation")
    languages = columns.source_language, columns.target_language
    for row in rows:
        if row.source and row.target:
            yield Unit(row.source, row.target, *languages, name)


def _of_tmx(data: bytes, name: str) -> Iterator[Unit]:
    for unit in elements(data, name, roots={"tmx"}, wanted={"tu"}):
        variants = list(_variants(unit, name))
        if len(variants) > MOST_VARIANTS:
            raise InputError(f"{name}:{unit.line}: one unit has over {MOST_VARIANTS} variants")
        for (language, text), (other_language, other_text) in permutations(variants, 2):
            if language != other_language and text and other_text:
                yield Unit(text, other_text, language, other_language, name)


def _variants(unit: LocatedElement, name: str) -> Iterator[tuple[str, str]]:
    """Language and text of what a unit has, without native code."""
    for variant in unit.element.iterfind("tuv"):
        language = variant.get("xml:lang") or variant.get("lang")
        if not language:
            problem = "a tuv without a language (xml:lang)"
        elif (seg := variant.find("seg")) is None:
            problem = "a tuv without a seg"
        else:
            yield language, re.sub(r"\s*\n\s*", " ", "".join(_words_of(seg)).strip())
            continue
        raise InputError(f"{name}:{unit.line}: not TMX: {problem}")


def _words_of(element: Element) -> Iterator[str]:
    """Text without native code; what stands alone between two words divides them."""
    yield element.text or ""
    before = element.text or ""
    for inner in element:
        tail = inner.tail or ""
        if inner.tag in ("hi", "g", "mrk", "sub"):
            yield from _words_of(inner)
        elif inner.tag in _ALONE and before[-1:].isalnum() and tail[:1].isalnum():
            yield " "
        yield tail
        before = tail
