"""Language codes: BCP-47 for people, and what models call the same languages.

bcp47_codes(["eng_Latn", "zho_Hans"])     # {"en": "eng_Latn", "zh-Hans": "zho_Hans"}
closest("deu_Latn", ["en", "de"])         # "de"
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

_TAGS = re.compile(r">>(?P<marian>[\w-]+)<<|<2(?P<t5>[\w-]+)>|__(?P<m2m>[a-z]{2,3})__")


def tag_code(token: str) -> str | None:
    """The code in a token that asks for a language: ``>>fr<<``, ``<2fr>`` or ``__fr__``."""
    found = _TAGS.fullmatch(token)
    return next(group for group in found.groups() if group) if found else None


def bcp47_codes(codes: Iterable[str]) -> dict[str, str]:
    """Codes of a model by BCP-47 code, without a region where the language is there once."""
    codes = list(dict.fromkeys(codes))
    short = {code: _without_region(standard(code)) for code in codes}
    seen = Counter(short.values())
    return {_name(code, short[code], seen): code for code in codes}


def _name(code: str, short: str, seen: Counter[str]) -> str:
    if seen[short] == 1:
        return short
    longer = standard(code)
    return longer if longer != short else _unmerged(code)


@lru_cache(4096)
def standard(code: str) -> str:
    """The BCP-47 code of a language: ``de`` of ``deu``, ``deu_Latn`` or ``DE``.

    A code that is none comes back as it is.
    """
    import langcodes

    try:
        return langcodes.standardize_tag(code.replace("_XX", ""), macro=True)
    except ValueError:
        return code


def _unmerged(code: str) -> str:
    """A dialect by its own name, not by that of the language that it is counted to."""
    import langcodes

    try:
        return langcodes.standardize_tag(code.replace("_XX", ""), macro=False)
    except ValueError:
        return code


def _without_region(code: str) -> str:
    parts = code.split("-")
    return "-".join(part for n, part in enumerate(parts) if n == 0 or len(part) == 4)


def closest(wanted: str, known: Sequence[str]) -> str | None:
    """The one of ``known`` that a code means: by script and region, then without; or None."""
    if wanted in known:
        return wanted
    if not wanted or len(wanted) > 40:
        return None
    by_standard = {standard(code): code for code in reversed(known)}
    full = standard(wanted)
    for code in (full, _without_region(full), full.partition("-")[0]):
        if code in by_standard:
            return by_standard[code]
    language = full.partition("-")[0]
    alike = [code for code in known if standard(code).partition("-")[0] == language]
    scripts = [code for code in alike if _script(full) in code.split("-")]
    return scripts[0] if scripts else (alike[0] if len(alike) == 1 else None)


def _script(code: str) -> str:
    """The script that a language with a region is written in, such as Hant of zh-TW."""
    import langcodes

    return langcodes.Language.get(code).maximize().script or ""
