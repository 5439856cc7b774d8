"""Block rules of Markdown as sites write it.

They find lines that are no text (tags of templates, imports, markers of admonitions and tabs), and
text within such blocks."""

from __future__ import annotations

import re

from markdown_it import rules_block
from markdown_it.rules_block import StateBlock

_LINES = re.compile(
    r"""
      (?:\{%(?:(?!%\}).)*%\}\s*)+ | (?:\{\#(?:(?!\#\}).)*\#\}\s*)+      # tags of templates
    | (?:\{\{(?:(?!\}\}).)*\}\}\s*)+
    | :{3,} (?:\s*\{[^{}]*\})?                                     # ends of containers
    | -{1,}8<-{1,}.* | ;-+8<-+.* | \[TOC\] | \[\[_?TOC_?\]\] | \$toc
    | \{:?\s*[.\#\w][^{}]*\}                                       # attributes of a block
    | \*\[[^\]\n]+\]: .*                                           # abbreviations
    | \([\w.:-]+\)=                                               # labels of MyST
    | \{/\*.*\*/\} | /{3,}.* | @\[[^\]]*\]\([^)]*\) | <!--\s*more\s*-->
    | (?:import|export)\s+(?:.*\sfrom\s+)?["'][^"']+["'];?
    | import\s+.*\sfrom\s+["'][^"']+["'];?
    """,
    re.VERBOSE,
)


_TITLED = re.compile(
    r""":{3,}\s*[\w-]+(?:\[(?P<label>[^\]\n]*)\]|\s+(?P<behind>[^{}\n]*?))?\s*(?:\{[^{}\n]*\})?
    | ==[ ]+(?P<pane>[^=\n]+)                                       # tabs of VitePress
    | \[![A-Za-z]+\][+-]?(?:[ ]+(?P<alert>.*))?""",
    re.VERBOSE,
)


_INDENTED = re.compile(
    r"""(?:!!!|\?\?\?\+?)[ ]+[\w][\w -]*?(?:[ ]+(?P<end>inline(?:[ ]end)?))?(?:[ ]+"(?P<title>.*)")?
    | ===[+!]*[ ]+"(?P<tab>.*)" | ===[+!]*[ ]+'(?P<other>.*)'""",
    re.VERBOSE,
)


REFERENCE = re.compile(
    r"""(?m)^[ \t>]*\[(?P<label>(?!\^)[^\[\]\n]+)\]:[ \t]+<?(?P<address>[^\s<>]+)>?
    [ \t]*(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\([^()\n]*\))?[ \t]*\r?$""",
    re.VERBOSE,
)


_TITLE_LINE = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|\([^()]*\)")


_API = re.compile(r":::\s+[\w/]+(?:\.\w+)+")


_EXPORT = re.compile(r"export\s+(?:const|let|var|default|function|async|class|\{)|import\s+\{?\s*$")


_VERBATIM = re.compile(
    r"\{%-?\s*(?P<tag>highlight|raw|codeblock|code|comment|mermaid|verbatim)\b"
    r"|\{\{[<%]\s*(?P<short>[\w-]*(?:code|highlight|mermaid|katex|math|chart|diagram|plantuml|kroki"
    r"|raw|script|style)[\w-]*)(?=[\s>%])(?![^\n]*/\s*[>%]\}\})|(?P<math>\$\$)|(?P<latex>\\\[)"
    r"|\{::(?P<kramdown>comment|nomarkdown)\b[^{}]*\}\s*\Z"
    r"|(?P<comment>%%)\s*\Z|\\begin\{(?P<environment>\w+\*?)\}"
)


_LONE_MARKER = re.compile(r"\[\^[^\]\s]+\]:")


_MARKER = re.compile(r"\[\^[^\]\s]+\]:[ \t]*(?=\S)|:[ \t]{1,3}(?=\S)")


def html_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """CommonMark's rule, but a comment with text behind it begins a paragraph, as sites read it."""
    if not silent and re.match(r"<!--.*?-->[ \t]*[^<\s]", _text_of(state, start)):
        return False
    return rules_block.html_block(state, start, end, silent)


def _text_of(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()


def _is_code(state: StateBlock, line: int) -> bool:
    return state.sCount[line] - state.blkIndent >= 4


def _leave(state: StateBlock, start: int, end: int) -> bool:
    """Leave lines as they are."""
    state.line = end
    token = state.push("site_lines", "", 0)
    token.map = [start, end]
    token.content = state.getLines(start, end, state.blkIndent, True)
    return True


def verbatim_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Formulas and code between two marks, each on a line."""
    text = _text_of(state, start)
    match = None if _is_code(state, start) else _VERBATIM.match(text)
    if not match:
        return False
    closing = _closing(match)
    if re.search(closing, text[match.end() :]):
        if not re.fullmatch(rf".*?{closing}", text[match.end() :]):
            return False
        return silent or _leave(state, start, start + 1)
    # What was not found once is not there for any that begins behind.
    missing = state.env.setdefault("missing", set())
    if (state.src, closing, end, state.blkIndent) in missing:
        return False
    for line in range(start + 1, end):
        if not state.isEmpty(line) and state.sCount[line] < state.blkIndent:
            return False
        if re.search(closing, _text_of(state, line)):
            return silent or _leave(state, start, line + 1)
    missing.add((state.src, closing, end, state.blkIndent))
    return False


def _closing(match: re.Match[str]) -> str:
    """A pattern of what ends a verbatim block."""
    if match["tag"]:
        return rf"\{{%-?\s*end{match['tag']}\b.*?%\}}"
    if match["short"]:
        return rf"\{{\{{[<%]\s*/\s*{match['short']}\b"
    if match["kramdown"]:
        return rf"\{{:/(?:{match['kramdown']})?\}}"
    if match["environment"]:
        return rf"\\end\{{{re.escape(match['environment'])}\}}"
    return {"$$": r"\$\$", "\\[": r"\\\]", "%%": "%%"}[match[0].strip()]


def line_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Lines that are no text, and lines of which a title is."""
    if _is_code(state, start):
        return False
    text = _text_of(state, start)
    if _EXPORT.match(text) and start == _first_of_paragraph(state, start):
        last = start
        while last < end and not state.isEmpty(last):
            last += 1
        return silent or _leave(state, start, last)
    if _API.fullmatch(text):
        last = start + 1
        while last < end and not state.isEmpty(last) and state.sCount[last] >= 4:
            last += 1
        return silent or _leave(state, start, last)
    if REFERENCE.fullmatch(text):
        titled = start + 1 < end and _TITLE_LINE.fullmatch(_text_of(state, start + 1))
        return silent or _leave(state, start, start + 1 + bool(titled))
    if _LINES.fullmatch(text):
        return silent or _leave(state, start, start + 1)
    head = _TITLED.fullmatch(text)
    if not head or (text.startswith("[!") and state.parentType != "blockquote"):
        return False
    if silent:
        return True
    _leave(state, start, start + 1)
    _add_title(state, start, head[head.lastgroup] if head.lastgroup else None)
    return True


def _first_of_paragraph(state: StateBlock, line: int) -> int:
    """The line itself if nothing stands directly before it but such lines."""
    before = line - 1
    if before < 0 or state.isEmpty(before):
        return line
    return line if re.match(r"import\s|export\s", _text_of(state, before)) else before


def _add_title(state: StateBlock, line: int, title: str | None) -> None:
    if not title or not title.strip():
        return
    state.push("title_open", "title", 1)
    token = state.push("inline", "", 0)
    token.content, token.map, token.children = title.strip(), [line, line + 1], []
    state.push("title_close", "title", -1)


def indented_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Admonitions and tabs of MkDocs: what is indented by four belongs to them."""
    text = "" if _is_code(state, start) else _text_of(state, start)
    match = _INDENTED.fullmatch(text)
    if not match and not _LONE_MARKER.fullmatch(text):
        return False
    if silent:
        return True
    wanted = state.sCount[start] + 4
    last = behind = start + 1
    while last < end:
        if not state.isEmpty(last):
            if state.sCount[last] < wanted:
                break
            behind = last + 1
        last += 1
    state.push("site_open", "div", 1).map = [start, behind]
    if match:
        _add_title(state, start, match["title"] or match["tab"] or match["other"])
    _tokenize(state, start + 1, behind, wanted)
    state.push("site_close", "div", -1)
    state.line = behind
    return True


def _tokenize(state: StateBlock, start: int, end: int, indent: int) -> None:
    """Read lines as blocks of their own."""
    before = state.blkIndent, state.lineMax, state.parentType
    state.blkIndent, state.lineMax, state.parentType = indent, end, "root"
    state.md.block.tokenize(state, start, end)
    state.blkIndent, state.lineMax, state.parentType = before


def marker_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Footnotes and definitions: what stands behind a marker, and what is indented below."""
    match = None if _is_code(state, start) else _MARKER.match(_text_of(state, start))
    if not match or (match[0].startswith(":") and not _follows_term(state, start, silent)):
        return False
    if silent:
        return True
    wanted = (
        state.sCount[start] + min(4, len(match[0]))
        if match[0][0] == ":"
        else state.sCount[start] + 4
    )
    behind = _end_of_definition(state, start, end, wanted)
    before = state.bMarks[start], state.tShift[start], state.sCount[start]
    state.push("site_open", "dd", 1).map = [start, behind]
    state.bMarks[start] += state.tShift[start] + len(match[0])
    state.tShift[start] = 0
    state.sCount[start] = wanted
    _tokenize(state, start, behind, wanted)
    state.bMarks[start], state.tShift[start], state.sCount[start] = before
    state.push("site_close", "dd", -1)
    state.line = behind
    return True


def _end_of_definition(state: StateBlock, start: int, end: int, wanted: int) -> int:
    """Behind the last line that belongs to a definition: indented, or going on lazily."""
    last = behind = start + 1
    while last < end:
        if not state.isEmpty(last):
            lazy = last == behind and not _MARKER.match(_text_of(state, last))
            if state.sCount[last] < wanted and not (lazy and _is_plain(state, last)):
                break
            if state.sCount[last] < wanted:
                break
            behind = last + 1
        last += 1
    return behind


def _is_plain(state: StateBlock, line: int) -> bool:
    return _text_of(state, line)[:1].isalnum()


def _follows_term(state: StateBlock, line: int, silent: bool) -> bool:
    """Return whether a line with a term, or another definition, stands before a definition."""
    before = line - 1
    if before >= 0 and state.isEmpty(before):
        before -= 1
    return before >= 0 and not state.isEmpty(before)


_BRACED = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,500}\}){0,500}\}){0,500}\}"


JSX_TAG = re.compile(
    rf"""<[A-Za-z][\w.:-]*
    (?:\s+(?:[\w:.-]+(?:=(?:"[^"]*"|'[^']*'|{_BRACED}))?|{_BRACED}))* \s* /?>""",
    re.VERBOSE,
)
"""Pattern of a tag of JSX: values of attributes may be expressions in braces."""


_COMPONENT = re.compile(r"<[A-Z][\w.]*(?=\s|\Z)")


def jsx_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A tag of a component of JSX that takes several lines."""
    if _is_code(state, start) or not re.match(
        r"<[A-Z][\w.]*\Z|<[A-Z][\w.]*\s", _text_of(state, start)
    ):
        return False
    at = state.bMarks[start] + state.tShift[start]
    match = JSX_TAG.match(state.src, at, state.eMarks[end - 1])
    if not match or "\n" not in match[0]:
        return False
    last = start + match[0].count("\n")
    if state.src[match.end() : state.eMarks[last]].strip():
        return False
    if not silent:
        _leave(state, start, last + 1)
        state.tokens[-1].type = "site_tag"
    return True
