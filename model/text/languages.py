"""Names and codes of languages, as people write them. No torch here."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES = {
    "ar": "arabic arabisch arabe ara",
    "bg": "bulgarian bulgarisch bul",
    "cs": "czech tschechisch ces cze",
    "da": "danish d\u00e4nisch dan",
    "de": "german deutsch allemand tedesco alem\u00e1n deu ger",
    "el": "greek griechisch ell gre",
    "en": "english englisch anglais inglese ingl\u00e9s eng",
    "es": "spanish spanisch espagnol espa\u00f1ol spagnolo spa",
    "et": "estonian estnisch est",
    "fi": "finnish finnisch suomi fin",
    "fr": "french franz\u00f6sisch fran\u00e7ais francese fra fre",
    "he": "hebrew hebr\u00e4isch heb",
    "hi": "hindi hin",
    "hr": "croatian kroatisch hrv",
    "hu": "hungarian ungarisch magyar hun",
    "id": "indonesian indonesisch ind",
    "it": "italian italienisch italiano italien ita",
    "ja": "japanese japanisch jpn",
    "ko": "korean koreanisch kor",
    "lt": "lithuanian litauisch lit",
    "lv": "latvian lettisch lav",
    "nl": "dutch niederl\u00e4ndisch nederlands nld dut",
    "no": "norwegian norwegisch norsk nor",
    "pl": "polish polnisch polski pol",
    "pt": "portuguese portugiesisch portugu\u00eas portugais por",
    "ro": "romanian rum\u00e4nisch ron rum",
    "ru": "russian russisch rus",
    "sk": "slovak slowakisch slk slo",
    "sl": "slovenian slovene slowenisch slv",
    "sv": "swedish schwedisch svenska swe",
    "tr": "turkish t\u00fcrkisch tur",
    "uk": "ukrainian ukrainisch ukr",
    "vi": "vietnamese vietnamesisch vie",
    "zh": "chinese chinesisch zho chi mandarin",
}
_CODES = {name: code for code, names in _NAMES.items() for name in (code, *names.split())}

KNOWN_CODES = frozenset(_NAMES)
"""Codes of two letters that have names here."""

_CODE = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{2,8})*")


def code_of(name: str) -> str | None:
    """The code that a name of a language stands for: "German", "EN", "de_AT"; None if unknown.

    A region stays, and is written as BCP-47 has it: ``de-AT``.
    """
    name = name.strip()
    if code := _CODES.get(name.lower()):
        return code
    match = _CODE.fullmatch(name)
    if match is None:
        return None
    main = _CODES.get(match[1].lower())
    regions = re.split("[-_]", name)[1:]
    if main is None or not regions:
        return None
    return "-".join([main, *(r.upper() if len(r) == 2 else r for r in regions)])


def nearest(name: str, languages: Sequence[str]) -> str:
    """Closest match of a language among some; the name itself if it is none of them."""
    if name in languages:
        return name
    code = code_of(name)
    for wanted in (code, code and code.partition("-")[0]):
        for language in languages:
            if wanted and language.lower() == wanted.lower():
                return language
    return next((one for one in languages if one.lower() == name.strip().lower()), name)
