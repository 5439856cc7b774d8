"""Markdown as sites write it: rules for what MkDocs, Docusaurus, Hugo, Jekyll and others add.

Block rules find lines that are no text (tags of templates, imports, markers of admonitions and
tabs), formulas, and blocks whose content is indented or behind a marker. Inline rules find what
stands in a sentence: attributes, formulas, links of wikis, marks. What they match is left as it is;
titles of admonitions and tabs are text.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt, rules_block
from markdown_it.common.utils import normalizeReference
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

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
ARGUMENTS = re.compile(
    r"""(?m)(?:\{\{[<%] | \{%-?) [^{}\n]{0,300}?
        \b(?:alt|caption|content|description|label|text|title)
        \s*=\s* "(?P<words>[^"\n]*[^\W\d_][^"\n]*)"
    | \{\{[<%]\s*(?!(?:rel)?ref\b|highlight|include|read|param\b|gist|link|partial)[\w-]+
        (?:\s+[\w-]+){0,3}\s+"(?P<said>[^"\n/]*[^\W\d_][^"\n/]*[ ][^"\n/]*)"
    | ^[ \t]*:{3,}[^\n{}]*\{[^{}\n]*\btitle="(?P<titled>[^"\n]*[^\W\d_][^"\n]*)"
    | ^\*\[[^\]\n]+\]:[ ](?P<long>[^\n]+)""",
    re.VERBOSE,
)
"""Words that tags of templates are given, and what abbreviations stand for."""

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
_REFERENCE = re.compile(
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

_INLINE = re.compile(
    r"""
      (?P<attributes>\{:?[ ]*(?:[.\#][\w:./-]+|[\w:-]+=(?:"[^"\n]*"|'[^'\n]*'|[^\s{}"']+))
        (?:[ ]+(?:[.\#][\w:./-]+|[\w:-]+=(?:"[^"\n]*"|'[^'\n]*'|[^\s{}"']+)))*[ ]*\}
        | \{[ ]*\.annotate[ ]*\})
    | \{\{\{? [^\n]{0,300}? \}?\}\} | \{% [^\n]{0,300}? %\} | \{\#[^\n]{0,200}?\#\}
    | \{>> .{0,300}? <<\} | \{/\* .{0,300}? \*/\}
    | !\[\[ [^\[\]\n]{1,200} \]\] | \[\[ [^\[\]|\U0010fffd\n]{1,200} \]\]
    | (?P<wiki>\[\[ [^\[\]|\U0010fffd\n]{1,200} [|\U0010fffd])(?=[^\[\]\n]{1,200}\]\])
    | \$\$ [^$\n]{1,500} \$\$ | \$(?![\s\d$])[^$\n]{0,300}?(?<![\s\\])\$(?![\w])
    | \\\( (?=[^\n]{0,200}?[\\^_=<>])
        (?:(?!\\\)).){0,300}?(?!\\\))[\\^_=<>](?:(?!\\\)).){0,300} \\\)
    | \\\( (?:(?!\\\)|[^\W\d_]{3}).){1,100} \\\)                     # of single letters
    | \\\[ (?:(?!\\\]).){0,300}?(?!\\\])[\\^_=](?:(?!\\\]).){0,300} \\\]
    | %% [^%\n]{1,300} %% | \+\+ [\w+."-]{1,60} \+\+
    | (?P<mark>==|\^\^)(?=\S[^=^\n]*\S?(?P=mark))
    | (?P<raised>(?<=[\w)])(?:~(?=[^\s~]{1,20}~(?!~))|\^(?=[^\s^]{1,20}\^(?!\^))))   # H~2~O
    | \]\[ [^\[\]\n]{1,100} \] | \[ [^\[\]\n]{1,100} \](?=\[\^)     # references to other files
    | \[\^ [^\]\s]{1,100} \] | \A\[[ xX]\](?=\s) | (?:(?<=\s)|\A)\^[\w-]+\Z
    | :[a-z][a-z0-9_+-]{1,60}: (?:\{[ ]*[.\#][^{}\n]*\})?
    """,
    re.VERBOSE | re.DOTALL,
)
_STARTS = "{!][$\\%+=^:~"


def site_rules(markdown: MarkdownIt) -> MarkdownIt:
    """Add the rules to a parser."""
    ends: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    block = markdown.block.ruler
    for name, rule in [
        ("site_tag", _jsx_block), ("site_verbatim", _verbatim), ("site_line", _line),
        ("site_indented", _indented), ("site_marker", _behind_marker),
    ]:  # fmt: skip
        block.before("table", name, rule, ends)
    html_ends: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote"]}
    block.at("html_block", _html_block, html_ends)
    markdown.inline.ruler.before("escape", "site_inline", _inline)
    markdown.inline.ruler.before("html_inline", "jsx", _jsx)
    return markdown


def references_of(text: str) -> dict[str, object]:
    """Targets of a text's links, also where CommonMark sees no definition."""
    return {
        normalizeReference(match["label"]): {"title": "", "href": match["address"], "map": [0, 0]}
        for match in _REFERENCE.finditer(text)
    }


_FILTER = re.compile(r"\{\{[^{}\n]*\}\}|\{%[^{}\n]*%\}")

_LINK = re.compile(r"\]\((?:[^\s()<>{}]|\{\{[^{}\n]*\}\}|\{%[^{}\n]*%\})*")
"""Pattern of the beginning of a link up to what ends its address, templates in it."""
_HIDDEN = str.maketrans(
    "| \"'()<>", "\U0010fffd\U0010ffe0\U0010ffe1\U0010ffe2\U0010ffe3\U0010ffe4\U0010ffe5\U0010ffe6"
)
"""Characters in the places of signs that say nothing to Markdown where they stand."""
_SHOWN = {there: here for here, there in _HIDDEN.items()}
_COLUMNS = re.compile(
    r"(?m)^[ \t>]*(?=[^\r\n]*\|)\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\r?$"
)
"""Pattern of the line below the heads of a table."""
_CELL_CODE = re.compile(r"(?<![`\\])(`+)(?!`)[^\n]+?(?<!`)\1(?!`)|\[\[[^\[\]\n]+\]\]")
_BLANK_LINE = re.compile(r"\n[ \t>]*\r?(?:\n|\Z)")
_BORDER = re.compile(r"(?<!\\)\|")


def hide(text: str) -> str:
    """A text of the same length in which signs of templates and of code are not Markdown's.

    Filters of a template, and code in a row of a table, divide no cells: `` `a|b` ``. Blanks in a
    template end no address of a link.
    """
    text = _FILTER.sub(lambda match: match[0].replace("|", chr(_HIDDEN[ord("|")])), text)
    if "](" in text and "{" in text:
        text = _LINK.sub(
            lambda link: _FILTER.sub(lambda tag: tag[0].translate(_HIDDEN), link[0]), text
        )
    return _with_whole_cells(text) if "`" in text or "[[" in text else text


def unhide(text: str) -> str:
    """A text with the signs that were hidden."""
    return text.translate(_SHOWN)


def _with_whole_cells(text: str) -> str:
    """Hide borders in code where a row has as many cells as its table has columns without them."""
    pieces = []
    position = 0
    for heads in _COLUMNS.finditer(text):
        start = text.rfind("\n", 0, max(heads.start() - 1, 0)) + 1
        if start < position:
            continue
        end = _BLANK_LINE.search(text, heads.end())
        last = end.start() if end else len(text)
        columns = _cells(heads[0])
        rows = text[start:last].split("\n")
        pieces += [text[position:start], "\n".join(_whole_row(row, columns) for row in rows)]
        position = last
    return "".join([*pieces, text[position:]])


def _whole_row(row: str, columns: int) -> str:
    hidden = _CELL_CODE.sub(lambda m: m[0].replace("|", chr(_HIDDEN[ord("|")])), row)
    return hidden if _cells(hidden) == columns != _cells(row) else row


def is_cut(cell: str, row: str) -> bool:
    """Return whether code in a row goes beyond a cell of it, as one of two readings has it."""
    if not any("|" in match[0] for match in _CELL_CODE.finditer(row)):
        return False
    return bool(re.search(r"`|\[\[|\]\]", _CELL_CODE.sub("", cell)))


def _cells(row: str) -> int:
    return len(_BORDER.findall(row.strip(" \t\r>").removeprefix("|").removesuffix("|"))) + 1


# --- blocks --------------------------------------------------------------------------------------


def _html_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
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


def _verbatim(state: StateBlock, start: int, end: int, silent: bool) -> bool:
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


def _line(state: StateBlock, start: int, end: int, silent: bool) -> bool:
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
    if _REFERENCE.fullmatch(text):
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


def _indented(state: StateBlock, start: int, end: int, silent: bool) -> bool:
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


def _behind_marker(state: StateBlock, start: int, end: int, silent: bool) -> bool:
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


# --- inline --------------------------------------------------------------------------------------


def _inline(state: StateInline, silent: bool) -> bool:
    """Inline syntax that is not for translation, or marks a part of a sentence."""
    if state.src[state.pos] not in _STARTS:
        return False
    match = _INLINE.match(state.src, state.pos, state.posMax)
    if not match or (state.pos and state.src[state.pos - 1] == "\\"):
        return False
    if match["wiki"] or match["mark"] or match["raised"]:
        return _around(state, match, silent)
    if not silent:
        token = state.push("site_inline", "", 0)
        token.content = match[0]
        token.meta = {"place": match.span(), "attributes": bool(match["attributes"])}
    state.pos = match.end()
    return True


def _around(state: StateInline, match: re.Match[str], silent: bool) -> bool:
    """A mark around words, or the text of a link of a wiki."""
    closing = match["mark"] or match["raised"] or "]]"
    end = state.src.find(closing, match.end(), state.posMax)
    if end < 0:
        return False
    if not silent:
        behind = state.posMax
        opening = state.push("site_open", "mark", 1)
        opening.meta = {"place": match.span()}
        opening.markup = match[0]
        state.pos, state.posMax = match.end(), end
        state.linkLevel += 1
        state.md.inline.tokenize(state)
        state.linkLevel -= 1
        state.posMax = behind
        token = state.push("site_close", "mark", -1)
        token.markup = closing
        token.meta = {"place": (end, end + len(closing))}
    state.pos = end + len(closing)
    return True


_BRACED = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,500}\}){0,500}\}){0,500}\}"
JSX_TAG = re.compile(
    rf"""<[A-Za-z][\w.:-]*
    (?:\s+(?:[\w:.-]+(?:=(?:"[^"]*"|'[^']*'|{_BRACED}))?|{_BRACED}))* \s* /?>""",
    re.VERBOSE,
)
"""Pattern of a tag of JSX: values of attributes may be expressions in braces."""


_COMPONENT = re.compile(r"<[A-Z][\w.]*(?=\s|\Z)")


def _jsx_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
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


def _jsx(state: StateInline, silent: bool) -> bool:
    """A tag of JSX that is none of HTML."""
    if state.src[state.pos] != "<":
        return False
    match = JSX_TAG.match(state.src, state.pos, state.posMax)
    if not match or "{" not in match[0]:
        return False
    if not silent:
        token = state.push("html_inline", "", 0)
        token.content = match[0]
        token.meta = {"place": match.span()}
    state.pos = match.end()
    return True
