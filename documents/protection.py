"""Protection of literals: finds text that must pass through a translation unchanged.

Code, URLs, e-mail addresses, paths, variables of every usual template language, and tags. In doubt
less is protected: a word taken for code stays foreign in every translation, while a literal that
was not found is usually copied by the model anyway.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from tformer.documents.inline.readings import without_readings
from tformer.model.literals.kinds import KINDS
from tformer.model.text.windows import find_all


class RunKind(Enum):
    """Kind of a run of text."""

    TEXT = auto()
    LITERAL = auto()
    """Part of a sentence, but not for translation: `%s`, a URL."""
    TAG = auto()
    """Markup that stands alone: `<br/>`, `{\\an8}`."""
    OPENING = auto()
    """The beginning of markup around words: `<b>`."""
    CLOSING = auto()


@dataclass(frozen=True)
class TextRun:
    """A piece of text."""

    kind: RunKind
    text: str
    name: str = ""
    """Name of a tag, in lower case."""
    shows: str | None = None
    """Text that a model sees for a literal, where it is not its own."""

    @property
    def shown(self) -> str:
        """Text that a model sees for a literal."""
        return self.text if self.shows is None else self.shows


# Void elements of HTML: never closed, so they stand alone.
_VOID = {"br", "hr", "img", "input", "wbr", "meta", "link", "source", "area", "col", "embed"}

BREAKING = {"br", "hr", "p", "div", "ul", "ol", "li", "dl", "dt", "dd", "table", "tr", "td", "th",
            "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "section"}  # fmt: skip
"""Elements of HTML that end a sentence."""

# Elements whose content is not for translation.
_CODE = {"code", "kbd", "samp", "var", "pre", "ruby", "tt", "script", "style", "math", "svg"}

_TYPE = (
    r"(?:[A-Z][\w.]{0,40}|\?(?:[ ](?:extends|super)[ ][A-Z]\w{0,40})?|bool(?:ean)?|byte|char|double"
    r"|float|int|long|number|object|str(?:ing)?|unknown|[iu]\d{1,2})(?:\[\])?"
)
"""Pattern of an argument of a type of Java, TypeScript or C#."""

_PATTERNS = {kind.name: kind.pattern for kind in KINDS} | {"type": _TYPE}


def _with_kinds(pattern: str) -> str:
    """A pattern with the kinds of the engine's table in the place of their names."""
    return re.sub("@@([^@]+)@@", lambda match: f"(?:{_PATTERNS[match[1]]})", pattern)


# What is named between @@ is in the table of the engine; the rest is special to documents, or wider
# there: in a file there is no second look at what was lost.
_LITERALS = re.compile(
    _with_kinds(
        r"""
      </?[1-9][0-9]{0,8}/?>                                 # text like our own placeholders
    | \^\[ [^\]\n]{0,200} \] \( (?:inflect|morphology|automaticGrammar) [^()\n]{0,200} \)
    | \\[Nhnrt] (?![a-z])                                   # \N \h of subtitles, \t
    | (?<![\w<]) [A-Z]\w{0,60} (?!<(?P<tag>\w{1,20})>[^<>]{0,200}</(?P=tag)>)
      < @@type@@ (?:[<,][ ]?@@type@@ | >(?=[,>])){0,8} > (?!\w)     # List<String>
    | (?<![\w*.]) \*\.(?:\w{1,5}|\*) (?![\w*])               # *.txt
    | @@code@@ | @@template@@ | @@template block@@ | @@documentation tag@@
    | \{ [^{}'\n]{1,100} (?: => | [=?&|+*/<>-]\ | \( ) [^{}\n]{0,100} \}  # {n + 1} {f(x)} of MDX
    | <% [^%]{0,500} %> | <\? (?:php|=) .{0,500}? \?>        # <%= x %> <?php ?>
    | \$t\( (?:[^()\n]|\{\{[^{}\n]{0,80}\}\}){1,200} \)      # $t(x, {"n": {{n}}})
    | @ (?:\.\w+)? : (?:\w[\w.]*\w | \([\w.]+\) | \{'[\w.-]{1,100}'\})  # @:key @.lower:key
    | (?<![^\s("'\u00ab\u201c#\[|]) : [A-Za-z]\w{0,60} (?![\w:])  # :name of Laravel
    | (?<![\w:]) [A-Za-z][\w-]{0,40} :: (?=[ ]\S)            # key:: value of Obsidian
    | @@dunder@@ | @@wrapped name@@ | @@bracket name@@ | (?<![\w@]) @ [A-Za-z]\w{1,40} @ (?![\w@])
    | \[\[ [^\[\]\n]{1,100} \]\] | \u00ab [\w.-]{1,60} \u00bb # [[x]], \u00abx\u00bb of mail merges
    | @@interpolation@@
    | \$\( [^()\n]{1,200} \) | \$t\( [^()\n]{1,200} \)      # $(x) $t(x)
    | \$[A-Za-z_]\w*\$ | \$\$ (?=\d)                         # $USER$ $$5
    | \$ (?:[A-Za-z_][A-Za-z0-9_]*|[0-9](?![0-9.,]))        # $VAR $1, but not $10
    | @@batch variable@@
    | %\( [A-Za-z0-9_.]{1,100} \) [-+0-9.\# ]* [a-zA-Z]      # %(name)s
    | %< \w{1,60} > [-+0-9.\#]* [a-zA-Z]                     # %<name>d
    | %\| [^|\n]{1,40} \| | %[0-9]{1,2}%                      # %|1$s| %2%
    | %[0-9]{0,2}\$?\#@ \w{1,60} @ | %arg\b                  # %#@files@ of Apple
    | (?<![0-9%]) % (?:[0-9]{1,2}\$)? [-+0\#',]* (?:[0-9]+|\*)? (?:\.(?:[0-9]+|\*))?
        (?: (?:hh|h|ll|l|j|z|t|L|q)? [diouxXeEfFgGcsSpn@] (?![A-Za-z])
          | (?:ll|l|z)? [dusxf@] (?: (?=[A-Za-z]{1,2}(?![A-Za-z])) | (?<=@)))  # %s %1$d %.2f %ds
    | %[A-Za-z] (?:[-./: T]{1,2}%[A-Za-z]){1,8}              # %Y-%m-%d
    | %L?[0-9]{1,2} (?![0-9]) | %L?n (?![A-Za-z])           # %1, as Qt has it
    | %%
    | (?: (?:https?|ftp|ftps|sftp|ssh|git|file|ws|wss|s3|magnet) :// | www\. )
        [^\s<>"'`{}|\\^\[\]]{1,2000} (?<![.,;:!?)'\u2019])  # URLs, without what ends a sentence
    | @@e-mail@@
    | @@path@@
    | (?<![\w./@:+-]) [\w-][\w.-]{0,100} \. (?:md|txt|rst|html?|css|js|ts|py|rs|java|rb|sh|bat
        |json|ya?ml|toml|ini|cfg|conf|xml|csv|tsv|po|pdf|docx?|odt|xlsx?|png|jpe?g|gif|svg|zip|tar
        |gz|exe|dll|log|lock) (?![\w/-]|\.\w)             # README.md
    | (?<!\w) [A-Za-z]:\\ [\w.\\$-]+ (?<![.])               # C:\Users
    | @@option@@ | @@key combination@@
    | (?<![\w-]) - [A-Za-z] (?= ,\ --)                      # -o, --option
    | (?<![^\s(\[|]) - [b-hj-z] (?= [\s,:=\])|] | \Z)         # -o FILE, but "-I see" of subtitles
    | (?<![\w/@.]) @ [A-Za-z0-9][\w-]{0,38} (?:[/:][\w-]{1,60})? (?![\w@]|\.[a-z])      # @person
    | (?<![\w./-]) [\w.-]{1,60}/[\w.-]{1,60} \# [0-9]+              # a/b#1
    | (?<![\w&]) \# [0-9]{1,7} \b (?!;)                      # #1
    | (?<![\w&\#]) \# [A-Za-z][\w/-]{0,60}[A-Za-z0-9] (?![\w;])           # #tag
    | \b (?:GH|CVE|RFC|ISO|PEP) - [0-9][0-9-]* \b
    | \b (?=[a-f]*[0-9]) (?=[0-9]*[a-f]) [0-9a-f]{7,40} \b            # a hash
    | \b v?[0-9]+ (?:\.[0-9]+){2,3} (?:[-+][\w.-]{0,40}\w)? (?!\w) | \b v[0-9]+(?:\.[0-9]+)+ \b
    | (?<!\w) [A-Za-z][A-Za-z0-9]* (?:_[A-Za-z0-9]+)+ (?:\(\))? (?!\w)   # snake_case
    | @@call@@
    | \[\^ [^\]\s]{1,100} \]                                # [^1]
    | @@entity@@ | @@short code@@
    | [\u2610-\u2612\u2713-\u2718\u25a0-\u25ff\u2022\u266a\u266b]
    | [\ue000-\uf8ff]                                       # icons of a font
    """
    ),
    re.VERBOSE,
)

_TAG = re.compile(
    r"""
      <!--.{0,2000}?-->
    | \{\\[^{}\n]{1,200}\}                                  # {\an8} of subtitles
    | <(?P<closing>/?)(?P<name>[A-Za-z][A-Za-z0-9.:_-]{0,60})
        (?P<rest>(?:(?:\s|=\S)[^<>]{0,2000})?/?)>           # <color=red> of game engines too
    """,
    re.VERBOSE,
)

_UNTRANSLATED = re.compile(
    r"""\stranslate\s*=\s*["']?no\b|\sclass\s*=\s*(?:"[^"]*|'[^']*)\bnotranslate\b""", re.IGNORECASE
)

# {name} {0} {0:.2f} {user.name} {count, plural, ...}: an argument begins like this.
_ARGUMENT = re.compile(r"\{\s*(?:[\w.$\[\]-]{0,100})(?:\s*![rsa])?\s*[},:]")

_BRACE = re.compile(r"[{}']")

_INTERESTING = re.compile(
    r"[<`{$#%@&/:+\\_(\[~\u00ab\u2022-\u27bf\ue000-\uf8ff]|--|www\.|\.[a-z]|\d"
)


def scan(text: str, grammar: str = "", *, escaped: bool = True) -> Iterator[TextRun]:
    """Cut a text into what is to be translated and what is not; the pieces are the text again.

    Args:
        text: as a reader sees it.
        grammar: of the format strings in it, as gettext names it: c-format; "" if none is said.
        escaped: whether `&lt;b&gt;` is a tag.
    """
    position = 0
    if _INTERESTING.search(text):
        places = [
            _directives(text, grammar),
            _escaped_tags(text) if escaped else iter(()),
            _literals(text),
            _arguments(text),
            _tags(text),
            _forum_tags(text),
        ]
        finders = [_PatternFinder(place) for place in places]
        while found := _first(finders, position):
            start, piece = found
            if position < start:
                yield TextRun(RunKind.TEXT, text[position:start])
            yield piece
            position = start + len(piece.text)
    if position < len(text):
        yield TextRun(RunKind.TEXT, text[position:])


def closings(text: str) -> dict[int, int]:
    """Index behind the closing brace of each brace that is opened.

    An apostrophe before a brace quotes, as ICU has it; any other is an apostrophe.
    """
    ends: dict[int, int] = {}
    opened: list[int] = []
    quoted = False
    for match in _BRACE.finditer(text):
        if match[0] == "'":
            quoted = not quoted and text[match.end() : match.end() + 1] in ("{", "}")
        elif quoted:
            continue
        elif match[0] == "{":
            opened.append(match.start())
        elif opened:
            ends[opened.pop()] = match.end()
    return ends


_Places = Iterator[tuple[int, TextRun]]


class _PatternFinder:
    """The places that one pattern finds, with a look at the next of them."""

    def __init__(self, places: _Places) -> None:
        self._places = places
        self._next = next(places, None)

    def at_or_after(self, position: int) -> tuple[int, TextRun] | None:
        while self._next is not None and self._next[0] < position:
            self._next = next(self._places, None)
        return self._next


def _first(finders: list[_PatternFinder], position: int) -> tuple[int, TextRun] | None:
    """The next place; where two begin together, that of the first finder."""
    places = [place for finder in finders if (place := finder.at_or_after(position))]
    return min(places, key=lambda place: place[0], default=None)


_C = (
    r"%(?:\d+\$)?[-+0# ']*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|j|z|t|L|q)?"
    r"[diouxXeEfFgGaAcsSpnmC@%]"
)
_GCC = r"%(?:\d+\$)?[qlwzt+# ]*(?:\.?\d+|\.?\*)?(?:ll|l|w|z|t)?[A-Za-z%<>'{}]"
_GRAMMARS = {
    "c-format": _C,
    "objc-format": _C,
    "python-format": r"%(?:\([^()]*\))?[-+0# ]*(?:\d+|\*)?(?:\.(?:\d+|\*))?[diouxXeEfFgGcrsa%]",
    "php-format": r"%(?:\d+\$)?[-+0 ]*(?:'.)?\d*(?:\.\d+)?[bcdeEfFgGosuxX%]",
    "ruby-format": r"%\{\w+\}|%[-+0# ]*(?:<\w+>)?[-+0# ]*\d*(?:\.\d+)?[diouxXeEfgGcsp%]",
    "lisp-format": r"~[\d,:@'#vV]*[a-zA-Z%&|~*?\n(){}\[\];<>^]",
    "scheme-format": r"~[\d,:@'#vV]*[a-zA-Z%&|~*?\n(){}\[\];<>^]",
    "javascript-format": r"%(?:\d+\$)?[-+0 ]*\d*(?:\.\d+)?[bcdoxXfsj%]",
    "perl-format": r"%(?:\d+\$)?[-+0# ']*(?:\*?v)?(?:\d+|\*)?(?:\.(?:\d+|\*))?"
    r"(?:hh|h|ll|l|q|L|V|z|t|j)?[bBdDiuoOxXeEfFgGaAcspn%]",
    "lua-format": r"%[-+0# ]*\d*(?:\.\d+)?[diuoxXeEfgGcsqaAp%]",
    "awk-format": _C,
    "tcl-format": _C,
    "librep-format": _C,
    "elisp-format": _C,
    "go-format": r"%(?:\[\d+\])?[-+0# ]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:\[\d+\])?"
    r"[vTtbcdoOqxXUeEfFgGsp%]",
    "gcc-internal-format": _GCC,
    "gfc-internal-format": _GCC,
    "object-pascal-format": r"%(?:\d+:)?-?(?:\d+|\*)?(?:\.(?:\d+|\*))?[dDuUxXeEfFgGnNmMsSpP%]",
    "ycp-format": r"%[1-9%]",
    "smalltalk-format": r"%[1-9%]",
    "java-printf-format": r"%(?:\d+\$)?[-#+ 0,(<]*\d*(?:\.\d+)?[a-zA-Z%]",
    "kde-format": r"%\d+",
    "boost-format": r"%\|[^|]+\||%\d+%|" + _C,
    "qt-format": r"%L?(?:\d{1,2}|n)",
    "qt-plural-format": r"%L?n",
}
"""The directives of format strings, by the flag of gettext."""

DOUBLING = frozenset(flag for flag, own in _GRAMMARS.items() if re.fullmatch(own, "%%"))
"""The flags of format strings in which a percent sign is doubled."""


def _directives(text: str, grammar: str) -> _Places:
    """Directives of format strings that are said to be such, whatever stands beside them."""
    if pattern := _GRAMMARS.get(grammar):
        for match in re.finditer(pattern, text):
            shows = "%" if match[0] == "%%" else None
            yield match.start(), TextRun(RunKind.LITERAL, match[0], shows=shows)


def _literals(text: str) -> _Places:
    for match in find_all(_LITERALS, text):
        yield match.start(), TextRun(RunKind.LITERAL, match[0], shows=_SHOWS.get(match[0]))


_SHOWS = {"%%": "%", "\\N": "\n", "\\h": " "}


def _arguments(text: str) -> _Places:
    ends = closings(text)
    for match in find_all(_ARGUMENT, text):
        if end := ends.get(match.start()):
            yield match.start(), TextRun(RunKind.LITERAL, text[match.start() : end])


def _tags(text: str) -> _Places:
    closers = _closers(text)
    position = 0
    for match in find_all(_TAG, text):
        if match.start() < position:
            continue
        name = (match["name"] or "").lower()
        stays = name in _CODE or _UNTRANSLATED.search(match["rest"] or "")
        if stays and not match["closing"] and not match["rest"].endswith("/"):
            ends = closers.get(name, ())
            at = bisect_left(ends, (match.end(), 0))
            if at < len(ends):
                start, position = ends[at]
                shown = without_readings(text[match.end() : start])
                raw = text[match.start() : position]
                yield match.start(), TextRun(RunKind.LITERAL, raw, name, shown)
                continue
        yield match.start(), _tag(match)


_ESCAPED_TAG = re.compile(
    r"&lt;(?P<closing>/?)(?P<name>[A-Za-z][A-Za-z0-9.:_-]{0,60})"
    r"(?P<rest>(?:\s(?:(?!&[lg]t;)[^<>]){0,500})?/?)&gt;"
)


def _escaped_tags(text: str) -> _Places:
    """Tags in HTML that is spelt as text: `&lt;b&gt;`; one that is not closed is a word."""
    found = list(find_all(_ESCAPED_TAG, text)) if "&lt;" in text else []
    opened: dict[str, list[int]] = {}
    paired: set[int] = set()
    for match in found:
        name = match["name"].lower()
        if not match["closing"]:
            opened.setdefault(name, []).append(match.start())
        elif opened.get(name):
            paired |= {opened[name].pop(), match.start()}
    for match in found:
        tag = _tag(match)
        if match.start() in paired or tag.kind is RunKind.TAG:
            yield match.start(), tag
        else:
            yield match.start(), TextRun(RunKind.LITERAL, match[0])


_FORUM_TAG = re.compile(
    r"\[(?P<closing>/?)(?P<name>[bius]|url|img|color|size|quote|center|list|font|email|code)"
    r"(?:=[^\[\]\n]{1,200})?\]",
    re.IGNORECASE,
)


def _forum_tags(text: str) -> _Places:
    """Tags in brackets, as forums and games have them, of those that are closed: `[b]go[/b]`."""
    opened: dict[str, list[re.Match[str]]] = {}
    pairs = []
    for match in _FORUM_TAG.finditer(text) if "[/" in text else ():
        name = match["name"].lower()
        if not match["closing"]:
            opened.setdefault(name, []).append(match)
        elif opened.get(name):
            pairs.append((opened[name].pop(), match))
    runs = []
    for first, last in pairs:
        name = first["name"].lower()
        if name in ("code", "img"):
            whole = text[first.start() : last.end()]
            shown = text[first.end() : last.start()]
            runs.append((first.start(), TextRun(RunKind.LITERAL, whole, name, shown)))
            continue
        runs.append((first.start(), TextRun(RunKind.OPENING, first[0], f"[{name}")))
        runs.append((last.start(), TextRun(RunKind.CLOSING, last[0], f"[{name}")))
    yield from sorted(runs, key=lambda run: run[0])


_CLOSER = re.compile(r"</([A-Za-z][A-Za-z0-9.:_-]{0,60})\s{0,100}>")


def _closers(text: str) -> dict[str, list[tuple[int, int]]]:
    """Spans of the tags that close elements, by name."""
    found: dict[str, list[tuple[int, int]]] = {}
    for match in find_all(_CLOSER, text) if "</" in text else ():
        found.setdefault(match[1].lower(), []).append(match.span())
    return found


def _tag(match: re.Match[str]) -> TextRun:
    name = (match["name"] or "").lower()
    if not name or name in _VOID | BREAKING or match["rest"].endswith("/"):
        return TextRun(RunKind.TAG, match[0], name)
    return TextRun(RunKind.CLOSING if match["closing"] else RunKind.OPENING, match[0], name)
