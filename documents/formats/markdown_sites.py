"""Markdown as sites write it: rules for what MkDocs, Docusaurus, Hugo, Jekyll and others add.

Block rules find lines that are no text (tags of templates, imports, markers of admonitions and
tabs), formulas, and blocks whose content is indented or behind a marker. Inline rules find what
stands in a sentence: attributes, formulas, links of wikis, marks. What they match is left as it is;
titles of admonitions and tabs are text.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_inline import StateInline

from tformer.documents.formats.markdown_site_blocks import (
    JSX_TAG,
    REFERENCE,
    html_rule,
    indented_rule,
    jsx_rule,
    line_rule,
    marker_rule,
    verbatim_rule,
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
        ("site_tag", jsx_rule), ("site_verbatim", verbatim_rule), ("site_line", line_rule),
        ("site_indented", indented_rule), ("site_marker", marker_rule),
    ]:  # fmt: skip
        block.before("table", name, rule, ends)
    html_ends: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote"]}
    block.at("html_block", html_rule, html_ends)
    markdown.inline.ruler.before("escape", "site_inline", _inline)
    markdown.inline.ruler.before("html_inline", "jsx", _jsx)
    return markdown


def references_of(text: str) -> dict[str, object]:
    """Targets of a text's links, also where CommonMark sees no definition."""
    return {
        normalizeReference(match["label"]): {"title": "", "href": match["address"], "map": [0, 0]}
        for match in REFERENCE.finditer(text)
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
