"""Names and accelerators in the texts of user interfaces."""

from __future__ import annotations

import re
from dataclasses import dataclass

_IDENTIFIER = re.compile(
    r"""
      [a-z0-9]+ (?:-[a-z0-9]+)+                              # arrow-left
    | [\w$]+ (?:[._][\w$-]+)+ | \w+ (?:/[\w-]+){2,}           # com.example.Door, a_b, a/b/c
    | [A-Z][A-Z0-9]*_[A-Z0-9_]+                          # MAX_X
    | [a-z]+[A-Z][a-z]\w* | [A-Z][a-z0-9]+[A-Z]\w*[a-z]\w*  # aBc, AbCd
    | \#[0-9A-Fa-f]{3,8}                                     # a colour
    | (?:application|audio|font|image|message|model|multipart|text|video)/[\w.+*-]+
      (?:\s*;\s*[\w-]+=(?:[\w.+-]+|"[^"]*"))*               # text/html; charset=utf-8
    | (?:[\w.+*-]+/[\w.+*-]+|\*?\.\w{1,5})                    # image/*, .pdf
      (?:\s*[,;|]\s*(?:(?:application|audio|font|image|text|video)/[\w.+*-]+|\*?\.\w{1,5}))+
    | \^\S.*\$ | /(?:\S+/[dgimsuvy]+|\^.*/[dgimsuvy]*)       # regular expressions
    | \$(?:\.[\w*]+|\[[^\[\]]*\])+ | //[\w*@]+(?:\[[^\[\]]*\])\S*     # JSONPath, XPath
    | -?[\d.]+(?:px|r?em|v[hw]|fr|dpi|x\d+)
    | (?:about|blob|data|geo|intent|javascript|mailto|market|sms|tel|urn):\S+
    | [a-z][a-z0-9+.-]{0,30}://\S+ | (?:sha\d+|md5)[:-][\w+/=]+
    | \((?:min|max|prefers|orientation)[a-z-]*:\s*[\w.]+\)
    | [A-Za-z]:\\(?:[\w .()-]{1,40}\\)+[\w.()-]*              # C:\Program Files\App
    | (?:[\w -]+|"[^"]*"|'[^']*')(?:,\s*(?:[\w -]+|"[^"]*"|'[^']*'))*            # fonts
      ,\s*(?:(?:sans-)?serif|monospace|cursive|system-ui)
    | \{\s*"[\w$-]+"\s*:.*\}                               # JSON
    | [Mm]\s*-?[\d.]+[\s,]+-?[\d.][-\d.,\sMmLlHhVvCcSsQqTtAaZz]*      # a path of SVG
    | (?P<set>[a-z]{2,12})(?:\s+(?P=set)-[a-z0-9-]+)+ | (?:\S+\s+)?fa[bdlrs]?(?:\s+fa-[a-z0-9-]+)+
    | [a-z]{2,3}[_-][A-Za-z]{2,4}(?:\.[\w-]+)?               # en_US
    | (?:[\d*/,?-]+\s+){2,5} (?:[\d*/,?#L-]|MON|TUE|WED|THU|FRI|SAT|SUN|JAN|DEC)+  # cron
    | [a-z0-9:]+(?:-[a-z0-9.]+)+ (?:\s+[a-z0-9:]+(?:-[a-z0-9.]+)+)+   # classes of CSS
    | (?:rgba?|hsla?|url|var|calc|(?:linear|radial)-gradient)\([^()]{1,150}\)
    | (?:SELECT|INSERT[ ]INTO|UPDATE|DELETE|CREATE[ ]TABLE)\s.*\b(?:FROM|VALUES|SET|WHERE)\b.*
    | (?=.*(?:yyyy|YYYY|\b(?:MM|MMM|dd|DD|HH|hh|mm|ss)\b))                # dates
      (?:(?>y{1,4}|Y{2,4}|M{1,4}|L{1,4}|d{1,4}|D{1,4}o?|E{1,4}|H{1,2}|h{1,2}|m{1,2}|s{1,2}|S{1,3}
      |[aA]|Z{1,2}|z{1,4}|X{1,3}|'[^']{0,12}')[-/.,:\sT]*+)++
    | (?:(?:ctrl|control|alt|shift|meta|command|super)[ +-])+    # keys of Java
      (?:[A-Z0-9]|F\d{1,2}|[A-Z_]{3,12})
    | [\w -]{3,40},\s*\d+(?:\.\d+)?(?:pt|px)(?:,\s*style=[\w,\s]+)?    # a font of .NET
    | =[A-Z][A-Z0-9.]*\(.*\)                                  # a formula
    | true | false | null | undefined
    | (?:Africa|America|Asia|Atlantic|Australia|Europe|Pacific)/[A-Z]\w+       # a time zone
    | (?:[a-z]+(?:-[a-z]+)+|margin|padding|color|background|display|width|height|border|position)
      \s*:\s*[^;:]{1,80}; (?:\s*[a-z-]+\s*:\s*[^;:]{1,80};?)*      # declarations of CSS
    | [rv]?\d+(?:\.\d+)+(?:[-+.]\w+)* | \d{4}-\d\d-\d\d(?:[T ][\d:.,]+(?:Z|[+-][\d:]+)?)?
    | [0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}   # a UUID
    """,
    re.VERBOSE,
)

_ACCELERATOR = re.compile(r"(?<![_&\w])_(?=[^\W\d_])|(?<=[^\W\d_])_(?=[a-z])|&(?=[^\W\d_])")


def is_identifier(text: str) -> bool:
    """Return whether a text is a name, a code or a value of a program, and no words."""
    return len(text) <= 200 and bool(_IDENTIFIER.fullmatch(text.strip()))


@dataclass(frozen=True)
class Accelerator:
    """The letter of a label that is pressed with Alt: `_Open`, `E&xit`."""

    sign: str
    letter: str
    without: str
    """The label without the sign."""

    @classmethod
    def of(cls, text: str) -> Accelerator | None:
        """The accelerator of a label; None if there is none, or it cannot be told."""
        found = list(_ACCELERATOR.finditer(text))
        if len(found) != 1 or text.count(found[0][0]) != 1 or len(text) > 60 or "<" in text:
            return None
        start, end = found[0].span()
        letter = text[end]
        if start and text[start - 1].isalpha() and not (text[0].isupper() and text.count(" ") < 4):
            return None
        if found[0][0] == "&" and (
            text[end:].partition(" ")[0].endswith(";")
            or (text[start - 1 : start].isupper() and letter.isupper())
        ):
            return None
        return cls(found[0][0], letter, text[:start] + text[end:])

    def put_into(self, text: str) -> str:
        """A translation with the sign: before the same letter, or else the first."""
        label = text.partition("\t")[0]  # keys may stand behind it
        at = label.lower().find(self.letter.lower())
        if at < 0:
            first = re.search(r"[^\W\d_]", text)
            at = first.start() if first else -1
        return text if at < 0 else f"{text[:at]}{self.sign}{text[at:]}"
