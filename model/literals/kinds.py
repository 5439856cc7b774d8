"""The kinds of literals: a name, a pattern and an example of each. No torch here.

The table is in order of precedence: of two kinds that begin at the same character the first one
counts. Patterns are bounded, so that no text makes them slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Role(Enum):
    """Way of a kind through decoding."""

    CARRIED = auto()
    """A short name takes its place while the sentence is decoded."""
    CHECKED = auto()
    """The network reads and says it; afterwards it is looked for in the translation."""
    FLOATING = auto()
    """It is taken out, and put back where the words beside it went."""


@dataclass(frozen=True)
class Kind:
    """One kind of literal."""

    name: str
    pattern: str
    """A verbose regular expression without groups that capture."""
    example: str
    role: Role = Role.CARRIED


_TEMPLATES = (
    Kind("template", r"\{\{\{? [^{}\n]{0,200} \}?\}\}", "{{ user.name }}"),
    Kind("literal interpolation", r"(?<!') \{ '[^'{}\n]{1,50}' \} (?!')", "{'@'}"),
    Kind("documentation tag", r"\{@ [a-z]\w{1,30} [^{}\n]{0,200} \}", "{@link Door}"),
    Kind("template block", r"\{% [^%\n]{0,200} %\}", "{% if admin %}"),
    Kind("server page", r"<% [^%\n]{0,200} %>", "<%= name %>"),
    Kind("interpolation", r"[$\#%@]\{ [^{}\n]{1,200} \}", "${count}"),
    Kind("call of a macro", r"\$ t? \( [^()\n]{1,200} \)", "$(HOME)"),
    Kind(
        "argument",
        r"\{ [\w.$\[\]-]{1,100} (?:![rsa])? (?::[^{}\n]{0,50})? \}",
        "{0:.2f}",
    ),
    Kind(
        "wrapped name", r"(?<![\#\w])\#{2,3} \w{1,40} \#{2,3} | (?<!%)%% \w{1,40} %%", "###T01###"
    ),
    Kind("dunder", r"(?<!\w) __ [A-Za-z0-9]+ (?:_[A-Za-z0-9]+)* __ (?!\w)", "__NAME__"),
    Kind("bracket name", r"\[\[? [A-Z][A-Z0-9]* (?:_[A-Z0-9]+)+ \]?\]", "[FIRST_NAME]"),
    Kind("shell variable", r"(?<![\w$]) \$ [A-Za-z_]\w{0,60}", "$HOME"),
    Kind("batch variable", r"% [A-Z][A-Z0-9_]{1,60} %", "%PATH%"),
    Kind(
        "format",
        r"""%\( [A-Za-z0-9_.]{1,100} \) [-+0-9.\#]* [a-zA-Z]
          | %< [A-Za-z0-9_.]{1,100} > [-+0-9.\#]* [a-zA-Z]
          | (?<![0-9%]) % (?:[0-9]{1,2}\$)? [-+0\#]* (?:[0-9]+|\*)? (?:\.(?:[0-9]+|\*))?
            (?:hh|h|ll|l|j|z|t|L|q)? [diouxXeEfFgGcsSpn@] (?![A-Za-z])
          | (?<![0-9%]) % L? [1-9][0-9]? (?![0-9])""",
        "%1$s",
    ),
)

_ADDRESSES = (
    Kind(
        "URL",
        r"""(?: (?:[Hh][Tt][Tt][Pp][Ss]?|ftps?|sftp|ssh|git|file|wss?|s3|magnet|tel|data)
              :/?/? (?=\S{0,2000}?[/.\d]) | [Ww][Ww][Ww]\. )
            [^\s<>"'`{}|\\^\[\]\u201c\u201d\u201e\u00ab\u00bb]{2,2000} (?<![.,;:!?)'\u2019])""",
        "https://example.com/a?b=1",
    ),
    Kind(
        "e-mail",
        r"""(?: mailto: )? [A-Za-z0-9][A-Za-z0-9._%+-]{0,63} @ [A-Za-z0-9-]{1,63}
            (?:\.[A-Za-z0-9-]{1,63}){1,5}""",
        "info@example.com",
    ),
    Kind("Windows path", r"(?<!\w) [A-Za-z]:\\ [^\s\"<>|*?]{0,300} (?<![.,;:!)])", r"C:\Users\x"),
    Kind("network path", r"\\\\ [\w.$-]{1,80} (?:\\[\w.$-]{1,80}){1,20}", r"\\server\share"),
    Kind(
        "path",
        r"""(?<![\w./<]) (?:~|\.\.?)? / (?:[\w.@+-]{1,100}/){1,20} [\w.@+-]{0,100} (?<![.])
          | (?<![\w./]) (?:~|\.\.?) / [\w.@+-]{1,100} (?<![.])
          | (?<![\w./@:+-]) (?:[\w.@+-]{1,100}/){1,20} [\w@+-][\w.@+-]{0,100}
            \.[a-z][a-z0-9]{0,7} (?![\w/])""",
        "/etc/fstab",
    ),
    Kind(
        "file name",
        r"""(?<![\w./@:+-]) [\w-][\w.-]{0,100} \. (?:md|txt|rst|html?|css|js|ts|tsx|py|rs|java|rb|sh
            |bat|ps1|json|ya?ml|toml|ini|cfg|conf|xml|csv|tsv|po|pdf|docx?|od[tsp]|xlsx?|pptx?|png
            |jpe?g|gif|svg|webp|mp[34]|wav|mov|zip|tar|gz|7z|exe|msi|dmg|iso|dll|so|log|lock|sql|bak
            |php|cpp|go) (?![\w/-]|\.\w)""",
        "report.pdf",
    ),
    Kind(
        "host name",
        r"""(?<![\w.@/-]) (?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,5}
            (?:com|org|net|edu|gov|info|biz|io|dev|app|de|at|ch|eu|uk|fr|us|nl|tv|me|ai|co)
            (?::\d{1,5})? (?:/[\w./?=&%\#+~-]{0,300}(?<![.,;:!?]))? (?![\w-]|\.\w)""",
        "example.com",
    ),
    Kind("handle", r"(?<![\w@./]) @ [A-Za-z_]\w{1,40} (?:\.\w{1,40})?", "@jane_doe"),
    Kind("hashtag", r"(?<![\w\#&/]) \# [^\W\d_][\w]{1,60}", "#OpenSource"),
    Kind("issue", r"(?<![\w\#&/]) \# \d{1,10} (?!\w)", "#1234"),
    Kind(
        "entity",
        r"& (?: [A-Za-z][A-Za-z0-9]{1,31} | \#[0-9]{1,7} | \#[xX][0-9A-Fa-f]{1,6} ) ;",
        "&nbsp;",
    ),
)

_CODE = (
    Kind("code", r"`` [^`\n]{1,500} `` | ` [^`\n]{1,500} `", "`ls -l`"),
    Kind(
        "key combination",
        r"""(?<![\w+])
            (?:Ctrl|Control|Strg|Alt|AltGr|Shift|Umschalt|Cmd|Command|Option|Super|Win|Meta)
            (?:[+](?:Ctrl|Alt|Shift|Umschalt|[A-Z][a-z]{1,9}|F?\d{1,2}|[A-Z]))+ (?!\w)""",
        "Ctrl+Shift+P",
    ),
    Kind("short code", r":[a-z0-9_+-]{2,40}: (?!\w)", ":smile:"),
    Kind("option", r"(?<![\w-]) -- [a-z][a-z0-9-]{1,60}", "--verbose"),
    Kind("call", r"(?<![\w.:]) [A-Za-z_][\w.:]{0,100} \(\)", "main()"),
    Kind(
        "identifier",
        r"(?<!\w) [A-Za-z][A-Za-z0-9]* (?:_[A-Za-z0-9]+)+ (?!\w)",
        "max_length",
    ),
    Kind("icon", r"[\ue000-\uf8ff]+", "\ue001", Role.FLOATING),
    Kind(
        "tag",
        r"""</?[A-Za-z][A-Za-z0-9.:_-]{0,60}(?:\s[^<>\n]{0,500})?/?>
          | </?[1-9][0-9]{0,8}/?> | <!--[^\n]{0,500}?-->""",
        "<br/>",
        Role.FLOATING,
    ),
)

_NUMBERS_OF_THINGS = (
    Kind(
        "UUID",
        r"(?<!\w) [0-9a-fA-F]{8} (?:-[0-9a-fA-F]{4}){3} -[0-9a-fA-F]{12} (?!\w)",
        "123e4567-e89b-12d3-a456-426614174000",
    ),
    Kind(
        "MAC address",
        r"(?<![\w:]) [0-9A-Fa-f]{2} (?:[:-][0-9A-Fa-f]{2}){5} (?![\w:])",
        "00:1B:44:11:3A:B7",
    ),
    Kind(
        "IPv6 address",
        r"""(?<![\w:]) (?: (?:[0-9A-Fa-f]{1,4}:){4,7} [0-9A-Fa-f]{1,4}
            | (?:[0-9A-Fa-f]{1,4}:){1,6} : (?:[0-9A-Fa-f]{1,4} (?: :[0-9A-Fa-f]{1,4}){0,5})? )
            (?:/\d{1,3})? (?![\w:])""",
        "fe80::1ff:fe23:4567:890a",
    ),
    Kind(
        "IPv4 address",
        r"(?<![\w.]) \d{1,3} (?:\.\d{1,3}){3} (?:/\d{1,2}|:\d{1,5})? (?!\w|\.\d)",
        "192.168.0.1",
    ),
    Kind(
        "time stamp",
        r"""(?<!\w) \d{4}-\d{2}-\d{2} T \d{2}:\d{2} (?::\d{2}(?:[.,]\d{1,9})?)?
            (?:Z|[+-]\d{2}:?\d{2})? (?!\w)""",
        "2024-05-01T12:30:00Z",
    ),
    Kind(
        "IBAN",
        r"""(?<!\w) [A-Z]{2}\d{2} (?:[ \u00a0]?[A-Z0-9]{4}){2,7} (?:[ \u00a0]?[A-Z0-9]{1,4})?
            (?!\w)""",
        "DE80 4012 8006 7049 2589 69",
    ),
    Kind(
        "code of letters",
        r"""(?: (?<=\bBIC[ :\u00a0]) | (?<=\bBIC:[ ]) | (?<=\bSWIFT[ :\u00a0]) | (?<=\bSWIFT:[ ]) )
            [A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})? (?!\w)
          | (?<![\w-]) (?=[A-Z-]{0,60}(?<![A-Z])[B-DF-HJ-NP-TV-XZ]{4,6}(?![A-Z]))
            (?:[A-Z]{4}(?:-[A-Z]{4}){2,9}|[A-Z]{5}(?:-[A-Z]{5}){2,9}|[A-Z]{6}(?:-[A-Z]{6}){2,9})
            (?![\w-])""",
        "QWRT-ABCD-EFGH",
    ),
    Kind(
        "hexadecimal",
        r"""(?<!\w) 0[xX][0-9A-Fa-f]{1,64} (?!\w)
          | (?<![\w&]) \# (?=[0-9A-Fa-f]{0,7}\d) (?:[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8}) (?!\w)""",
        "0x7FFA12",
    ),
    Kind(
        "hash",
        r"""(?<![\w-]) (?=[a-f]{0,127}[0-9]) (?=[0-9]{0,127}[a-f]) [0-9a-f]{6,128} (?!\w)
          | (?<![\w-]) (?=[A-F]{0,127}[0-9]) (?=[0-9]{0,127}[A-F]) [0-9A-F]{8,128} (?!\w)""",
        "d41d8cd98f00b204",
    ),
    Kind(
        "date",
        r"""(?<![\w.,/-]) (?: \d{4}[-/.]\d{1,2}[-/.]\d{1,2}
            | \d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2}) ) (?![\w/-]|[.,]\d)""",
        "27.12.1986",
        Role.CHECKED,
    ),
    Kind(
        "time",
        r"""(?<![\w.,:]) (?: \d{1,2}:\d{2}(?::\d{2})? (?![\d:]|[.,]\d) (?=[ap]\.?m\b|\W|$)
            | \d{1,2}\.\d{2} (?=[ \u00a0]Uhr\b) )""",
        "15:30",
        Role.CHECKED,
    ),
    Kind(
        "phone number",
        r"""(?<![\w+]) \+ \d{1,3} (?:[ \u00a0./-]? (?:\(\d{1,6}\)|\d{1,6})){1,6} (?!\w)
          | (?<![\w.,]) \(0?\d{2,5}\) [ \u00a0/-]? \d{2,8} (?:[ \u00a0-]\d{1,6}){0,4} (?!\w)
          | (?<![\w.,/-]) 0\d{1,5} (?:[ \u00a0]?[/-][ \u00a0]?|[ \u00a0]) \d{2,9}
            (?:[ \u00a0-]\d{1,6}){0,4} (?!\w|[.,]\d)""",
        "+49 449 3103957",
    ),
    Kind(
        "number in groups",
        r"""(?<![\w.,+-]) \d{3,5} (?:[ \u00a0-]\d{3,6}){2,6} (?:[ \u00a0-][\dX]{1,4})?
            (?!\w|[.,]\d)
          | (?<![\w.,+/-]) \d{1,7} (?:-\d{1,7}){2,6} (?:-[\dXx])? (?![\w-]|[.,]\d)""",
        "4012 8888 8888 1881",
    ),
    Kind(
        "expression",
        r"""(?<![\w.,]) \d{1,12}(?:[.,]\d{1,6})?
            (?:[\u00b1\u00b7\u00f7\u2190-\u22ff~^]\d{1,12}(?:[.,]\d{1,6})?){1,8} (?!\w|[.,]\d)
          | (?<![\w.]) [vV]? \d{1,5} (?:\.\d{1,6}){0,4}
            [~^] [0-9A-Za-z.~+-]{1,30}(?<![.]) (?!\w)""",
        "25\u00f7100",
    ),
    Kind(
        "version",
        r"""(?<![\w.]) [vV]? \d{1,5} (?:\.\d{1,6}){2,4}
            (?:[-+][0-9A-Za-z.-]{1,30}(?<![.]))? (?!\w|\.\d)
          | (?<![\w.]) [vV]\d{1,5}(?:\.\d{1,6}){0,4} (?!\w|\.\d)""",
        "v2.13.0-rc1",
    ),
    Kind(
        "short part number",
        r"(?<![\w/.-]) [A-Z]{1,2} [-/] \d{1,3} [A-Z]? (?![\w-]|[./]\w)",
        "I-95",
        Role.CHECKED,
    ),
    Kind(
        "part number",
        r"""(?<![\w/.-]) (?=[A-Z/.-]{0,40}\d) (?=[\d/.-]{0,40}[A-Z])
            [A-Z0-9]{1,12} (?:[-/.][A-Z0-9]{1,12}){1,6} (?![\w-]|[./]\w)
          | (?<![\w/.-]) (?=[A-Z]{0,24}\d) (?=\d{0,24}[A-Z]) [A-Z0-9]{5,24} (?![\w-]|[./]\w)""",
        "AB-1234-XZ",
    ),
    Kind(
        "mixed code",
        r"""(?<![\w/.-]) (?=[A-Za-z]{1,6}\d|\d{2,10}[A-Z])
            (?=\w{0,40}?\d\w{0,20}?[A-Za-z]\w{0,20}?\d
              |[A-Za-z]{0,40}\d{3}|[A-Z]{2,20}\d|\w{0,40}?[a-z]\d)
            [A-Za-z0-9]{6,40} (?![\w-])""",
        "x86pro64",
    ),
    Kind(
        "short dimensions",
        r"(?<![\w.,]) \d{1,3} [ ]?[x\u00d7][ ]? \d{1,3} (?![\w\u00d7]|[.,]\d|[ ][x\u00d7])",
        "68 x 108",
        Role.CHECKED,
    ),
    Kind(
        "dimensions",
        r"""(?<![\w.,]) \d{1,6}(?:[.,]\d{1,3})?
            (?:[ ]?[x\u00d7][ ]?\d{1,6}(?:[.,]\d{1,3})?){1,3} (?!\w|[.,]\d)""",
        "1024x768",
    ),
    Kind("scientific", r"(?<![\w.,]) [-\u2212]?\d+(?:[.,]\d+)?[eE][-+]?\d{1,3} (?!\w)", "6.02e23"),
    Kind("ratio", r"(?<![\w.,:/]) \d{1,6} [:/] \d{1,6} (?![\w:/]|[.,]\d)", "3:2", Role.CHECKED),
    Kind(
        "mixed word",
        r"(?<![\w.-]) [A-Za-z]{1,5} \d{1,4} [A-Za-z]{0,2} (?!\w)",
        "H2O",
        Role.CHECKED,
    ),
    Kind(
        "fraction",
        r"""(?<!\w) (?: (?:\d{1,6} [ \u00a0\u202f]?)? [\u00bc-\u00be\u2150-\u215e]
                     | (?:\d{1,6} [ \u00a0\u202f])? \d{1,6} \u2044 \d{1,6} ) (?!\w)""",
        "1\u00bd",
    ),
    Kind(
        "number",
        r"""(?:(?<![^\s(])[-\u2212](?=\d))? (?:
            (?<!\w) (?<!\d[.,]) \d{1,3} (?:[ \u00a0\u202f'\u2019]\d{3})+ (?:[.,]\d+)?
            (?!\d|[.,]\d)
          | (?<!\d) (?<!\d[.,]) \d+ (?:[.,]\d+)* )""",
        "1,000.5",
        Role.CHECKED,
    ),
)

_EMOJI = (
    "[\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)

_SIGNS = (
    Kind(
        "emoji",
        rf"""(?: [0-9\#*]\ufe0f?\u20e3 | {_EMOJI} [\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*
              [\U000e0020-\U000e007f]* (?:\u200d{_EMOJI}[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]*)*
              [\ufe0e\ufe0f]? )+""",
        "\U0001f44b",
        Role.FLOATING,
    ),
    Kind(
        "emoticon",
        r"""(?<!\S) (?: [:;=8xX][-'^o]?[)(DPpO/\\|*3\[\]]{1,4} | <3 | \^_{0,3}\^ )
            (?=[.,!?]?(?:\s|$))""",
        ":-)",
        Role.FLOATING,
    ),
    Kind(
        "rule",
        r"""\*{2,100} | ={3,100} | ~{3,100} | _{3,100} | \#{2,100} | \+{3,100} | -{3,100}
          | \u2022{2,100} | \u00b7{2,100} | [\u2500\u2550]+""",
        "=====",
        Role.FLOATING,
    ),
)

KINDS: tuple[Kind, ...] = (
    *_TEMPLATES,
    *_CODE[:1],
    *_ADDRESSES,
    *_CODE[1:],
    _SIGNS[0],
    *_NUMBERS_OF_THINGS,
    *_SIGNS[1:],
)
"""All kinds, those first that are more special."""
