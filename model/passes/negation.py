"""Negations that a translation has lost: whether source and target deny at all. No torch here."""

from __future__ import annotations

import re


def _beginnings(first: str, words: str, behind: str = "") -> re.Pattern[str]:
    """A pattern of the first letters of words in a text in small letters.

    What begins with a set of letters is found in a third of the time of what begins at the edge
    of a word.
    """
    return re.compile(rf"[{first}](?<=\b(?=(?:{words})\b).){behind}")


_DENIALS = {
    "en": _beginnings(
        "bcdfhinprsuw",
        r"not|never|no|none|nobody|nothing|nowhere|neither|nor|cannot|without|"
        r"disagree\w*|denie[sd]|deny|refuse[sd]?|fail(?:s|ed) to|contraindicat\w+|"
        r"forbid\w*|prohibit\w*|impossible|unable|hardly|barely|scarcely",
        r"|['\u2019](?<=\wn.)t\b",
    ),
    "de": _beginnings(
        "bklnouvw",
        r"nicht|nie|niemals|niemand\w*|nichts|kein\w*|nirgend\w*|weder|ohne|widersp\w+|"
        r"verboten\w*|untersagt\w*|verbiete\w*|leugne\w*|bestreit\w*|verweiger\w*|"
        r"unm\u00f6glich\w*|kaum",
    ),
}
"""Words that deny beyond doubt; of a text in small letters."""

_TRACES = {
    "en": re.compile(
        r"\b(?:no|not|never|none|nobody|nothing|nowhere|neither|nor|cannot|without|\w+n['\u2019]?t(?=\b)"
        r"(?<=n['\u2019]t)|un(?!der|i[ot]|iq|iver|cle|til)\w+|in(?:ability|acc|act|adeq|adm|app|aud|cap|"
        r"compat|compl|conc|consi|conv|corr|cred|cur|defin|dep|direct|effec|effic|elig|evit|exc|exp|"
        r"fertil|flex|freq|hosp|hum|jus|num|oper|san|sec|sens|sig|stab|suff|surm|toler|val|vis|vol)\w+|"
        r"im(?:mat|mob|mor|mun|pass|pat|perf|pers|pol|poss|pot|prac|prob|prop)\w+|ir[r]\w+|il[l]\w+|"
        r"dis(?!c[ou]|p[el]|tan|tr|ea)\w+|mis(?!si|ter)\w+|non\w*|\w+less|anti\w+|fail\w*|lack\w*|"
        r"hardly|barely|scarcely|little|few\w*|rather|only|except|unless|until|stop\w*|avoid\w*|"
        r"refus\w+|den[iy]\w*|free|away|off|forb[ia]d\w*|prohibit\w*|ban|bans|banned|reject\w*|"
        r"declin\w*|dismiss\w*|oppos\w*|disput\w*|veto\w*|prevent\w*|block\w*|contest\w*|hard|"
        r"difficult\w*|scarce|rare\w*|almost|absen\w+|contra\w+|conflict\w*|miss\w*|void|zero|instead|"
        r"ain)\b",
        re.IGNORECASE,
    ),
    "de": re.compile(
        r"\b(?:nicht\w*|nie|niemals|niemand\w*|nichts|kein\w*|nirgend\w*|weder|ohne|nein|"
        r"un(?!d\b|s\b|ser|ter|garn?|ion|iv)\w+|kaum|wenig\w*|nur|erst|statt\w*|au\u00dfer\w*|"
        r"\w*fehl\w*|verwei\w*|ablehn\w*|lehn\w+|abgelehnt\w*|weiger\w*|miss(?!ion)\w+|mangel\w*|"
        r"aufh\u00f6r\w*|wider\w*|sondern|sonst|bevor|bis|leer\w*|weg|\w+los(?:e[rnms]?)?|frei|\w+frei\w*|"
        r"lieber|vermeid\w*|verhinder\w*|nee|\w*nicht|\w*scheiter\w*|vers\u00e4um\w*|versag\w*|"
        r"unterla\w*|unterlie\u00df\w*|verpass\w*|leugn\w*|bestr[ei]\w*|verneint\w*|dementier\w*|"
        r"verb[oi][te]\w*|untersag\w*|kontraindi\w*|gegenanz\w*|gesperrt\w*|schwer\w*|knapp\w*|gerade|"
        r"wies|zur\u00fcck\w*|anti\w*|sinnlos|egal)\b",
        re.IGNORECASE,
    ),
}
"""Words that may stand for a denial."""

_PAIRS = {
    "en": re.compile(r"\bneither\b.*\bnor\b", re.IGNORECASE),
    "de": re.compile(r"\bweder\b.*\bnoch\b", re.IGNORECASE),
}
_SECOND = {
    "en": re.compile(r"\b(?:nor|or|and)\b", re.IGNORECASE),
    "de": re.compile(r"\b(?:noch|oder|und)\b", re.IGNORECASE),
}
LONGEST_TWICE = 15
"""Words of a source that says two denials, of which its translation must say more than one; in
longer ones a clause may take both."""

_SUGGESTION = re.compile(r"\bwhy (?:don|doesn|not)\b", re.IGNORECASE)
"""No denial, though it has the words of one."""


def loses_negation(source: str, target: str, languages: tuple[str, str]) -> bool:
    """Return whether a source denies and its translation lacks the denial, or one of a pair."""
    own, other = (language.partition("-")[0].lower() for language in languages)
    if own not in _DENIALS or other not in _TRACES:
        return False
    denials = len(_DENIALS[own].findall(source.lower()))
    if not denials or _SUGGESTION.search(source):  # most sentences; traces take longer to look for
        return False
    if _PAIRS[own].search(source) and not _SECOND[other].search(target):
        return True
    twice = denials > 1 and len(source.split()) <= LONGEST_TWICE
    return len(_TRACES[other].findall(target)) < 1 + twice
