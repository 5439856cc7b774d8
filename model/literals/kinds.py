"""The kinds of literals: a name, a pattern and an example of each. No torch here.

The table is in order of precedence: of two kinds that begin at the same character the first one
counts. Patterns are bounded, so that no text makes them slow.
"""

from tformer.model.literals.kind import Kind, Role
from tformer.model.literals.number_kinds import NUMBERS

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
        "DOI",
        r"""(?<![\w./]) 10\.\d{4,9} / [^\s"<>{}|\\^`\[\]\u201c-\u201f\u00ab\u00bb]{1,200}
            (?<![.,;:!?)'\u2019])""",
        "10.1000/xyz123",
    ),
    Kind(
        "token",
        r"""(?<![\w/.+-]) (?:
              eyJ[\w-]{10,2000} (?:\.[\w-]{4,2000}){0,4} (?![\w-])
            | (?=[a-z_/-]{0,400}[A-Z0-9+]) [A-Za-z0-9+/_-]{10,400} ={1,2} (?![\w=])
            | (?:[A-Za-z]{2,8}[-_]){0,3} (?=(?:[A-Za-z]{0,40}\d{1,40}){2}[A-Za-z])
              (?=[0-9a-f]{0,400}[A-Zg-z]) (?=[0-9A-F]{0,400}[a-zG-Z])
              [A-Za-z0-9]{16,400} (?:[-_.][A-Za-z0-9]{4,200}){0,8} (?![\w-]) )""",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
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
    Kind(
        "dotted name",
        r"""(?<![\w.@/-]) (?![Ww]{3}\.) [A-Za-z_]\w{1,40} (?:\.[A-Za-z_]\w{1,40}){2,10}
            (?![\w-]|\.\w)""",
        "com.example.Door",
    ),
    Kind(
        "camel case",
        r"""(?<![\w.-]) (?!\w{0,60}Innen(?!\w))
            [a-z]{2,30} (?:[A-Z][a-z0-9]{1,30}){1,8} (?:[A-Z]{1,5})? (?![\w-])""",
        "getUserName",
        Role.CHECKED,
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
        "kaomoji",
        r"""\u00af\\_\(\u30c4\)_/\u00af
          | [(\uff08] (?=[^\s()]{0,15}[\u0250-\u1fff\u2200-\uffff])
            (?=[\w]{0,15}[^\w\s()\uff08\uff09]) [^\sA-Za-z0-9()\uff08\uff09]{3,15} [)\uff09]
            (?:[\u256f\u30ce\uff89\u309e]\ufe35?)?""",
        "(\u256f\u00b0\u25a1\u00b0)",
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
    *NUMBERS,
    *_SIGNS[1:],
)
"""All kinds, those first that are more special."""
