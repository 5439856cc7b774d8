"""Scripts of characters and of languages, and scripts without spaces between words."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u2e80-\u30ff"  # radicals, ideographic marks, Hiragana, Katakana
    "\u31f0-\u31ff"  # Katakana, phonetic extensions
    "\u3400-\u9fff\uf900-\ufaff"  # Han
    "\U0001b000-\U0001b16f"  # Kana, supplements
    "\U00020000-\U0003ffff"  # Han, supplementary planes
)
"""Ranges for a regular expression's character class: any place in such text may end a word."""

_LATIN = frozenset({"LATIN"})

_SCRIPTS = {
    "ar": {"ARABIC"}, "fa": {"ARABIC"}, "ur": {"ARABIC"},
    "be": {"CYRILLIC"}, "bg": {"CYRILLIC"}, "mk": {"CYRILLIC"}, "ru": {"CYRILLIC"},
    "uk": {"CYRILLIC"}, "sr": {"CYRILLIC", "LATIN"}, "kk": {"CYRILLIC", "LATIN"},
    "el": {"GREEK"}, "he": {"HEBREW"}, "hi": {"DEVANAGARI"}, "mr": {"DEVANAGARI"},
    "ne": {"DEVANAGARI"}, "bn": {"BENGALI"}, "ta": {"TAMIL"}, "te": {"TELUGU"}, "th": {"THAI"},
    "ka": {"GEORGIAN"}, "hy": {"ARMENIAN"}, "ko": {"HANGUL", "CJK"},
    "ja": {"HIRAGANA", "KATAKANA", "CJK", "KATAKANA-HIRAGANA"}, "zh": {"CJK", "BOPOMOFO"},
}  # fmt: skip

_IN_LATIN = frozenset(
    """
    af az bs ca cs cy da de en eo es et eu fi fr ga gl hr hu id is it lt lv ms mt nb nl nn no pl
    pt ro sk sl sq sv sw tl tr vi
    """.split()  # noqa: SIM905
)


def scripts_of(language: str) -> frozenset[str] | None:
    """The scripts that a language is written in; None where that is not known."""
    code = language.partition("-")[0].lower()
    if code in _IN_LATIN:
        return _LATIN
    return frozenset(_SCRIPTS[code]) if code in _SCRIPTS else None


@lru_cache(8192)
def script_of(character: str) -> str | None:
    """The script of a letter, as its Unicode name begins; None for what is no letter."""
    if character < "\u0250":
        return "LATIN" if character.isalpha() else None
    if not character.isalpha():
        return None
    name = unicodedata.name(character, "").replace("FULLWIDTH LATIN", "LATIN")
    return name.partition(" ")[0] or None


def share_in(text: str, scripts: frozenset[str]) -> float:
    """Share of a text's letters that are of some scripts, 0 to 1; 1 where there are none."""
    if text.isascii() and "LATIN" in scripts:
        return 1.0
    found = [script for script in map(script_of, text) if script]
    return sum(script in scripts for script in found) / len(found) if found else 1.0
